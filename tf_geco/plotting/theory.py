"""Figures 1, 2 and 7 of "Taming VAEs", and the rate-distortion limit in an information plane.

Arrays in, a matplotlib figure out. Colours are the paper's: data blue, fixed points red, the
trajectories of reconstruction vectors grey.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DATA, FIXED_POINT, TRAJECTORY = "tab:blue", "tab:red", "0.72"


class Curve(Protocol):
    """Anything with `kl` `[K]` in nats and `reconstruction_error` `[K]`, as `RateDistortion`."""

    kl: npt.NDArray[np.floating]
    reconstruction_error: npt.NDArray[np.floating]


def blur_and_holes(
    data: npt.ArrayLike, supports: npt.ArrayLike, decoder: npt.ArrayLike
) -> "Figure":
    """Figure 1: where supports overlap reconstructions blur, and in holes they are unconstrained.

    Args:
        data: `[n, 2]`, the data points.
        supports: `[n, H, W]` booleans, the tiles of each posterior's support.
        decoder: `[H, W, 2]`, the optimal reconstruction of each tile, NaN in holes.

    Returns:
        A figure: latent space on the left, holes black; data space on the right.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if the shapes do not fit together.

    Example:
        >>> supports = np.array([[[1, 1, 0]], [[0, 1, 0]]], bool)
        >>> decoder = np.array([[[0.0, 0.0], [0.7, 0.7], [np.nan, np.nan]]])
        >>> len(blur_and_holes([[0.0, 0.0], [1.0, 1.0]], supports, decoder).axes)
        2

    Reference:
        Rezende and Viola, Taming VAEs, 2018, arXiv:1810.00597, Figure 1.
    """
    points, omega, psi = np.asarray(data), np.asarray(supports, dtype=bool), np.asarray(decoder)
    if omega.ndim != 3 or points.shape != (len(omega), 2) or psi.shape != (*omega.shape[1:], 2):
        raise ValueError(
            "`data` must be [n, 2], `supports` [n, H, W] and `decoder` [H, W, 2]. "
            f"Received: shapes {points.shape}, {omega.shape} and {psi.shape}"
        )
    figure = _figure(9, 4.4)
    latent, space = figure.subplots(1, 2)
    colors = _colors(len(omega))
    _draw_supports(latent, omega, colors)
    _draw_reconstructions(space, points, omega, psi, colors)
    return figure


def phase_transitions(
    data: npt.ArrayLike,
    trajectories: Sequence[npt.ArrayLike],
    titles: Sequence[str],
    *,
    transitions: Any,
) -> "Figure":
    """Figure 2: reconstruction fixed points at a few betas, and where they merge.

    Args:
        data: `[n, 2]`.
        trajectories: of each top panel, `[T, B, 2]`; the last of T is the fixed point.
        titles: of each top panel.
        transitions: `PhaseTransitions`, or anything with its `betas`, `reconstruction_error`,
            `second_derivative` and `critical_temperatures`.

    Returns:
        A figure: top, the panels; bottom, `u(beta)` with critical temperatures, and `|u''|`.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if there is not one title a panel, or the data is not `[n, 2]`.

    Example:
        >>> from types import SimpleNamespace
        >>> betas = np.linspace(0.1, 1.0, 10)
        >>> found = SimpleNamespace(betas=betas, reconstruction_error=betas**2,
        ...                         second_derivative=2 + 0 * betas, critical_temperatures=[0.5])
        >>> path = np.zeros([3, 4, 2])
        >>> len(phase_transitions(np.eye(2), [path, path], ["a", "b"], transitions=found).axes)
        4

    Reference:
        Rezende and Viola, Taming VAEs, 2018, arXiv:1810.00597, Figure 2.
    """
    if len(trajectories) != len(titles) or not len(titles):
        raise ValueError(
            "Give one title for each panel, and at least one panel. "
            f"Received: {len(trajectories)} trajectories and {len(titles)} titles"
        )
    figure = _figure(3 * max(len(titles), 3), 6.4)
    rows = figure.add_gridspec(2, 1)
    panels = rows[0].subgridspec(1, len(titles))
    for column, (path, title) in enumerate(zip(trajectories, titles, strict=True)):
        axes = figure.add_subplot(panels[column])
        draw_fixed_points(axes, data, path)
        axes.set_title(title, fontsize="medium")
    halves = rows[1].subgridspec(1, 2)
    _draw_order_parameter(figure.add_subplot(halves[0]), figure.add_subplot(halves[1]), transitions)
    return figure


def lipschitz(
    data: Sequence[npt.ArrayLike],
    trajectories: Sequence[Sequence[npt.ArrayLike]],
    titles: Sequence[Sequence[str]],
    row_labels: Sequence[str] = (),
) -> "Figure":
    """Figure 7: a grid of fixed points, free in the top row, Lipschitz-constrained below.

    Args:
        data: of each column, `[n, 2]`.
        trajectories: of each row and column, `[T, B, 2]`.
        titles: of each row and column.
        row_labels: of each row; none unless given.

    Returns:
        The figure.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if rows, columns, titles and labels do not fit together.

    Example:
        >>> path = np.zeros([3, 4, 2])
        >>> len(lipschitz([np.eye(2)], [[path], [path]], [["free"], ["bound"]]).axes)
        2

    Reference:
        Rezende and Viola, Taming VAEs, 2018, arXiv:1810.00597, Figure 7.
    """
    shape = [len(row) for row in trajectories]
    if not shape or shape != [len(data)] * len(shape) or shape != [len(row) for row in titles]:
        raise ValueError(
            "Every row needs one trajectory and one title for each column of `data`. "
            f"Received: {len(data)} columns, rows of {shape}, titles {[len(t) for t in titles]}"
        )
    if row_labels and len(row_labels) != len(shape):
        raise ValueError(
            f"Give one label for each of the {len(shape)} rows. Received: {list(row_labels)}"
        )
    figure = _figure(2.3 * len(data), 2.5 * len(shape))
    grid = figure.subplots(len(shape), len(data), squeeze=False)
    for row, axes_row in enumerate(grid):
        for column, axes in enumerate(axes_row):
            draw_fixed_points(axes, data[column], trajectories[row][column])
            axes.set_title(titles[row][column], fontsize="small")
        if row_labels:
            axes_row[0].set_ylabel(row_labels[row])
    return figure


def draw_fixed_points(axes: "Axes", data: npt.ArrayLike, trajectory: npt.ArrayLike) -> None:
    """Draw data blue, trajectories of reconstruction vectors grey and fixed points red.

    Args:
        axes: where to draw.
        data: `[n, 2]`.
        trajectory: `[T, B, 2]`; the last of T is the fixed point.

    Raises:
        ValueError: if a shape is wrong.

    Example:
        >>> from matplotlib.figure import Figure
        >>> draw_fixed_points(Figure().subplots(), np.eye(2), np.zeros([3, 4, 2]))
    """
    points, path = np.asarray(data), np.asarray(trajectory)
    if points.ndim != 2 or points.shape[1] != 2 or path.ndim != 3 or path.shape[2] != 2:
        raise ValueError(
            "`data` must be [n, 2] and `trajectory` [T, B, 2]. "
            f"Received: shapes {points.shape} and {path.shape}"
        )
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    lines = LineCollection(list(path.transpose(1, 0, 2)), colors=TRAJECTORY, linewidths=0.4)
    axes.add_collection(lines)
    axes.plot(*points.T, ".", color=DATA, markersize=3, alpha=0.7, markeredgewidth=0)
    axes.plot(*path[-1].T, "o", color=FIXED_POINT, markersize=2.6, markeredgewidth=0)
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.margins(0.03)


def draw_limit(axes: "Axes", curve: Curve, *, kl_axis: str = "x") -> None:
    """Draw the rate-distortion limit into an information plane, and shade what is out of reach.

    Args:
        axes: an information plane: KL in nats on one axis, RE (mean over pixels) on the other.
        curve: `RateDistortion`.
        kl_axis: "x" or "y", the axis of the plane that shows the KL.

    Raises:
        ValueError: if the axis is neither.

    Example:
        >>> from types import SimpleNamespace
        >>> from matplotlib.figure import Figure
        >>> curve = SimpleNamespace(kl=np.array([1.0, 0.0]),
        ...                         reconstruction_error=np.array([0.0, 1.0]))
        >>> draw_limit(Figure().subplots(), curve)
    """
    if kl_axis not in {"x", "y"}:
        raise ValueError(f"`kl_axis` must be 'x' or 'y'. Received: kl_axis={kl_axis!r}")
    order = np.argsort(curve.kl)
    kl, error = np.asarray(curve.kl)[order], np.asarray(curve.reconstruction_error)[order]
    x, y, fill = (
        (kl, error, axes.fill_between) if kl_axis == "x" else (error, kl, axes.fill_betweenx)
    )
    axes.plot(x, y, color="black", linewidth=1.5, label="rate-distortion limit")
    fill(kl, 0, error, color="0.9", linewidth=0, zorder=0)


def _figure(width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("Figures need matplotlib: run `pip install 'tf_geco[plot]'`.") from error
    return Figure(figsize=(width, height), layout="constrained")


def _colors(count: int) -> npt.NDArray[np.floating]:
    from matplotlib import colormaps  # noqa: PLC0415

    return colormaps["tab10"](np.arange(count) % 10)[:, :3]


def _draw_supports(
    axes: "Axes", omega: npt.NDArray[np.bool_], colors: npt.NDArray[np.floating]
) -> None:
    count = omega.sum(0)[..., None]
    mixed = np.einsum("nhw,nc->hwc", omega, colors) / np.maximum(count, 1)
    image = np.where(count > 0, 1 - 0.55 * (1 - mixed), 0.0)
    height, width = omega.shape[1:]
    axes.imshow(image, origin="lower", extent=(0, width, 0, height), interpolation="nearest")
    columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
    for i, support in enumerate(omega):
        if min(support.shape) > 1:
            axes.contour(columns, rows, support, [0.5], colors=[tuple(colors[i])], linewidths=1.5)
        alone = support & (count[..., 0] == 1)
        y, x = np.argwhere(alone if alone.any() else support).mean(0) + 0.5
        axes.text(x, y, rf"$\Omega_{{{i + 1}}}$", ha="center", va="center", fontsize="large")
    axes.set(
        title="latent space (black: holes, unconstrained)", xticks=[], yticks=[], aspect="equal"
    )


def _draw_reconstructions(
    axes: "Axes",
    points: npt.NDArray[np.floating],
    omega: npt.NDArray[np.bool_],
    psi: npt.NDArray[np.floating],
    colors: npt.NDArray[np.floating],
) -> None:
    blurred = omega.sum(0) > 1
    patterns, first = np.unique(omega[:, blurred].T, axis=0, return_index=True)
    for pattern, place in zip(patterns, first, strict=True):
        x_hat = psi[blurred][place]
        for point in points[pattern]:
            axes.plot(*np.stack([point, x_hat]).T, color=TRAJECTORY, linewidth=1, zorder=0)
        axes.plot(*x_hat, "o", color=FIXED_POINT)
        names = ",".join(str(number) for number in np.flatnonzero(pattern) + 1)
        _label(axes, x_hat, rf"$\hat x_{{{names}}}$", FIXED_POINT)
    for i, point in enumerate(points):
        axes.plot(*point, "s", color=tuple(colors[i]), markersize=9)
        _label(axes, point, f"$x_{{{i + 1}}}$", "black")
    axes.set(
        title=r"data space (red: blurred averages $\hat x$)",
        xticks=[],
        yticks=[],
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.2)


def _label(axes: "Axes", place: npt.NDArray[np.floating], text: str, color: str) -> None:
    axes.annotate(
        text, tuple(place), (7, 5), textcoords="offset points", color=color, fontsize="large"
    )


def _draw_order_parameter(error: "Axes", bend: "Axes", transitions: Any) -> None:
    betas = transitions.betas
    for axes in (error, bend):
        for place, temperature in enumerate(transitions.critical_temperatures):
            axes.axvline(temperature, color="0.6", linewidth=1, zorder=0)
            axes.annotate(
                rf"$\beta_c^{{{place + 1}}}$",
                (temperature, 0.98 - 0.1 * place),
                (2, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
            )
        axes.set_xlabel(r"$\beta$")
        axes.set_xlim(betas[0], betas[-1])
    error.plot(betas, transitions.reconstruction_error, color=DATA)
    error.set_ylabel(r"$u(\beta) = E|x - g(z)|^2$")
    bend.plot(betas, np.abs(transitions.second_derivative), color=DATA)
    bend.set_ylabel(r"$|\partial^2 u / \partial \beta^2|$")
