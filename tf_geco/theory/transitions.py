"""Phase transitions of a high-capacity beta-VAE: where clusters merge as beta grows (Figure 2)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tf_geco.theory.checks import Array, check_betas, check_data
from tf_geco.theory.clusters import cluster_centers
from tf_geco.theory.reconstructions import FixedPoints, fixed_points, observables


class PhaseTransitions(NamedTuple):
    """The reconstruction error as an order parameter.

    Attributes:
        betas: `[K]`, increasing, in squared data units.
        reconstruction_error: `[K]`, `u(beta) = E|x - g(z)|^2`, the mean over seeds.
        kl: `[K]`, mean KL in nats, the mean over seeds.
        second_derivative: `[K]`, of u with respect to beta, the mean over seeds; the two ends
            repeat their neighbours.
        critical_temperatures: `[top]` or fewer, in squared data units, the sharpest first.
        heights: as long, `|u''|` there.
        below: as long, the clusters just below each critical temperature, each `[C, D]`.
        above: as long, the merged clusters just above it.
        converged: `[K]`, whether the iteration converged for every seed.
    """

    betas: Array
    reconstruction_error: Array
    kl: Array
    second_derivative: Array
    critical_temperatures: Array
    heights: Array
    below: list[Array]
    above: list[Array]
    converged: npt.NDArray[np.bool_]


def phase_transitions(
    data: npt.ArrayLike,
    betas: npt.ArrayLike,
    *,
    top: int = 3,
    separation: int = 3,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    smoothing: float = 0.0,
    verbose: int = 1,
    **options: Any,
) -> PhaseTransitions:
    """Find the betas at which reconstruction fixed points merge.

    A merger bends `u(beta) = E|x - g(z)|^2`; critical temperatures are the highest local maxima of
    `|d^2 u / d beta^2|`. Above `first_critical_temperature(data)` the collapsed solution is stable.
    For symmetric data it is then the only one; where the third moments of the data do not vanish,
    the last clusters can survive to a higher beta (a first-order transition), and both show.

    Args:
        data: `[n, D]`, finite, at least two different points.
        betas: `[K]`, increasing, at least 5. Transitions are located to about one spacing.
        top: how many transitions to return, the sharpest first.
        separation: two maxima closer than so many betas are one transition; the two flanks of a
            jump of u would otherwise count twice.
        seeds: of the starts that are averaged.
        smoothing: a of `fixed_points`. The iteration slows down without bound near a transition,
            and the paper's 0.9 takes ten times as many steps: its 400 steps smear transitions
            upwards by a tenth. Plain steps converge too, hence 0.
        verbose: 1 shows a progress bar.
        **options: of `fixed_points`: grid, max_steps, tolerance, noise, dtype.

    Returns:
        `PhaseTransitions`.

    Raises:
        ValueError: as `fixed_points`; or if betas are fewer than 5 or do not increase.

    Example:
        >>> import numpy as np
        >>> from tf_geco.theory import phase_transitions
        >>> found = phase_transitions([[-1.0], [1.0]], np.linspace(0.5, 1.5, 21), grid=(8,),
        ...                           seeds=(0,), top=1, verbose=0)
        >>> found.critical_temperatures.round(1).tolist()
        [1.0]

    Reference:
        Rezende and Viola, Taming VAEs, 2018, arXiv:1810.00597, Section 3.2 and Figure 2.
    """
    values = check_betas(betas)
    if values.ndim != 1 or len(values) < 5 or not (np.diff(values) > 0).all():
        raise ValueError(
            "`betas` must be an increasing list of at least 5. "
            f"Received: betas of shape {values.shape}"
        )
    if top < 1 or separation < 1 or not len(seeds):
        raise ValueError(
            "`top`, `separation` and the number of seeds must be positive. "
            f"Received: top={top}, separation={separation}, seeds={seeds}"
        )
    options["smoothing"] = smoothing
    seen = observables(data, values, seed=tuple(seeds), verbose=verbose, **options)
    u = seen.reconstruction_error.mean(1)
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
    """The beta above which nothing is encoded: the largest eigenvalue of the data covariance.

    Linearising Eqs. 19-20 about `psi_b = mean` gives `psi_b - mean <- (S / beta) (psi_b - mean)`
    with S the covariance (1/n), so the collapsed solution is stable exactly when beta exceeds the
    largest eigenvalue of S: deterministic annealing's classical result.

    Args:
        data: `[n, D]`, finite, at least two different points.

    Returns:
        The temperature, in squared data units.

    Raises:
        ValueError: if the data is not valid.

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


def second_derivative(values: npt.ArrayLike, betas: npt.ArrayLike) -> Array:
    """Three-point second derivative on an uneven grid; the ends repeat their neighbours.

    Args:
        values: `[K]`, with K at least 3.
        betas: `[K]`, increasing.

    Returns:
        `[K]`, exact for parabolas.

    Example:
        >>> second_derivative([0.0, 1.0, 4.0, 16.0], [0.0, 1.0, 2.0, 4.0]).tolist()
        [2.0, 2.0, 2.0, 2.0]
    """
    x = np.asarray(betas, dtype=np.float64)
    slopes = np.diff(np.asarray(values, dtype=np.float64)) / np.diff(x)
    return np.pad(2 * np.diff(slopes) / (x[2:] - x[:-2]), 1, mode="edge")


def highest_peaks(heights: npt.ArrayLike, top: int, separation: int) -> npt.NDArray[np.intp]:
    """Places of the highest local maxima, the highest first, no two closer than `separation`.

    Args:
        heights: `[K]`.
        top: how many at most.
        separation: the smallest distance between two of them, in places.

    Returns:
        At most `top` places, never an end.

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
    betas: Array,
    peaks: npt.NDArray[np.intp],
    seed: int,
    options: dict[str, Any],
) -> tuple[list[Array], list[Array]]:
    if not len(peaks):
        return [], []
    sides = betas[np.concatenate([peaks - 1, peaks + 1])]
    found: FixedPoints = fixed_points(data, sides, seed=seed, **options)
    distance = 0.05 * np.sqrt(check_data(data).var(0).sum())
    centers = [cluster_centers(psi, distance) for psi in found.psi]
    return centers[: len(peaks)], centers[len(peaks) :]
