"""Phase transitions of a high-capacity beta-VAE: where its clusters merge (Figure 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tf_geco.checks import is_positive_integer
from tf_geco.theory.checks import Array, check_data, check_increasing
from tf_geco.theory.clusters import cluster_centers
from tf_geco.theory.reconstructions import FixedPoints, fixed_points, observables


@dataclass(frozen=True, eq=False)
class PhaseTransitions:
    """The squared error as an order parameter: it bends where clusters merge.

    Errors, KLs and derivatives are means over seeds.

    Args:
        temperatures: t, `[K]`, increasing, in squared data units.
        squared_error: `u(t) = E|x - g(z)|^2`, summed over the values of a data point, `[K]`.
        kl: Mean KL of the posteriors from the prior, in nats, `[K]`.
        second_derivative: `u''(t)`, `[K]`; the two ends repeat their neighbours.
        critical_temperatures: `[top]` or fewer, in squared data units, the sharpest first.
        heights: `|u''|` at each critical temperature.
        below: The clusters just below each critical temperature, `[C, D]` each.
        above: The clusters just above it.
        converged: `[K]`, whether the iteration converged for every seed.
    """

    temperatures: Array
    squared_error: Array
    kl: Array
    second_derivative: Array
    critical_temperatures: Array
    heights: Array
    below: list[Array]
    above: list[Array]
    converged: npt.NDArray[np.bool_]


def phase_transitions(
    data: npt.ArrayLike,
    temperatures: npt.ArrayLike,
    *,
    top: int = 3,
    separation: int = 3,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    smoothing: float = 0.0,
    verbose: bool = False,
    **options: Any,
) -> PhaseTransitions:
    """Returns the temperatures at which reconstruction fixed points merge.

    A merger bends `u(t) = E|x - g(z)|^2`, t the temperature: critical temperatures are the highest
    local maxima of `|u''(t)|`. Above `first_critical_temperature(data)` the collapsed solution is
    stable. For symmetric data it is the only one there. Data with third moments can keep their last
    clusters up to a higher temperature (a first-order transition); then both temperatures show.

    Args:
        data: `[n, D]`, finite, at least two different points.
        temperatures: `[K]`, increasing, at least 5. Transitions are found to about one spacing.
        top: The most transitions to return.
        separation: Two maxima closer than so many temperatures are one transition; otherwise a jump
            of u would count twice, once for each side.
        seeds: Seeds of the starts, whose results are averaged.
        smoothing: That of `fixed_points`. Near a transition the iteration slows down without bound,
            and the paper's 0.9 takes ten times as many steps as 0: after 400 of them transitions
            look a tenth too high.
        verbose: Whether to show progress.
        **options: `grid`, `max_steps`, `tolerance`, `noise` and `dtype` of `fixed_points`.

    Returns:
        `PhaseTransitions`, the sharpest ones first.

    Raises:
        ValueError: If an argument of `fixed_points` is not valid, there are fewer than 5
            temperatures or they do not increase, or `top`, `separation` or the number of seeds is
            not positive.

    Example:
        >>> import numpy as np
        >>> from tf_geco.theory import phase_transitions
        >>> found = phase_transitions([[-1.0], [1.0]], np.linspace(0.5, 1.5, 21), grid=(8,),
        ...                           seeds=(0,), top=1)
        >>> found.critical_temperatures.round(1).tolist()
        [1.0]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Section 3.2 and Figure 2.
    """
    values = check_increasing(temperatures, least=5)
    if not all(map(is_positive_integer, (top, separation, len(seeds)))):
        raise ValueError(
            "`top`, `separation` and the number of seeds must be positive. "
            f"Received: top={top}, separation={separation}, seeds={seeds}."
        )
    options["smoothing"] = smoothing
    seen = observables(data, values, seed=tuple(seeds), verbose=verbose, **options)
    u = seen.squared_error.mean(1)
    bend = second_derivative(u, values)
    peaks = highest_peaks(np.abs(bend), top, separation)
    below, above = _both_sides(data, values, peaks, int(seeds[0]), options)
    return PhaseTransitions(
        values,
        u,
        seen.kl.mean(1),
        bend,
        values[peaks],
        np.abs(bend)[peaks],
        below,
        above,
        np.asarray(seen.converged.all(1)),
    )


def first_critical_temperature(data: npt.ArrayLike) -> float:
    """Returns the temperature above which nothing is encoded.

    It is the largest eigenvalue of the data's covariance S (the one that divides by n). Linearised
    about `psi_b = mean`, Eqs. 19-20 read `psi_b - mean <- (S / t) (psi_b - mean)`, so that the
    collapsed solution is stable at temperatures t above that eigenvalue and at no others.

    Args:
        data: `[n, D]`, finite, at least two different points.

    Returns:
        The temperature, in squared data units.

    Raises:
        ValueError: If the data are not valid.

    Example:
        >>> from tf_geco.theory import first_critical_temperature
        >>> round(first_critical_temperature([[-3.0], [3.0]]), 9)
        9.0

    Reference:
        Rose, Gurewitz and Fox, Statistical mechanics and phase transitions in clustering, 1990.
    """
    points = check_data(data)
    singular = np.linalg.svd(points - points.mean(0), compute_uv=False)
    return float(singular[0] ** 2 / len(points))


def second_derivative(values: npt.ArrayLike, places: npt.ArrayLike) -> Array:
    """Returns the three-point second derivative on an uneven grid; the ends repeat neighbours.

    Args:
        values: `[K]`, with K at least 3.
        places: `[K]`, increasing.

    Returns:
        `[K]`, exact for parabolas.

    Example:
        >>> second_derivative([0.0, 1.0, 4.0, 16.0], [0.0, 1.0, 2.0, 4.0]).tolist()
        [2.0, 2.0, 2.0, 2.0]
    """
    x = np.asarray(places, dtype=np.float64)
    slopes = np.diff(np.asarray(values, dtype=np.float64)) / np.diff(x)
    return np.pad(2 * np.diff(slopes) / (x[2:] - x[:-2]), 1, mode="edge")


def highest_peaks(heights: npt.ArrayLike, top: int, separation: int) -> npt.NDArray[np.intp]:
    """Returns the places of the highest local maxima, the highest first.

    Args:
        heights: `[K]`.
        top: The most places to return.
        separation: The smallest distance between two of them.

    Returns:
        `[top]` or fewer; the two ends are no maxima.

    Example:
        >>> highest_peaks([0, 1, 0, 3, 0, 2, 0], top=2, separation=1).tolist()
        [3, 5]
    """
    h = np.asarray(heights)
    inner = np.flatnonzero((h[1:-1] > h[:-2]) & (h[1:-1] >= h[2:])) + 1
    kept: list[int] = []
    for place in inner[np.argsort(-h[inner], kind="stable")]:
        if len(kept) < top and all(abs(place - other) >= separation for other in kept):
            kept.append(int(place))
    return np.array(kept, dtype=np.intp)


def _both_sides(
    data: npt.ArrayLike,
    temperatures: Array,
    peaks: npt.NDArray[np.intp],
    seed: int,
    options: dict[str, Any],
) -> tuple[list[Array], list[Array]]:
    """Returns the clusters just below and just above each peak."""
    if not len(peaks):
        return [], []
    sides = temperatures[np.concatenate([peaks - 1, peaks + 1])]
    found: FixedPoints = fixed_points(data, sides, seed=seed, **options)
    distance = 0.05 * np.sqrt(check_data(data).var(0).sum())
    centers = [cluster_centers(psi, distance) for psi in found.psi]
    return centers[: len(peaks)], centers[len(peaks) :]
