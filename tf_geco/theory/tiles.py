"""The orthogonal basis phi_a of Proposition 4: a grid of equal tiles of the latent box."""

import math
from collections.abc import Sequence

import numpy as np

from tf_geco.checks import is_positive_integer
from tf_geco.theory.checks import Array


def check_grid(grid: Sequence[int]) -> tuple[int, ...]:
    """Returns `grid` as a tuple of integers.

    Args:
        grid: Number of tiles along each latent dimension.

    Raises:
        ValueError: If the grid is empty or a side is not a positive integer.

    Example:
        >>> check_grid([32, 32])
        (32, 32)
    """
    if not len(grid) or not all(map(is_positive_integer, grid)):
        raise ValueError(f"`grid` must list positive integers. Received: grid={grid}.")
    return tuple(map(int, grid))


def tile_centers(grid: Sequence[int]) -> Array:
    """Returns the centres of the tiles of the latent box `[-1/2, 1/2]^d` with its uniform prior.

    Args:
        grid: Number of tiles along each of the d latent dimensions.

    Returns:
        `[B, d]` with `B = prod(grid)`; the last dimension varies fastest.

    Raises:
        ValueError: If the grid is empty or a side is not a positive integer.

    Example:
        >>> from tf_geco.theory import tile_centers
        >>> tile_centers((2, 1)).tolist()
        [[-0.25, 0.0], [0.25, 0.0]]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Appendix A.
    """
    axes = [(np.arange(side) + 0.5) / side - 0.5 for side in check_grid(grid)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def tile_distances(grid: Sequence[int]) -> Array:
    """Returns the squared distance of latents, integrated over each pair of tiles, exactly.

        K_ab = integral over tiles a and b of |z - z'|^2 dz dz'
             = V^2 (|z_a - z_b|^2 + sum_d h_d^2 / 6)

    with sides `h_d` and volume `V` of a tile. The diagonal is not zero: two latents of one tile
    differ, too.

    Args:
        grid: Number of tiles along each latent dimension of the box `[-1/2, 1/2]^d`.

    Returns:
        `[B, B]`, symmetric and positive.

    Raises:
        ValueError: If the grid is empty or a side is not a positive integer.

    Example:
        >>> from tf_geco.theory import tile_distances
        >>> round(float(tile_distances((1,))[0, 0]), 6)  # E|z - z'|^2 of two uniforms
        0.166667

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Eq. 8.
    """
    centers = tile_centers(grid)
    sides = 1 / np.asarray(check_grid(grid), dtype=np.float64)
    volume = math.prod(sides)
    between = ((centers[:, None] - centers[None]) ** 2).sum(-1)
    return volume**2 * (between + (sides**2).sum() / 6)
