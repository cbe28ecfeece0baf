"""Checks of data, temperatures and prior masses, for all of the theory."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def check_data(data: npt.ArrayLike) -> Array:
    """Returns `data` in float64, or says what is wrong with it.

    Args:
        data: `[n, D]`, one data point a row; images flattened.

    Raises:
        ValueError: If the data are not a finite matrix of at least two different points.

    Example:
        >>> check_data([[0, 1], [1, 0]]).shape
        (2, 2)
    """
    points = np.asarray(data, dtype=np.float64)
    if points.ndim != 2:
        raise ValueError(
            "`data` must have rank 2, [points, values]; flatten images first. "
            f"Received: data of shape {points.shape}."
        )
    if points.size == 0 or len(points) < 2:
        raise ValueError(
            "`data` must hold at least two points: one point has nothing to encode. "
            f"Received: data of shape {points.shape}."
        )
    if not np.isfinite(points).all():
        count = int((~np.isfinite(points)).sum())
        raise ValueError(f"`data` must be finite. Received: {count} NaN or infinite values.")
    if np.ptp(points, axis=0).max() == 0:
        raise ValueError(
            "The points of `data` must not all be identical: there is nothing to encode. "
            f"Received: {len(points)} copies of one point."
        )
    return points


def check_temperature(temperature: npt.ArrayLike, name: str = "temperature") -> Array:
    """Returns one temperature, or several, in float64.

    Args:
        temperature: Scalar or `[K]`; a scalar stays a scalar.
        name: The name of the argument, for the error.

    Raises:
        ValueError: If one is not finite and positive, there is none, or the rank exceeds 1.

    Example:
        >>> check_temperature(0.5).ndim
        0
    """
    values = np.asarray(temperature, dtype=np.float64)
    if values.ndim > 1 or values.size == 0:
        raise ValueError(
            f"`{name}` must be a positive number or a non-empty list of them. "
            f"Received: {name} of shape {values.shape}."
        )
    good = np.isfinite(values) & (values > 0)
    if not good.all():
        bad = values[~good].ravel()[0]
        raise ValueError(f"`{name}` must be finite and positive. Received: {name}={bad}.")
    return values


def check_increasing(temperatures: npt.ArrayLike, least: int = 1) -> Array:
    """Returns a list of temperatures `[K]` in float64.

    Args:
        temperatures: `[K]`, each larger than the one before.
        least: The smallest K.

    Raises:
        ValueError: If there are fewer, they do not increase, or one is not finite and positive.

    Example:
        >>> check_increasing([1, 2]).tolist()
        [1.0, 2.0]
    """
    values = check_temperature(temperatures, "temperatures")
    if values.ndim != 1 or len(values) < least or not (np.diff(values) > 0).all():
        raise ValueError(
            f"`temperatures` must be an increasing list of at least {least}. "
            f"Received: temperatures={np.array2string(values, threshold=8)}."
        )
    return values


def check_prior_mass(prior_mass: npt.ArrayLike, num_tiles: int) -> Array:
    """Returns the prior probabilities of tiles in float64.

    Args:
        prior_mass: `[B]`, `pi_a = E_pi[phi_a(z)]`.
        num_tiles: B, the number of tiles of the other arguments.

    Raises:
        ValueError: If the shape is not `[B]`, a mass is not positive, or the sum is not 1.

    Example:
        >>> check_prior_mass([0.5, 0.5], 2).tolist()
        [0.5, 0.5]
    """
    mass = np.asarray(prior_mass, dtype=np.float64)
    if mass.shape != (num_tiles,):
        raise ValueError(
            f"`prior_mass` must have one entry for each of the {num_tiles} tiles. "
            f"Received: prior_mass of shape {mass.shape}."
        )
    if not (mass > 0).all() or abs(mass.sum() - 1) > 1e-6:
        raise ValueError(
            "`prior_mass` must be positive and sum to 1. "
            f"Received: smallest mass {mass.min()}, sum {mass.sum()}."
        )
    return mass
