"""Reconstruction fixed points, where they merge, and those of a smooth decoder (Figures 2 and 7).

Colours are the paper's: data blue, fixed points red, trajectories of reconstruction vectors grey.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tf_geco.plotting._matplotlib import collections, exactly, figure_of, new_axes, pyplot

_DATA, _FIXED_POINT, _TRAJECTORY = "tab:blue", "tab:red", "0.72"


def phase_transitions(
    data: npt.ArrayLike,
    trajectories: Sequence[npt.ArrayLike],
    titles: Sequence[str],
    *,
    transitions: Any,
    axes: Any = None,
) -> Any:
    """Draws Figure 2: reconstruction fixed points at a few temperatures, and where they merge.

    The panels on top show fixed points. Below are the squared error u by temperature and its bend
    `|u''|`, with the critical temperatures as lines.

    Args:
        data: `[n, 2]`.
        trajectories: `[T, B, 2]` for each panel on top; the last of T are the fixed points.
        titles: A title for each of these.
        transitions: `tf_geco.theory.phase_transitions(...)`, or anything with its `temperatures`,
            `squared_error`, `second_derivative` and `critical_temperatures`.
        axes: Matplotlib axes to draw in, by default of a new figure: those of the panels on top,
            and two more.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If there is not one title for each trajectory, the data are not `[n, 2]`, or
            there are not so many axes.

    Example:
        >>> import numpy as np
        >>> from tf_geco import plotting, theory
        >>> data, temperatures = np.eye(2), np.linspace(0.1, 1.0, 10)
        >>> found = theory.phase_transitions(data, temperatures, grid=(3, 3))
        >>> path = theory.fixed_points(data, 0.2, grid=(3, 3)).trajectory
        >>> figure = plotting.phase_transitions(data, [path], ["t = 0.2"], transitions=found)
        >>> [axes.get_title() for axes in figure.axes]
        ['t = 0.2', '', '']

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 2.
    """
    if len(trajectories) != len(titles) or not len(titles):
        raise ValueError(
            "Give one title for each panel, and at least one panel. "
            f"Received: {len(trajectories)} trajectories and {len(titles)} titles."
        )
    columns = len(titles)
    *panels, error, bend = exactly(columns + 2, _new_axes(columns) if axes is None else axes)
    for panel, path, title in zip(panels, trajectories, titles, strict=True):
        draw_fixed_points(data, path, axes=panel)
        panel.set_title(title, fontsize="medium")
    _draw_order_parameter(error, bend, transitions)
    return figure_of(error)


def lipschitz_fixed_points(
    data: Sequence[npt.ArrayLike],
    trajectories: Sequence[Sequence[npt.ArrayLike]],
    titles: Sequence[Sequence[str]],
    row_labels: Sequence[str] = (),
    *,
    axes: Any = None,
) -> Any:
    """Draws Figure 7: fixed points of free decoders in the top row, of Lipschitz decoders below.

    Args:
        data: `[n, 2]` for each column.
        trajectories: `[T, B, 2]` for each row and column.
        titles: A title for each row and column.
        row_labels: A label for each row, by default none.
        axes: Matplotlib axes to draw in, for each row and column; by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If rows, columns, titles, labels and axes do not fit together.

    Example:
        >>> import numpy as np
        >>> from tf_geco import plotting
        >>> paths, titles = [[np.zeros([3, 4, 2])]] * 2, [["free"], ["bound"]]
        >>> figure = plotting.lipschitz_fixed_points([np.eye(2)], paths, titles)
        >>> [axes.get_title() for axes in figure.axes]
        ['free', 'bound']

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 7.
    """
    shape = [len(row) for row in trajectories]
    if not shape or shape != [len(data)] * len(shape) or shape != [len(row) for row in titles]:
        raise ValueError(
            "Every row needs one trajectory and one title for each column of `data`. "
            f"Received: {len(data)} columns, rows of {shape}, titles {[len(t) for t in titles]}."
        )
    if row_labels and len(row_labels) != len(shape):
        raise ValueError(
            f"Give one label for each of the {len(shape)} rows. Received: {list(row_labels)}."
        )
    rows, columns = len(shape), len(data)
    if axes is None:
        axes = new_axes(2.3 * columns, 2.5 * rows, rows, columns)
    panels = exactly(rows * columns, axes)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        draw_fixed_points(data[column], trajectories[row][column], axes=panel)
        panel.set_title(titles[row][column], fontsize="small")
    for panel, label in zip(panels[::columns], row_labels, strict=False):
        panel.set_ylabel(label)
    return figure_of(panels[0])


def draw_fixed_points(data: npt.ArrayLike, trajectory: npt.ArrayLike, *, axes: Any = None) -> Any:
    """Draws data blue, trajectories of reconstruction vectors grey and fixed points red.

    Args:
        data: `[n, 2]`.
        trajectory: `[T, B, 2]`; the last of T are the fixed points.
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If a shape is wrong.

    Example:
        >>> import numpy as np
        >>> from tf_geco import plotting
        >>> figure = plotting.draw_fixed_points(np.eye(2), np.zeros([3, 4, 2]))
        >>> figure.axes[0].get_legend_handles_labels()[1]
        ['trajectories', 'data', 'fixed points']
    """
    points, path = np.asarray(data), np.asarray(trajectory)
    if points.ndim != 2 or points.shape[1] != 2 or path.ndim != 3 or path.shape[2] != 2:
        raise ValueError(
            "`data` must be [n, 2] and `trajectory` [T, B, 2]. "
            f"Received: shapes {points.shape} and {path.shape}."
        )
    axes = new_axes(3, 3) if axes is None else axes
    grey = {"colors": _TRAJECTORY, "linewidths": 0.4, "label": "trajectories"}
    axes.add_collection(collections().LineCollection(list(path.transpose(1, 0, 2)), **grey))
    dots = {"linestyle": "", "markeredgewidth": 0}
    axes.plot(*points.T, ".", color=_DATA, markersize=3, alpha=0.7, label="data", **dots)
    axes.plot(*path[-1].T, "o", color=_FIXED_POINT, markersize=2.6, label="fixed points", **dots)
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.margins(0.03)
    return figure_of(axes)


def _new_axes(columns: int) -> list[Any]:
    """Returns axes of a new figure: so many on top, and two below."""
    figure = pyplot().figure(figsize=(3 * max(columns, 3), 6.4), layout="constrained")
    top, bottom = figure.add_gridspec(2, 1)
    places = [*top.subgridspec(1, columns), *bottom.subgridspec(1, 2)]
    return [figure.add_subplot(place) for place in places]


def _draw_order_parameter(error: Any, bend: Any, transitions: Any) -> None:
    """Draws the squared error and its bend by temperature, with critical temperatures as lines."""
    temperatures = transitions.temperatures
    for axes in (error, bend):
        for place, temperature in enumerate(transitions.critical_temperatures):
            axes.axvline(temperature, color="0.6", linewidth=1, zorder=0)
            axes.annotate(
                rf"$t_c^{{{place + 1}}}$",
                (temperature, 0.98 - 0.1 * place),
                (2, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
            )
        axes.set_xlabel("temperature $t$")
        axes.set_xlim(temperatures[0], temperatures[-1])
    error.plot(temperatures, transitions.squared_error, color=_DATA)
    error.set_ylabel("$u(t) = E|x - g(z)|^2$")
    bend.plot(temperatures, np.abs(transitions.second_derivative), color=_DATA)
    bend.set_ylabel(r"$|\partial^2 u / \partial t^2|$")
