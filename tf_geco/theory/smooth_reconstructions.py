"""Fixed points of a high-capacity beta-VAE with a Lipschitz decoder (Figure 7)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tf_geco.theory.lipschitz import lipschitz_multipliers, lipschitz_weights
from tf_geco.theory.problems import Options, Problems
from tf_geco.theory.reconstructions import FixedPoints, solve
from tf_geco.theory.tiles import tile_centers


def lipschitz_fixed_points(
    data: npt.ArrayLike,
    temperature: npt.ArrayLike,
    *,
    radius: float = np.inf,
    strength: float = 1.0,
    slope: float = 1.0,
    seed: int | Sequence[int] = 0,
    record_every: int = 10,
    verbose: bool = False,
    **options: Any,
) -> FixedPoints:
    """Returns the fixed points of a high-capacity beta-VAE with a Lipschitz decoder (Figure 7).

    Each step of `fixed_points` is projected, `psi <- a psi + (1 - a) P x_bar`, with one multiplier
    for all pairs of tiles within `radius`.

    Args:
        data: `[n, D]`.
        temperature: Variance of the decoder, in squared data units; one, or several `[K]`.
        radius: Radius of the constraint, see `lipschitz_multipliers`; infinite is global.
        strength: Multiplier of the constraint; 0 is `fixed_points`. The data pull a tile with about
            `n / (2 temperature B)`, other tiles with `strength` times the row sum of C. The figure
            changes while the second is between 0.01 and 1 of the first; beyond, all collapses.
        slope: L, the largest slope allowed. Only `strength / slope^2` matters.
        seed: Seed of the noise of the start, or several.
        record_every: Number of steps between two points of the trajectory.
        verbose: Whether to show progress.
        **options: Options of `fixed_points`; here `dtype` is `"float64"` by default.

    Returns:
        `FixedPoints` of all temperatures and seeds.

    Raises:
        ValueError: If an argument of `fixed_points` or `lipschitz_multipliers` is not valid.

    Example:
        >>> from tf_geco.theory import largest_slope, lipschitz_fixed_points
        >>> square = [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]
        >>> free, bound = (lipschitz_fixed_points(square, 0.05, strength=s, grid=(4, 4), noise=0.0)
        ...                for s in (0.0, 10.0))
        >>> largest_slope(bound.psi, (4, 4)) < largest_slope(free.psi, (4, 4))
        True

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Appendix B and Figure 7.
    """
    chosen = Options(**{"dtype": "float64", **options}).checked()
    multipliers = lipschitz_multipliers(chosen.grid, radius=radius, strength=strength)
    W = lipschitz_weights(chosen.grid, multipliers, slope=slope)
    laplacian = np.diag(W.sum(1)) - W if strength > 0 else None
    return solve(Problems.pose(data, temperature, chosen, seed), record_every, laplacian, verbose)


def largest_slope(psi: npt.ArrayLike, grid: Sequence[int]) -> float:
    """Returns the largest `|psi_a - psi_b| / |z_a - z_b|` over all pairs of tiles.

    Args:
        psi: `[B, D]`.
        grid: Number of tiles along each latent dimension, `B = prod(grid)`.

    Returns:
        The slope, in data units per side of the latent box.

    Raises:
        ValueError: If `psi` has not one row for each tile.

    Example:
        >>> from tf_geco.theory import largest_slope
        >>> round(largest_slope([[0.0], [1.0], [1.0]], (3,)), 9)
        3.0
    """
    centers, vectors = tile_centers(grid), np.asarray(psi, dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(centers):
        raise ValueError(
            f"`psi` must have one row for each of the {len(centers)} tiles of grid={tuple(grid)}. "
            f"Received: psi of shape {vectors.shape}."
        )
    a, b = np.triu_indices(len(centers), 1)
    rise = np.linalg.norm(vectors[a] - vectors[b], axis=1)
    return float((rise / np.linalg.norm(centers[a] - centers[b], axis=1)).max(initial=0.0))
