"""matplotlib, imported when a figure is drawn."""

import importlib
from typing import Any

import numpy as np


def pyplot() -> Any:
    """Returns `matplotlib.pyplot`, or an error that says how to install it."""
    return _module("matplotlib.pyplot")


def collections() -> Any:
    """Returns `matplotlib.collections`, or an error that says how to install it."""
    return _module("matplotlib.collections")


def ticker() -> Any:
    """Returns `matplotlib.ticker`, or an error that says how to install it."""
    return _module("matplotlib.ticker")


def new_axes(width: float, height: float, rows: int = 1, columns: int = 1) -> Any:
    """Returns axes of a new figure of a size in inches: one, or an array of several."""
    return pyplot().figure(figsize=(width, height), layout="constrained").subplots(rows, columns)


def exactly(count: int, axes: Any) -> list[Any]:
    """Returns axes as a list, row by row.

    Raises:
        ValueError: If there are not `count` of them.
    """
    found = np.ravel(axes).tolist()
    if len(found) != count:
        raise ValueError(f"`axes` must be {count} matplotlib axes. Received: {len(found)}.")
    return found


def figure_of(axes: Any) -> Any:
    """Returns the figure that axes belong to, not a part of it."""
    return axes.figure.figure


def count_orders(axis: Any) -> None:
    """Lets the log scale of `axes.xaxis` or `axes.yaxis` count 1, 2, 5, 10 in plain numbers."""
    axis.set_major_locator(ticker().LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(ticker().FormatStrFormatter("%g"))
    axis.set_minor_formatter(ticker().NullFormatter())


def _module(name: str) -> Any:
    """Returns a module of matplotlib.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            "Figures need matplotlib. Install it with `pip install 'tf_geco[plot]'`."
        ) from error
