"""matplotlib, imported when a figure is drawn."""

import importlib
from typing import Any


def pyplot() -> Any:
    """Returns `matplotlib.pyplot`, or an error that says how to install it."""
    return _module("matplotlib.pyplot")


def collections() -> Any:
    """Returns `matplotlib.collections`, or an error that says how to install it."""
    return _module("matplotlib.collections")


def ticker() -> Any:
    """Returns `matplotlib.ticker`, or an error that says how to install it."""
    return _module("matplotlib.ticker")


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
