"""How much worse a model does on data it has not trained on: pure functions of arrays.

All are elementwise over L constraints. A gap is a difference of violations, validation's minus
training's, so that it is positive where the model generalises badly, whatever the form of the
constraint.
"""

from typing import NamedTuple

import numpy as np

FALL = 0.2  # fall of training's error after which validation's must have answered
RISE = 0.4  # rise of log lambda after which it must
SLOPE = 0.1  # of validation's error over training's, below which it does not answer
MISSES = 3  # validations without an answer after which lambda rises no further
LAG = 0.1  # of an average of training, in its error, at which a gap counts half
FRESH = 1e-4  # share of the moving averages that must be new for it to say something


def since(
    averages: np.ndarray, before: np.ndarray, decay: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the moving averages of the last steps alone, and which of them are known.

        A^t - decay^n A^{t-n} = (1 - decay) sum_{k < n} decay^k S^{t-k}

    C_ma remembers up to 100 steps, which may be more than an epoch. While the error falls, it would
    be above that of a validation for this reason alone.

    Args:
        averages: A^t, of totals and of counts, `[2, L]`.
        before: A^{t-n}, `[2, L]`; zeros for all steps.
        decay: Decay of the averages per step.
        steps: n.

    Returns:
        The mean of each constraint, `[L]`, and whether it is known.

    Example:
        >>> import numpy as np
        >>> ones = np.ones((2, 1))
        >>> mean, known = since(0.5 * ones + 0.5 * np.array([[4.0], [1.0]]), ones, 0.5, 1)
        >>> float(mean[0]), bool(known[0])
        (4.0, True)
    """
    totals, counts = averages - decay**steps * before
    known = counts > FRESH * averages[1]
    return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=known), known


def trust(before: np.ndarray, after: np.ndarray, decay: float, steps: int) -> np.ndarray:
    """Returns how far an average of training says what training measures now, 0 to 1, `[L]`.

        1 / (1 + (lag / 0.1)^2),    lag = |change of the error| min(1, M / n)

    While training learns, an average over M steps lags behind the model that is validated. Its lag
    is progress and no gap: in a training of few, long epochs it would be many times as large.

    Args:
        before: Error of C_ma at the last validation, `[L]`; NaN if there was none.
        after: Its error now.
        decay: Decay of C_ma per step; its memory M is 1 / (1 - decay).
        steps: n, the steps since the last validation.

    Example:
        >>> import numpy as np
        >>> trust(np.array([0.1, 0.0, np.nan]), np.zeros(3), 0.0, 1).tolist()
        [0.5, 1.0, 0.0]
    """
    lag = np.abs(after - before) * min(1.0, 1.0 / ((1.0 - decay) * max(steps, 1)))
    return np.nan_to_num(1.0 / (1.0 + (lag / LAG) ** 2))


def followed(
    gap: np.ndarray, training: np.ndarray, validation: np.ndarray, rate: np.ndarray
) -> np.ndarray:
    """Returns the smoothed gap after a validation.

        gap + rate (C_validation - C_training - gap)

    Args:
        gap: Before, `[L]`.
        training: Violations in training since the last validation, `[L]`; NaN if not known.
        validation: Violations in the validation, `[L]`; NaN if not known, and the gap stays.
        rate: Share of what is new, `[L]`: 1 - decay^n after n steps, the memory of C_ma, as far as
            the averages of training can be trusted.

    Example:
        >>> import numpy as np
        >>> followed(np.zeros(2), np.zeros(2), np.array([1.0, np.nan]), 0.5 * np.ones(2)).tolist()
        [0.5, 0.0]
    """
    new = validation - training
    return np.where(np.isfinite(new), gap + rate * (new - gap), gap)


class Nearest(NamedTuple):
    """The validation that came nearest to what is asked for, `[L]` each.

    Args:
        validation: The mean of training, moved by the smoothed gap: steadier than one validation.
        training: The mean of training, of the moving averages.
        effort: log lambda then.
        misses: Validations since then that did not answer more effort; -inf once one has held.
    """

    validation: np.ndarray
    training: np.ndarray
    effort: np.ndarray
    misses: np.ndarray


def nearest_after(
    nearest: Nearest,
    now: Nearest,
    errors: tuple[np.ndarray, ...],
    known: np.ndarray,
    held: np.ndarray,
) -> Nearest:
    """Returns the nearest validation after another one.

    It is a new one if its error is lower, by more than a tenth of what training fell further. A
    miss is one that is not, of a constraint that is violated, although training fell by more than
    0.2 or log lambda rose by more than 0.4. What held in one validation is not out of reach, and
    misses no more: it has -inf misses.

    Args:
        nearest: Before.
        now: This validation, and training and lambda at it.
        errors: Of the nearest validation, of training there, and the same two of now.
        known: Whether this validation says anything.
        held: Whether the constraint held in it.
    """
    best, there, validation, training = errors
    fell, rose = there - training, now.effort - nearest.effort
    better = ~(validation >= best - SLOPE * np.maximum(fell, 0.0)) & known
    tried = (fell > FALL) | (rose > RISE)
    missed = np.where(held, -np.inf, nearest.misses + (tried & known & (validation > 0.0)))
    new = now._replace(misses=np.minimum(missed, 0.0))
    return Nearest(*np.where(better, new, nearest._replace(misses=missed)))


def in_vain(nearest: Nearest) -> np.ndarray:
    """Returns whether validation no longer answers, boolean `[L]`."""
    return nearest.misses >= MISSES


def ceiling(nearest: Nearest) -> np.ndarray:
    """Returns the greatest log lambda, `[L]`: none, or that of the nearest validation.

    Beyond it training would only learn its own examples by heart, at the price of more KL. Below
    it the model goes on learning, and what comes nearer to the tolerance lifts the ceiling.
    """
    return np.where(in_vain(nearest), nearest.effort, np.inf)
