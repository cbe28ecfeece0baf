"""The parts of the planned pace: pure functions of tensors, elementwise, of any shape.

Errors are log ratios of what is measured to what is allowed: e = log(RE / kappa^2).
"""

import math

import tensorflow as tf

FAR = 0.1  # error from which on lambda is still searched for, not adjusted
FEWEST = 300  # steps that a plan looks ahead at least, because networks lag by a hundred
GIVEN_BACK = 2.0  # how much faster the error should rise to its tolerance than fall to it
USUAL = 2000  # steps that always remain of a training of unknown length
MEMORY = (10.0, 100.0)  # steps that C_ma remembers, at least and at most


def planned_decay(steps: tf.Tensor) -> tf.Tensor:
    """Returns alpha, the decay of C_ma, for a training of a length; a float32 scalar.

        alpha = 1 - 1 / M,    M = T / 20, at least 10 and at most 100

    C_ma lags by its memory M. Against a plan of T steps a twentieth is little; 100 steps, the 0.99
    of the paper, are too much for a training of 600.

    Args:
        steps: T, the step at which training is planned to end, or 0 if that is not known.
    """
    steps = tf.cast(steps, tf.float32)
    memory = tf.clip_by_value(tf.where(steps > 0.0, steps, float(USUAL)) / 20.0, *MEMORY)
    return 1.0 - 1.0 / memory


def remaining(step: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """Returns how many steps of training the plan counts with, a float32 scalar.

        R = max(T - t, T / 3, 300),    2,000 where T is not known

    The last third is kept: a plan that ended with the training would press hardest at its end, when
    no time is left to give back what was too much. So a training may also go on after its end.

    Args:
        step: t, the number of steps taken.
        steps: T, the step at which training is planned to end, or 0 if that is not known.
    """
    step, steps = tf.cast(step, tf.float32), tf.cast(steps, tf.float32)
    known = tf.maximum(tf.maximum(steps - step, steps / 3.0), float(FEWEST))
    return tf.where(steps > 0.0, known, float(USUAL))


def pace(error: tf.Tensor, step: tf.Tensor, steps: tf.Tensor, share: float) -> tf.Tensor:
    """Returns how fast the error should fall, per step.

        p = e / (share R)    above the tolerance; twice that below it

    An error that follows it falls as e_0 (1 - t / T)^(1 / share) in the first two thirds of a
    training, to 3 % at a share of 0.3, and then with the time constant share T / 3. Below the
    tolerance every step spends KL for nothing, and networks give back more slowly than they learn.

    Args:
        error: e.
        step: t, the number of steps taken.
        steps: T, the step at which training is planned to end, or 0 if that is not known.
        share: Time constant of the error, in units of the steps that remain.

    Example:
    ```python
    pace(1.0, step=0, steps=3000, share=0.3)  # 1 / 900: log lambda may rise by 10 / 900 a step
    ```
    """
    error = tf.convert_to_tensor(error)
    pace = error / (share * tf.cast(remaining(step, steps), error.dtype))
    return tf.where(error < 0.0, GIVEN_BACK * pace, pace)


def scheduled(pace: tf.Tensor, log_multiplier: tf.Tensor, error: tf.Tensor) -> tf.Tensor:
    """Returns the pace, slowed down where lambda is beyond what maximum likelihood would take.

        p min(1, 2 / x)^2    where x = lambda e^e and e > 0

    A reconstruction error enters the loss as if it had the variance kappa^2 / lambda. So
    x = RE lambda / kappa^2 is the error in units of that variance: 1 where the likelihood is
    greatest (an ELBO with the optimal sigma), and above it less than d / D of the error of a linear
    Gaussian model with d latents and D values still answers. From twice that on x grows like the
    root of time: no tolerance is given up, and lambda does not explode.

    Args:
        pace: p, per step.
        log_multiplier: log lambda.
        error: e.
    """
    beyond = tf.maximum(log_multiplier + error - math.log(2.0), 0.0)
    return tf.where(error > 0.0, pace * tf.exp(-2.0 * beyond), pace)


def rate_limited(error: tf.Tensor, followed: tf.Tensor, pace: tf.Tensor) -> tf.Tensor:
    """Returns the error that the rule follows: far above the tolerance it rises slowly.

        f_t = min(e_t, max(f_{t-1}, 0.1) + p)

    Adam divides gradients by an average over a thousand steps, so a lambda that shoots up lengthens
    its steps, and the error rises: a spike that is followed makes the next one.

    Args:
        error: e_t.
        followed: f_{t-1}.
        pace: p, per step.
    """
    return tf.minimum(error, tf.maximum(followed, FAR) + pace)


def led_back(
    proposal: tf.Tensor, log_multiplier: tf.Tensor, error: tf.Tensor, start: tf.Tensor
) -> tf.Tensor:
    """Returns the next log lambda, kept on the side of its start that the error is on.

        max(proposal, min(start, log lambda + e / 6))    where e > 0.1
        min(proposal, max(start, log lambda))            where e < 0

    Far above the tolerance lambda does not fall below where it started, though every error falls
    fast at first; and if it is below, because the constraint was slack, it goes back there without
    a plan. Below the tolerance it does not rise beyond: a rising error there is the end of a slack
    time, in which nothing was learnt of how much lambda it takes.

    Args:
        proposal: The next log lambda.
        log_multiplier: log lambda.
        error: e.
        start: log lambda_0, where lambda started.
    """
    above = tf.maximum(proposal, tf.minimum(start, log_multiplier + error / 6.0))
    below = tf.minimum(proposal, tf.maximum(start, log_multiplier))
    return tf.where(error > FAR, above, tf.where(error < 0.0, below, proposal))


def saturated(
    proposal: tf.Tensor, integral: tf.Tensor, low: tf.Tensor, high: tf.Tensor
) -> tf.Tensor:
    """Returns log lambda within its bounds, and what the bounds took away: anti-windup.

    Beyond a bound nothing is integrated: the integral's part of the proposal is left out. What is
    taken from the rest is to be taken from the remembered error too (back-calculation), so that
    lambda leaves the bound at the same error at which it arrived there.

    Args:
        proposal: The next log lambda, unbounded.
        integral: How much of it was integrated in this step.
        low: Log of the lower bound.
        high: Log of the upper bound.

    Returns:
        The next log lambda, and what has to be added to a proposal without integral to get there.
    """
    beyond = tf.logical_or(proposal < low, proposal > high)
    proposal = tf.where(beyond, proposal - integral, proposal)
    bounded = tf.clip_by_value(proposal, low, high)
    return bounded, bounded - proposal
