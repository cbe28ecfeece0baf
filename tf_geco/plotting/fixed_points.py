"""Reconstruction fixed points, where they merge, and where a decoder is smooth (Figures 2 and 7).

Colours are the paper's: data blue, fixed points red, trajectories of reconstruction vectors grey.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tf_geco.plotting._matplotlib import collections, pyplot

_DATA, _FIXED_POINT, _TRAJECTORY = "tab:blue", "tab:red", "0.72"


def phase_transitions(
    data: npt.ArrayLike,
    trajectories: Sequence[npt.ArrayLike],
    titles: Sequence[str],
    *,
    transitions: Any,
) -> Any:
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
    size = (3 * max(len(titles), 3), 6.4)
    figure = pyplot().figure(figsize=size, layout="constrained")
    rows = figure.add_gridspec(2, 1)
    panels = rows[0].subgridspec(1, len(titles))
    for column, (path, title) in enumerate(zip(trajectories, titles, strict=True)):
        axes = figure.add_subplot(panels[column])
        draw_fixed_points(axes, data, path)
        axes.set_title(title, fontsize="medium")
    halves = rows[1].subgridspec(1, 2)
    _draw_order_parameter(figure.add_subplot(halves[0]), figure.add_subplot(halves[1]), transitions)
    return figure


def lipschitz_fixed_points(
    data: Sequence[npt.ArrayLike],
    trajectories: Sequence[Sequence[npt.ArrayLike]],
    titles: Sequence[Sequence[str]],
    row_labels: Sequence[str] = (),
) -> Any:
    """Figure 7: a grid of fixed points, free in the top row, Lipschitz-constrained below.

    Args:
        data: of each column, `[n, 2]`.
        trajectories: of each row and column, `[T, B, 2]`.
        titles: of each row and column.
        row_labels: of each row; none unless given.

    Returns:
        The figure.

    Raises:
        ValueError: if rows, columns, titles and labels do not fit together.

    Example:
        >>> path = np.zeros([3, 4, 2])
        >>> len(lipschitz_fixed_points([np.eye(2)], [[path], [path]], [["free"], ["bound"]]).axes)
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
    size = (2.3 * len(data), 2.5 * len(shape))
    figure = pyplot().figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(shape), len(data), squeeze=False)
    for row, axes_row in enumerate(grid):
        for column, axes in enumerate(axes_row):
            draw_fixed_points(axes, data[column], trajectories[row][column])
            axes.set_title(titles[row][column], fontsize="small")
        if row_labels:
            axes_row[0].set_ylabel(row_labels[row])
    return figure


def draw_fixed_points(axes: Any, data: npt.ArrayLike, trajectory: npt.ArrayLike) -> None:
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
    grey = {"colors": _TRAJECTORY, "linewidths": 0.4}
    axes.add_collection(collections().LineCollection(list(path.transpose(1, 0, 2)), **grey))
    axes.plot(*points.T, ".", color=_DATA, markersize=3, alpha=0.7, markeredgewidth=0)
    axes.plot(*path[-1].T, "o", color=_FIXED_POINT, markersize=2.6, markeredgewidth=0)
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.margins(0.03)


def _draw_order_parameter(error: Any, bend: Any, transitions: Any) -> None:
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
    error.plot(betas, transitions.reconstruction_error, color=_DATA)
    error.set_ylabel(r"$u(\beta) = E|x - g(z)|^2$")
    bend.plot(betas, np.abs(transitions.second_derivative), color=_DATA)
    bend.set_ylabel(r"$|\partial^2 u / \partial \beta^2|$")
