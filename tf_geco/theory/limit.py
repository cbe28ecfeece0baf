"""The rate-distortion limit: the best any beta-VAE can do on a data set."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tf_geco.theory.blocks import block_size, solve_blocks
from tf_geco.theory.checks import Array, check_betas, check_data
from tf_geco.theory.iteration import Limits, State, advance, measure


class RateDistortion(NamedTuple):
    """The limit in the information plane, one point a beta.

    Attributes:
        betas: `[K]`, increasing; variance of the decoder, in squared data units.
        kl: `[K]`, nats a data point; decreasing.
        reconstruction_error: `[K]`, RE, the mean over the D values of a data point of its squared
            error, as the library's reconstruction constraint measures it; increasing.
        squared_error: `[K]`, `u = D RE`, the sum over the values, as the theory measures it.
        gap: `[K]`, nats: `kl + u / (2 beta)` exceeds the least possible by no more, as far as
            the atoms can tell.
        converged: `[K]`, whether the iteration converged.
    """

    betas: Array
    kl: Array
    reconstruction_error: Array
    squared_error: Array
    gap: Array
    converged: npt.NDArray[np.bool_]


def rate_distortion(
    data: npt.ArrayLike,
    betas: npt.ArrayLike,
    num_atoms: int | None = None,
    *,
    max_steps: int = 2000,
    tolerance: float = 1e-5,
    dtype: str = "float64",
    verbose: int = 1,
) -> RateDistortion:
    """The curve (KL, RE) below which no VAE trained on this data set can lie.

        min over all VAEs of KL + u / (2 beta)
        = min over atoms psi and weights gamma of
              -1/n sum_i ln sum_a gamma_a exp(-|x_i - psi_a|^2 / (2 beta))

    by Blahut-Arimoto with moving atoms and learned weights: encoder (Eq. 19), decoder (Eq. 20) and
    weights (Proposition 5) in turn. Equivalently, the maximum-likelihood mixture of Gaussians of
    variance beta. Every KL to any prior is at least the mutual information, so the limit holds for
    every encoder, decoder and prior, with squared errors, measured on these very points.

    Each atom starts at a data point. At every beta the best of all solutions found is kept, so the
    curve is the lower convex envelope of attainable points: convex and decreasing.

    Args:
        data: `[n, D]`; images flattened.
        betas: `[K]`, positive and increasing; at the first, n points cost about ln n nats if it is
            small against the distances between points.
        num_atoms: n unless given, which is always enough. Fewer are quicker and give an upper bound
            of the limit; they start at evenly spaced data points.
        max_steps: stop after so many steps at each beta.
        tolerance: stop when neither atoms nor weights move further in a step, relative to the
            root-mean-square distance of the data from their mean.
        dtype: "float64", or "float32" for twice the speed.
        verbose: 1 shows a progress bar.

    Returns:
        `RateDistortion`.

    Raises:
        ValueError: if the data or the betas are not valid, or `num_atoms` not in 1..n.

    Example:
        >>> import numpy as np
        >>> from tf_geco.theory import rate_distortion
        >>> limit = rate_distortion([[-1.0], [1.0]], [1e-3, 4.0], verbose=0)
        >>> (limit.kl / np.log(2)).round(6).tolist(), limit.reconstruction_error.round(6).tolist()
        ([1.0, 0.0], [0.0, 1.0])

    Reference:
        Blahut, Computation of channel capacity and rate-distortion functions, 1972; Rose, A mapping
        approach to rate-distortion computation and analysis, 1994.
    """
    points, values = check_data(data), check_betas(betas)
    if values.ndim != 1 or not (np.diff(values) > 0).all():
        raise ValueError(
            f"`betas` must be an increasing list. Received: betas of shape {values.shape}"
        )
    atoms = len(points) if num_atoms is None else num_atoms
    if not 1 <= atoms <= len(points):
        raise ValueError(
            f"`num_atoms` must be between 1 and the number of points, {len(points)}. "
            f"Received: num_atoms={num_atoms}"
        )
    scale = np.sqrt(points.var(0).sum())
    unit = _principal_coordinates(points) / scale
    size = min(block_size(len(points), atoms), len(values))
    limits = Limits(tf.constant(max_steps), tf.constant(0.0, dtype), tf.constant(tolerance, dtype))

    def solve_block(number: int) -> tuple[Array, ...]:
        chosen = np.arange(number * size, (number + 1) * size) % len(values)
        return _solve_block(unit, values[chosen] / scale**2, atoms, limits)

    blocks = solve_blocks(solve_block, -(-len(values) // size), verbose)
    kl, u, gap, change = (
        np.concatenate(parts)[: len(values)].astype(np.float64)
        for parts in zip(*blocks, strict=True)
    )
    best = _envelope(kl, u * scale**2, values)
    kl, u = kl[best], u[best] * scale**2
    return RateDistortion(values, kl, u / points.shape[1], u, gap, change < tolerance)


def _principal_coordinates(points: Array) -> Array:
    """The data about its mean, in as many coordinates as it spans; distances are kept."""
    left, singular, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    kept = singular > singular[0] * 1e-12
    return (left * singular)[:, kept]


def _solve_block(points: Array, betas: Array, atoms: int, limits: Limits) -> tuple[Array, ...]:
    dtype = limits.tolerance.dtype
    data, beta = tf.constant(points, dtype), tf.constant(betas, dtype)
    starts = points[np.linspace(0, len(points) - 1, atoms).round().astype(int)]
    shape = (len(betas), points.shape[1], atoms)
    state = State(
        tf.constant(np.broadcast_to(starts.T, shape), dtype),
        tf.constant(np.full((len(betas), atoms), -np.log(atoms)), dtype),
        tf.zeros([len(betas)], tf.int32),
        tf.constant(np.full(len(betas), np.inf), dtype),
    )
    state = advance(data, beta, state, limits, learn_mass=True)
    log_m, u, kl = measure(data, beta, state.psi, state.log_mass)
    gap = tf.reduce_max(tf.reduce_logsumexp(log_m, 1), 1) - np.log(len(points))
    return tuple(tensor.numpy() for tensor in (kl, u, tf.nn.relu(gap), state.change))


def _envelope(kl: Array, u: Array, betas: Array) -> npt.NDArray[np.intp]:
    """For each beta, which of all points found has the least `kl + u / (2 beta)`."""
    return np.argmin(kl + u / (2 * betas[:, None]), axis=1)
