"""What `fixed_points` is asked to solve: pairs of a temperature and a start, in blocks."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.theory.blocks import block_size
from tf_geco.theory.checks import Array, check_data, check_temperature
from tf_geco.theory.iteration import Limits, State
from tf_geco.theory.tiles import check_grid, tile_centers


class Options(NamedTuple):
    """How to iterate; see `fixed_points`."""

    grid: tuple[int, ...] = (32, 32)
    smoothing: float = 0.9
    max_steps: int = 400
    tolerance: float = 1e-3
    noise: float = 0.1
    dtype: str = "float32"

    def checked(self) -> "Options":
        """Returns the options with a grid of integers.

        Raises:
            ValueError: If an option is out of its range.
        """
        if not 0 <= self.smoothing < 1:
            raise ValueError(
                f"`smoothing` must be in [0, 1). Received: smoothing={self.smoothing}."
            )
        if not self.tolerance >= 0:
            raise ValueError(
                f"`tolerance` must not be negative. Received: tolerance={self.tolerance}."
            )
        if not 0 <= self.noise < np.inf:
            raise ValueError(f"`noise` must not be negative. Received: noise={self.noise}.")
        if self.dtype not in {"float32", "float64"}:
            raise ValueError(
                f"`dtype` must be 'float32' or 'float64'. Received: dtype={self.dtype!r}."
            )
        max_steps = positive_integer(self.max_steps, "max_steps")
        return self._replace(grid=check_grid(self.grid), max_steps=max_steps)


def initial_psi(data: npt.ArrayLike, grid: Sequence[int], noise: float, seed: int) -> Array:
    """Returns the start of Appendix A: centres of the tiles, with small uniform noise.

    If data and latents have the same dimension, they are taken as they are, like in the paper.
    Otherwise the latent box is laid along the leading principal axes of the data, about their mean,
    and stretched to span the data along each axis.

    Args:
        data: `[n, D]`.
        grid: Number of tiles along each latent dimension.
        noise: Half-width of the noise; the latent box has sides of 1.
        seed: Seed of the noise.

    Returns:
        `[B, D]`.

    Raises:
        ValueError: If the data or the grid are not valid.

    Example:
        >>> initial_psi([[0.0, 0.0], [1.0, 1.0]], (2, 2), noise=0.0, seed=0)[0].tolist()
        [-0.25, -0.25]
    """
    points = check_data(data)
    centers = tile_centers(grid)
    centers = centers + np.random.default_rng(seed).uniform(-noise, noise, centers.shape)
    if centers.shape[1] == points.shape[1]:
        return centers
    mean = points.mean(0)
    axes = np.linalg.svd(points - mean, full_matrices=False)[2][: centers.shape[1]]
    along = (points - mean) @ axes.T
    low, high = along.min(0), along.max(0)
    used = centers[:, : len(axes)]  # a latent dimension beyond the data's own does nothing
    return mean + ((low + high) / 2 + used * (high - low)) @ axes


class Problems(NamedTuple):
    """All pairs of a temperature and a start, cut into blocks.

    Args:
        points: `[n, D]`, the data less their mean.
        center: `[D]`, that mean.
        temperatures: `[K S]`.
        starts: `[S, B, D]`, less the same mean.
        shape: Dimensions of the temperatures, then of the seeds.
        options: How to iterate.
    """

    points: Array
    center: Array
    temperatures: Array
    starts: Array
    shape: tuple[int, ...]
    options: Options

    @classmethod
    def pose(
        cls,
        data: npt.ArrayLike,
        temperature: npt.ArrayLike,
        options: Options,
        seed: int | Sequence[int] = 0,
        initial: npt.ArrayLike | None = None,
    ) -> "Problems":
        """Returns the problems that the arguments of `fixed_points` pose."""
        points, temperatures = check_data(data), check_temperature(temperature)
        center = points.mean(0)
        if initial is None:
            starts = np.stack(
                [initial_psi(points, options.grid, options.noise, s) for s in np.atleast_1d(seed)]
            )
            shape = temperatures.shape + np.shape(seed)
        else:
            starts, shape = _checked_start(initial, points, options.grid)[None], temperatures.shape
        repeated = np.repeat(temperatures.ravel(), len(starts))
        return cls(points - center, center, repeated, starts - center, shape, options)

    @property
    def size(self) -> int:
        """Number of problems in a block."""
        return min(block_size(len(self.points), self.starts.shape[1]), len(self.temperatures))

    @property
    def num_blocks(self) -> int:
        """Number of blocks."""
        return -(-len(self.temperatures) // self.size)

    def block(self, number: int) -> tuple[tf.Tensor, tf.Tensor, State]:
        """Returns the data, and the temperatures and first state of one block, as tensors."""
        # The last block is filled up with problems of the first: one shape, one compilation.
        chosen = np.arange(number * self.size, (number + 1) * self.size) % len(self.temperatures)
        start = self.starts[chosen % len(self.starts)].transpose(0, 2, 1)
        as_tensor = functools.partial(tf.constant, dtype=self.options.dtype)
        log_mass = np.full((len(chosen), start.shape[2]), -np.log(start.shape[2]))
        unmoved = as_tensor(np.full(len(chosen), np.inf))
        state = State(
            as_tensor(start), as_tensor(log_mass), tf.zeros([len(chosen)], tf.int32), unmoved
        )
        return as_tensor(self.points), as_tensor(self.temperatures[chosen]), state

    def limits(self, num_steps: int) -> Limits:
        """Returns the limits of so many steps, as tensors."""
        as_tensor = functools.partial(tf.constant, dtype=self.options.dtype)
        return Limits(
            tf.constant(num_steps),
            as_tensor(self.options.smoothing),
            as_tensor(self.options.tolerance),
        )

    def join(self, blocks: list[tuple[Array, ...]]) -> list[Array]:
        """Returns the arrays of all blocks as one each, with the dimensions of `shape` in front."""
        return [
            np.concatenate(parts)[: len(self.temperatures)].reshape(self.shape + parts[0].shape[1:])
            for parts in zip(*blocks, strict=True)
        ]


def _checked_start(initial: npt.ArrayLike, points: Array, grid: tuple[int, ...]) -> Array:
    start = np.asarray(initial, dtype=np.float64)
    shape = (math.prod(grid), points.shape[1])
    if start.shape != shape or not np.isfinite(start).all():
        raise ValueError(
            f"`initial` must be finite and of shape {shape}: one row for each tile of grid={grid}. "
            f"Received: initial of shape {start.shape}."
        )
    return start
