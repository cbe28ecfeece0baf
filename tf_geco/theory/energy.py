"""Equipartition of energy: the tiling a beta-VAE's encoder learns (Proposition 5)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tf_geco.checks import positive_number
from tf_geco.theory.checks import Array


@dataclass(frozen=True, eq=False)
class Equipartition:
    """The prior probabilities at which the ELBO is largest, by energies H_ia and temperature t.

    Args:
        gamma: `[A]`, the prior probability of each partition element; sums to 1.
        occupation: `[A]`, `1/n sum_i [e^(-H_ia / t) / sum_b e^(-H_ib / t) gamma_b]`: 1 on every
            element that keeps its mass, at most 1 on one that lost it.
        gap: `log max occupation`: the ELBO can rise by so many nats at most.
        steps: Iterations used.
        converged: Whether the gap fell below the tolerance.
    """

    gamma: Array
    occupation: Array
    gap: float
    steps: int
    converged: bool


def equipartition(
    energies: npt.ArrayLike,
    temperature: float = 1.0,
    *,
    tolerance: float = 1e-9,
    max_steps: int = 100_000,
) -> Equipartition:
    """Returns the prior probability of each element of the partition: solves Proposition 5.

        sum_i [e^(-H_ia / t) / sum_b e^(-H_ib / t) gamma_b] = n     for every a with gamma_a > 0

    with t the temperature, by `gamma_a <- gamma_a occupation_a` (Blahut-Arimoto), which raises the
    ELBO at every step. The paper states the equation for every a; where the ELBO is largest at
    `gamma_a = 0`, the left side is at most n. With one element for each data point, `gamma`
    approaches 1/n as t approaches 0: Proposition 2.

    Args:
        energies: `[n, A]`, H_ia, the Hamiltonian of data point i on element a:
            `|x_i - psi_a|^2 / 2` for squared errors.
        temperature: t, in the unit of the energies.
        tolerance: The gap, in nats, below which the iteration stops.
        max_steps: The most steps; the mass of elements that must vanish falls like 1 / steps.

    Returns:
        An `Equipartition`, in float64.

    Raises:
        ValueError: If the energies are not a finite matrix, or `temperature` is not positive.

    Example:
        >>> from tf_geco.theory import equipartition
        >>> equipartition([[0.0, 9.0], [9.0, 0.0]]).gamma.round(6).tolist()
        [0.5, 0.5]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Proposition 5, Appendix C.6.
    """
    H = np.asarray(energies, dtype=np.float64)
    if H.ndim != 2 or H.size == 0 or not np.isfinite(H).all():
        raise ValueError(
            "`energies` must be a finite matrix [points, elements]. "
            f"Received: energies of shape {H.shape}."
        )
    scores = tf.constant(-H / positive_number(temperature, "temperature"))
    log_gamma, steps = _iterate(scores, tf.constant(tolerance, tf.float64), tf.constant(max_steps))
    occupation = np.exp(_log_occupation(scores, log_gamma).numpy())
    gap = max(0.0, float(np.log(occupation.max())))
    gamma = tf.nn.softmax(log_gamma).numpy()
    return Equipartition(gamma, occupation, gap, int(steps), gap <= tolerance)


def restriction_error(responsibilities: npt.ArrayLike, elements: npt.ArrayLike) -> float:
    """Returns how far posteriors are from mixtures of restrictions of the prior, in nats.

    In a mixture of restrictions, `q(z|x_i) = pi(z) sum_a w_ia [z in element a]`, the ratio
    `m_ib = q / pi` is the same on all tiles b of an element. The distance is the largest spread of
    `log m_ib` within an element; points whose `m_ib` is below 1e-6 on all of it do not count.

    Args:
        responsibilities: `[n, B]`, `m_ib = q(z|x_i) / pi(z)`.
        elements: `[B]`, the element of the partition that each tile belongs to.

    Returns:
        The distance; 0 for an exact mixture of restrictions.

    Raises:
        ValueError: If there is not one element for each tile, or a responsibility is negative.

    Example:
        >>> from tf_geco.theory import restriction_error
        >>> restriction_error([[2.0, 2.0, 0.5]], [0, 0, 1])
        0.0

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Proposition 5.
    """
    m, labels = np.asarray(responsibilities, dtype=np.float64), np.asarray(elements)
    if m.ndim != 2 or labels.shape != m.shape[1:] or not (m >= 0).all():
        raise ValueError(
            "`responsibilities` must be a matrix [points, tiles], not negative, and `elements` "
            "name one element for each tile. "
            f"Received: shapes {m.shape} and {labels.shape}."
        )
    worst = 0.0
    for element in np.unique(labels):
        inside = m[:, labels == element]
        inside = inside[inside.max(1) > 1e-6]
        if len(inside):
            logs = np.log(np.maximum(inside, np.finfo(np.float64).tiny))
            worst = max(worst, float(np.ptp(logs, axis=1).max()))
    return worst


def _log_occupation(scores: tf.Tensor, log_gamma: tf.Tensor) -> tf.Tensor:
    log_evidence = tf.reduce_logsumexp(scores + log_gamma, 1, keepdims=True)
    num_points = tf.cast(tf.shape(scores)[0], scores.dtype)
    return tf.reduce_logsumexp(scores - log_evidence, 0) - tf.math.log(num_points)


@tf.function(jit_compile=True)
def _iterate(
    scores: tf.Tensor, tolerance: tf.Tensor, max_steps: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    num_elements = scores.shape[1]
    uniform = tf.fill([num_elements], -tf.math.log(tf.cast(num_elements, scores.dtype)))

    def unfinished(log_gamma: tf.Tensor, step: tf.Tensor, gap: tf.Tensor) -> tf.Tensor:
        return (step < max_steps) & (gap > tolerance)

    def one_step(
        log_gamma: tf.Tensor, step: tf.Tensor, _: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        log_gamma = tf.nn.log_softmax(log_gamma + _log_occupation(scores, log_gamma))
        return log_gamma, step + 1, tf.reduce_max(_log_occupation(scores, log_gamma))

    first_gap = tf.reduce_max(_log_occupation(scores, uniform))
    log_gamma, steps, _ = tf.while_loop(unfinished, one_step, (uniform, tf.constant(0), first_gap))
    return log_gamma, steps
