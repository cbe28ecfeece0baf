"""The rate-distortion limit: the best any beta-VAE can do on a data set."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.theory.blocks import block_size, solve_blocks
from tf_geco.theory.checks import Array, check_data, check_increasing
from tf_geco.theory.iteration import Limits, State, advance, measure


@dataclass(frozen=True, eq=False)
class RateDistortion:
    """The limit in the information plane, one point for each of K temperatures.

    Args:
        temperatures: `[K]`, increasing; variance of the decoder, in squared data units.
        kl: `[K]`, in nats per data point, decreasing.
        reconstruction_error: RE, `[K]`, increasing: the mean squared error over the D values of a
            data point, as the constraint `ReconstructionError` measures it.
        squared_error: `u = D RE`, `[K]`: the sum over the values, as the theory measures it.
        gap: `[K]`, in nats: with these atoms, `kl + u / (2 temperature)` is at most so much larger
            than the least possible.
        converged: `[K]`, whether the iteration converged.
    """

    temperatures: Array
    kl: Array
    reconstruction_error: Array
    squared_error: Array
    gap: Array
    converged: npt.NDArray[np.bool_]


def rate_distortion(
    data: npt.ArrayLike,
    temperatures: npt.ArrayLike,
    num_atoms: int | None = None,
    *,
    max_steps: int = 2000,
    tolerance: float = 1e-5,
    dtype: str = "float64",
    verbose: bool = False,
) -> RateDistortion:
    """Returns the curve (KL, RE) below which no VAE trained on this data set can lie.

        min over all VAEs of KL + u / (2 t)
        = min over atoms psi and weights gamma of
              -1/n sum_i ln sum_a gamma_a exp(-|x_i - psi_a|^2 / (2 t)),    t the temperature

    by Blahut-Arimoto with moving atoms and learned weights: encoder (Eq. 19), decoder (Eq. 20) and
    weights (Proposition 5) in turn. The solution is also the mixture of normals of variance t that
    has the largest likelihood. A KL from any prior is at least the mutual information. So the limit
    holds for every encoder, decoder and prior, for squared errors on these very points.

    Each atom starts at a data point. At every temperature the best of all solutions is kept; so the
    curve is the lower convex envelope of what was attained, convex and decreasing.

    Args:
        data: `[n, D]`; images flattened.
        temperatures: `[K]`, increasing. For the whole curve, up to ln n nats, begin with one much
            smaller than the squared distances between points.
        num_atoms: By default n, which is always enough. Fewer are quicker and give an upper bound
            of the limit; they start at evenly spaced data points.
        max_steps: The most steps at each temperature.
        tolerance: Length of a step of atoms and weights below which a run ends, relative to the
            root-mean-square distance of the data from their mean.
        dtype: `"float64"`, or `"float32"` for twice the speed.
        verbose: Whether to show progress.

    Returns:
        `RateDistortion`, a point of the curve for each temperature.

    Raises:
        ValueError: If the data are not valid, a temperature is not positive, they do not increase,
            or `num_atoms` is not between 1 and n.

    Example:
        >>> import numpy as np
        >>> from tf_geco.theory import rate_distortion
        >>> limit = rate_distortion([[-1.0], [1.0]], [1e-3, 4.0])
        >>> (limit.kl / np.log(2)).round(6).tolist(), limit.reconstruction_error.round(6).tolist()
        ([1.0, 0.0], [0.0, 1.0])

    Reference:
        Blahut, Computation of channel capacity and rate-distortion functions, 1972; Rose, A mapping
        approach to rate-distortion computation and analysis, 1994.
    """
    points, values = check_data(data), check_increasing(temperatures)
    atoms = len(points) if num_atoms is None else positive_integer(num_atoms, "num_atoms")
    if atoms > len(points):
        raise ValueError(
            f"`num_atoms` must be between 1 and the number of points, {len(points)}. "
            f"Received: num_atoms={num_atoms}."
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
    """Returns the data less their mean, in as many coordinates as they span; keeps distances."""
    left, singular, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    kept = singular > singular[0] * 1e-12
    return (left * singular)[:, kept]


def _solve_block(
    points: Array, temperatures: Array, atoms: int, limits: Limits
) -> tuple[Array, ...]:
    """Returns KL, squared error, gap and length of the last step, `[P]` each."""
    dtype = limits.tolerance.dtype
    data, temperature = tf.constant(points, dtype), tf.constant(temperatures, dtype)
    starts = points[np.linspace(0, len(points) - 1, atoms).round().astype(int)]
    shape = (len(temperatures), points.shape[1], atoms)
    state = State(
        tf.constant(np.broadcast_to(starts.T, shape), dtype),
        tf.constant(np.full((len(temperatures), atoms), -np.log(atoms)), dtype),
        tf.zeros([len(temperatures)], tf.int32),
        tf.constant(np.full(len(temperatures), np.inf), dtype),
    )
    state = advance(data, temperature, state, limits, learn_mass=True)
    log_m, u, kl = measure(data, temperature, state.psi, state.log_mass)
    gap = tf.reduce_max(tf.reduce_logsumexp(log_m, 1), 1) - np.log(len(points))
    return tuple(tensor.numpy() for tensor in (kl, u, tf.nn.relu(gap), state.change))


def _envelope(kl: Array, u: Array, temperatures: Array) -> npt.NDArray[np.intp]:
    """Returns, for each temperature t, which of all points has the least `kl + u / (2 t)`."""
    return np.argmin(kl + u / (2 * temperatures[:, None]), axis=1)
