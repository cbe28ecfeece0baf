"""Reconstruction fixed points of a high-capacity beta-VAE (Propositions 1 and 4)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tf_geco.theory.blocks import solve_blocks
from tf_geco.theory.checks import Array
from tf_geco.theory.iteration import State, advance, advance_projected, measure
from tf_geco.theory.problems import Options, Problems


class FixedPoints(NamedTuple):
    """What an infinitely flexible VAE does at a beta.

    Leading dimensions `...` are those of `beta`, then those of `seed`: none for two scalars.

    Attributes:
        psi: `[..., B, D]`, the reconstruction of each tile, in data units.
        responsibilities: `[..., n, B]`, `m_ib = q(z|x_i) / pi(z)` on tile b; `sum_b m_ib pi_b = 1`.
        trajectory: `[..., T, B, D]`, psi from the start to the end, every `record_every` steps.
        reconstruction_error: `[...]`, `u = E|x - g(z)|^2`, summed over the D values of a point.
        kl: `[...]`, mean KL from posterior to prior, in nats.
        steps: `[...]`, steps used.
        converged: `[...]`, whether the last step was shorter than the tolerance.
    """

    psi: Array
    responsibilities: Array
    trajectory: Array
    reconstruction_error: Array
    kl: Array
    steps: npt.NDArray[np.int32]
    converged: npt.NDArray[np.bool_]


class Observables(NamedTuple):
    """What remains of `FixedPoints` where its arrays are too many to keep.

    Attributes:
        reconstruction_error: `[...]`, `u = E|x - g(z)|^2`.
        kl: `[...]`, mean KL in nats.
        steps: `[...]`, steps used.
        converged: `[...]`, whether the last step was shorter than the tolerance.
    """

    reconstruction_error: Array
    kl: Array
    steps: npt.NDArray[np.int32]
    converged: npt.NDArray[np.bool_]


def fixed_points(
    data: npt.ArrayLike,
    beta: npt.ArrayLike,
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
    verbose: int = 0,
) -> FixedPoints:
    """Iterate encoder and decoder of a high-capacity beta-VAE to their fixed points.

        m_ib = exp(-|x_i - psi_b|^2 / (2 beta)) / c_i          (19)
        psi_b <- a psi_b + (1 - a) sum_i m_ib x_i / sum_j m_jb   (20, smoothed by a)

    from a uniform prior on a grid of tiles. Defaults are those of the paper's Figure 2. A run that
    does not converge says so in `converged` and still returns its state.

    Args:
        data: `[n, D]`, finite, at least two different points.
        beta: positive, scalar or `[K]`, in squared data units (the decoder's variance).
        grid: tiles along each latent dimension, `B = prod(grid)`.
        smoothing: a in [0, 1), the weight of the old psi.
        max_steps: stop after so many steps.
        tolerance: stop when a step of the matrix psi is shorter, in data units.
        noise: half-width of the uniform noise of the start, in units of the latent box's side.
        seed: of the noise, one or several `[S]`.
        initial: `[B, D]`, a start to use instead of `initial_psi`; noise and seed then do nothing.
        record_every: steps between two points of the trajectory. It holds
            `B D (max_steps / record_every + 2)` numbers a problem; the default looks smooth.
        dtype: "float32", or "float64" for laws to twelve digits at half the speed.
        verbose: 1 shows a progress bar.

    Returns:
        `FixedPoints`, all betas and seeds together; responsibilities take `K S n B` numbers.

    Raises:
        ValueError: for non-finite or wrong-rank data, fewer than two different points, beta <= 0,
            or an option out of its range.

    Example:
        >>> from tf_geco.theory import fixed_points
        >>> found = fixed_points([[-1.0], [1.0]], [0.1, 4.0], grid=(8,), dtype="float64")
        >>> found.reconstruction_error.round(2).tolist()  # 4 is above the critical temperature
        [0.0, 1.0]

    Reference:
        Rezende and Viola, Taming VAEs, 2018, arXiv:1810.00597, Eqs. 3-6 and 18-20, Proposition 4.
    """
    options = Options(tuple(grid), smoothing, max_steps, tolerance, noise, dtype).checked()
    if record_every < 1:
        raise ValueError(f"`record_every` must be positive. Received: record_every={record_every}")
    problems = Problems.pose(data, beta, options, seed, initial)
    return solve(problems, record_every, verbose=verbose)


def observables(
    data: npt.ArrayLike,
    beta: npt.ArrayLike,
    *,
    seed: int | Sequence[int] = 0,
    verbose: int = 0,
    **options: Any,
) -> Observables:
    """`fixed_points`, keeping numbers only: memory stays that of one block of problems a core.

    Args:
        data: `[n, D]`.
        beta: positive, scalar or `[K]`.
        seed: of the noise, one or several `[S]`.
        verbose: 1 shows a progress bar.
        **options: grid, smoothing, max_steps, tolerance, noise and dtype of `fixed_points`.

    Returns:
        `Observables`, all betas and seeds together.

    Raises:
        ValueError: as `fixed_points`.

    Example:
        >>> observables([[-1.0], [1.0]], 4.0, grid=(8,)).steps.shape
        ()
    """
    problems = Problems.pose(data, beta, Options(**options).checked(), seed)

    def solve_block(number: int) -> tuple[Array, ...]:
        block = problems.block(number)
        state = advance(*block, problems.limits(problems.options.max_steps))
        _, u, kl = measure(*block[:2], state.psi, state.log_mass)
        return tuple(tensor.numpy() for tensor in (u, kl, state.steps, state.change))

    u, kl, steps, change = problems.join(solve_blocks(solve_block, problems.num_blocks, verbose))
    return Observables(u, kl, steps.astype(np.int32), change < problems.options.tolerance)


def solve(
    problems: Problems, record_every: int, laplacian: Array | None = None, verbose: int = 0
) -> FixedPoints:
    """Solve all problems, projecting each step by a graph Laplacian where one is given.

    Args:
        problems: from `Problems.pose`.
        record_every: steps between two points of the trajectory.
        laplacian: `[B, B]`, `diag(W 1) - W` of Proposition 6, or None.
        verbose: 1 shows a progress bar.

    Returns:
        `FixedPoints`.

    Example:
        >>> two = Problems.pose([[-1.0], [1.0]], [0.1, 4.0], Options(grid=(8,)))
        >>> solve(two, record_every=400).psi.shape
        (2, 8, 1)
    """

    def solve_block(number: int) -> tuple[Array, ...]:
        data, beta, _ = problems.block(number)
        records, state = _record(problems, number, record_every, laplacian)
        log_m, u, kl = measure(data, beta, state.psi, state.log_mass)
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
    data, beta, state = problems.block(number)
    step, extra = advance, {}
    if laplacian is not None:
        step, extra = advance_projected, {"laplacian": tf.constant(laplacian, state.psi.dtype)}
    records, left = [state.psi.numpy()], problems.options.max_steps
    while left > 0 and bool(tf.reduce_any(state.change >= problems.options.tolerance)):
        count = min(record_every, left)
        state = step(data, beta, state, problems.limits(count), **extra)
        records.append(state.psi.numpy())
        left -= count
    return np.stack(records, 1).transpose(0, 1, 3, 2), state


def _lengthen(records: Array, length: int) -> Array:
    still = np.repeat(records[:, -1:], length - records.shape[1], axis=1)
    return np.concatenate([records, still], axis=1)
