"""Bad input, refused in one place and in one voice."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def check_data(data: npt.ArrayLike) -> Array:
    """Return `data` as float64 `[n, D]`, or say what is wrong with it.

    Args:
        data: `[n, D]`, one data point a row; images flattened.

    Returns:
        The data as a float64 array.

    Raises:
        ValueError: if the data is not a finite matrix of at least two different points.

    Example:
        >>> check_data([[0, 1], [1, 0]]).shape
        (2, 2)
    """
    points = np.asarray(data, dtype=np.float64)
    if points.ndim != 2:
        raise ValueError(
            "`data` must have rank 2, [points, values]; flatten images first. "
            f"Received: data of shape {points.shape}"
        )
    if points.size == 0 or len(points) < 2:
        raise ValueError(
            "`data` must hold at least two points: one point has nothing to encode. "
            f"Received: data of shape {points.shape}"
        )
    if not np.isfinite(points).all():
        count = int((~np.isfinite(points)).sum())
        raise ValueError(f"`data` must be finite. Received: {count} NaN or infinite values")
    if np.ptp(points, axis=0).max() == 0:
        raise ValueError(
            "The points of `data` must not all be identical: there is nothing to encode. "
            f"Received: {len(points)} copies of one point"
        )
    return points


def check_betas(betas: npt.ArrayLike) -> Array:
    """Return `betas` as a float64 array (a scalar stays a scalar), all finite and positive.

    Args:
        betas: scalar or `[K]`, in squared data units: `beta = sigma^2` of the decoder.

    Returns:
        The betas as a float64 array of rank 0 or 1.

    Raises:
        ValueError: if a beta is not finite and positive, there is none, or the rank exceeds 1.

    Example:
        >>> check_betas(0.5).ndim
        0
    """
    values = np.asarray(betas, dtype=np.float64)
    if values.ndim > 1 or values.size == 0:
        raise ValueError(
            "`beta` must be a positive number or a non-empty list of them. "
            f"Received: beta of shape {values.shape}"
        )
    if not (np.isfinite(values) & (values > 0)).all():
        bad = values[~(np.isfinite(values) & (values > 0))].ravel()[0]
        raise ValueError(f"`beta` must be finite and positive. Received: beta={bad}")
    return values


def check_prior_mass(prior_mass: npt.ArrayLike, num_tiles: int) -> Array:
    """Return `prior_mass` as a float64 array `[B]` that is positive and sums to 1.

    Args:
        prior_mass: `[B]`, `pi_a = E_pi[phi_a(z)]`, the prior probability of each tile.
        num_tiles: B, the number of tiles the other arguments speak of.

    Returns:
        The masses as a float64 array.

    Raises:
        ValueError: if the shape is not `[B]`, a mass is not positive, or the sum is not 1.

    Example:
        >>> check_prior_mass([0.5, 0.5], 2).tolist()
        [0.5, 0.5]
    """
    mass = np.asarray(prior_mass, dtype=np.float64)
    if mass.shape != (num_tiles,):
        raise ValueError(
            f"`prior_mass` must have one entry for each of the {num_tiles} tiles. "
            f"Received: prior_mass of shape {mass.shape}"
        )
    if not (mass > 0).all() or abs(mass.sum() - 1) > 1e-6:
        raise ValueError(
            "`prior_mass` must be positive and sum to 1. "
            f"Received: smallest mass {mass.min()}, sum {mass.sum()}"
        )
    return mass
