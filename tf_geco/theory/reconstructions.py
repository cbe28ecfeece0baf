"""Reconstruction fixed points of a high-capacity beta-VAE (Propositions 1 and 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.theory.blocks import solve_blocks
from tf_geco.theory.checks import Array
from tf_geco.theory.iteration import State, advance, advance_projected, measure
from tf_geco.theory.problems import Options, Problems


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """What an infinitely flexible VAE does at a temperature.

    Leading dimensions `...` are those of `temperature`, then those of `seed`: none for two scalars.

    Args:
        psi: `[..., B, D]`, the reconstruction of each tile, in data units.
        responsibilities: `[..., n, B]`, `m_ib = q(z|x_i) / pi(z)` on tile b; `sum_b m_ib pi_b = 1`.
        trajectory: `[..., T, B, D]`, psi from the start to the end, every `record_every` steps.
        squared_error: `[...]`, `u = E|x - g(z)|^2`, summed over the D values of a data point.
        kl: `[...]`, mean KL of the posteriors from the prior, in nats.
        steps: `[...]`, number of steps taken.
        converged: `[...]`, whether the last step was shorter than the tolerance.
    """

    psi: Array
    responsibilities: Array
    trajectory: Array
    squared_error: Array
    kl: Array
    steps: npt.NDArray[np.int32]
    converged: npt.NDArray[np.bool_]


class Observables(NamedTuple):
    """The fields of `FixedPoints` that are one number a problem."""

    squared_error: Array
    kl: Array
    steps: npt.NDArray[np.int32]
    converged: npt.NDArray[np.bool_]


def fixed_points(
    data: npt.ArrayLike,
    temperature: npt.ArrayLike,
    *,
    grid: Sequence[int] = (32, 32),
    smoothing: float = 0.9,
    max_steps: int = 400,
    tolerance: float = 1e-3,
    noise: float = 0.1,
    seed: int | Sequence[int] = 0,
    initial: npt.ArrayLike | None = None,
    record_every: int = 10,
    dtype: str = "float32",
    verbose: bool = False,
) -> FixedPoints:
    """Returns the fixed points of the encoder and the decoder of a high-capacity beta-VAE.

        m_ib = exp(-|x_i - psi_b|^2 / (2 t)) / c_i               (19, t the temperature)
        psi_b <- a psi_b + (1 - a) sum_i m_ib x_i / sum_j m_jb   (20, smoothed by a)

    with a uniform prior on a grid of tiles. The defaults are those of the paper's Figure 2. A run
    that does not converge returns where it ended, and says so in `converged`.

    Args:
        data: `[n, D]`, finite, at least two different points.
        temperature: Variance of the decoder, in squared data units; one, or several `[K]`.
        grid: Number of tiles along each latent dimension, `B = prod(grid)`.
        smoothing: The weight a of the old psi, in [0, 1).
        max_steps: The most steps.
        tolerance: Length of a step of the matrix psi, in data units, below which a run ends.
        noise: Half-width of the uniform noise of the start; the latent box has sides of 1.
        seed: Seed of the noise, or several `[S]`.
        initial: `[B, D]`, a start of your own; noise and seed then do nothing.
        record_every: Number of steps between two points of the trajectory, which takes
            `B D (max_steps / record_every + 2)` numbers for each temperature and seed.
        dtype: `"float32"`, or `"float64"` for twelve digits at half the speed.
        verbose: Whether to show progress.

    Returns:
        `FixedPoints` of all temperatures and seeds; responsibilities take `K S n B` numbers.

    Raises:
        ValueError: If the data are not a finite matrix of at least two different points, a
            temperature is not positive, or an option is out of its range.

    Example:
        >>> from tf_geco.theory import fixed_points
        >>> found = fixed_points([[-1.0], [1.0]], [0.1, 4.0], grid=(8,), dtype="float64")
        >>> found.squared_error.round(2).tolist()  # 4 is above the critical temperature
        [0.0, 1.0]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Eqs. 3-6 and 18-20, Proposition 4.
    """
    options = Options(tuple(grid), smoothing, max_steps, tolerance, noise, dtype).checked()
    record_every = positive_integer(record_every, "record_every")
    problems = Problems.pose(data, temperature, options, seed, initial)
    return solve(problems, record_every, verbose=verbose)


def observables(
    data: npt.ArrayLike,
    temperature: npt.ArrayLike,
    *,
    seed: int | Sequence[int] = 0,
    verbose: bool = False,
    **options: Any,
) -> Observables:
    """Returns `fixed_points` less its arrays, in the memory of one block of problems a core.

    Args:
        data: `[n, D]`.
        temperature: One, or several `[K]`.
        seed: Seed of the noise, or several `[S]`.
        verbose: Whether to show progress.
        **options: `grid`, `smoothing`, `max_steps`, `tolerance`, `noise` and `dtype` of
            `fixed_points`.

    Raises:
        ValueError: If an argument of `fixed_points` is not valid.

    Example:
        >>> observables([[-1.0], [1.0]], 4.0, grid=(8,)).steps.shape
        ()
    """
    problems = Problems.pose(data, temperature, Options(**options).checked(), seed)

    def solve_block(number: int) -> tuple[Array, ...]:
        block = problems.block(number)
        state = advance(*block, problems.limits(problems.options.max_steps))
        _, u, kl = measure(*block[:2], state.psi, state.log_mass)
        return tuple(tensor.numpy() for tensor in (u, kl, state.steps, state.change))

    u, kl, steps, change = problems.join(solve_blocks(solve_block, problems.num_blocks, verbose))
    return Observables(u, kl, steps.astype(np.int32), change < problems.options.tolerance)


def solve(
    problems: Problems, record_every: int, laplacian: Array | None = None, verbose: bool = False
) -> FixedPoints:
    """Returns the fixed points of all problems, each step projected if a Laplacian is given.

    Args:
        problems: What `Problems.pose` returns.
        record_every: Number of steps between two points of the trajectory.
        laplacian: `[B, B]`, `diag(W 1) - W` of Proposition 6.
        verbose: Whether to show progress.

    Example:
        >>> two = Problems.pose([[-1.0], [1.0]], [0.1, 4.0], Options(grid=(8,)))
        >>> solve(two, record_every=400).psi.shape
        (2, 8, 1)
    """

    def solve_block(number: int) -> tuple[Array, ...]:
        data, temperature, _ = problems.block(number)
        records, state = _record(problems, number, record_every, laplacian)
        log_m, u, kl = measure(data, temperature, state.psi, state.log_mass)
        numbers = (tensor.numpy() for tensor in (u, kl, state.steps, state.change))
        return records, tf.exp(log_m).numpy(), *numbers

    solved = solve_blocks(solve_block, problems.num_blocks, verbose)
    longest = max(block[0].shape[1] for block in solved)
    solved = [(_lengthen(block[0], longest), *block[1:]) for block in solved]
    trajectory, m, u, kl, steps, change = problems.join(solved)
    trajectory = trajectory + problems.center.astype(trajectory.dtype)
    converged = change < problems.options.tolerance
    return FixedPoints(
        trajectory[..., -1, :, :], m, trajectory, u, kl, steps.astype(np.int32), converged
    )


def _record(
    problems: Problems, number: int, record_every: int, laplacian: Array | None
) -> tuple[Array, State]:
    data, temperature, state = problems.block(number)
    step, extra = advance, {}
    if laplacian is not None:
        step, extra = advance_projected, {"laplacian": tf.constant(laplacian, state.psi.dtype)}
    records, left = [state.psi.numpy()], problems.options.max_steps
    while left > 0 and bool(tf.reduce_any(state.change >= problems.options.tolerance)):
        count = min(record_every, left)
        state = step(data, temperature, state, problems.limits(count), **extra)
        records.append(state.psi.numpy())
        left -= count
    return np.stack(records, 1).transpose(0, 1, 3, 2), state


def _lengthen(records: Array, length: int) -> Array:
    still = np.repeat(records[:, -1:], length - records.shape[1], axis=1)
    return np.concatenate([records, still], axis=1)
