"""What each tolerance costs: KL over error, of models that serve a whole range."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_geco.plotting._matplotlib import count_orders, figure_of, new_axes

_MARKERS = "osD^vP"


def rate_distortion(
    curves: Mapping[str, Any], *, limit: tuple[Any, Any] | None = None, axes: Any = None
) -> Any:
    """Draws the KL that a model spends over the error that it reaches.

    Args:
        curves: Name -> `tf_geco.evaluation.rate_distortion(model, data)`, or anything with its
            attributes `readings`, `kl` and `name`.
        limit: Errors, in the unit of the readings, and KL in nats of what no model beats, `[K]`
            each: `theory.rate_distortion(data, betas)` gives squared errors, take their root.
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If there are no curves.

    Example:
        >>> from types import SimpleNamespace
        >>> from tf_geco import plotting
        >>> curve = SimpleNamespace(readings=[0.1, 0.2], kl=[30.0, 5.0], name="error")
        >>> plotting.rate_distortion({"digits": curve}).axes[0].get_ylabel()
        'KL (nats)'
    """
    if not curves:
        raise ValueError("`curves` must hold at least one curve. Received: {}.")
    axes = new_axes(4.5, 3.5) if axes is None else axes
    for index, (name, curve) in enumerate(curves.items()):
        marker = _MARKERS[index % len(_MARKERS)]
        axes.plot(curve.readings, curve.kl, marker=marker, ms=5, lw=1, label=name)
    if limit is not None:
        order = np.argsort(limit[0])
        error, kl = (np.asarray(part)[order] for part in limit)
        axes.plot(error, kl, color="black", lw=1.5, label="limit")
    measured = next(iter(curves.values())).name.replace("_", " ")
    axes.set(xlabel=measured, ylabel="KL (nats)", yscale="log")
    count_orders(axes.yaxis)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure_of(axes)
