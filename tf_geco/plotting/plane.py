"""The information plane: reconstruction against compression (Figure 4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_geco.plotting._matplotlib import figure_of, new_axes

_MARKERS = "osD^vP"


def information_plane(
    results: Mapping[str, Sequence[Any]],
    *,
    limit: tuple[Any, Any] | None = None,
    axes: Any = None,
) -> Any:
    """Draws models in the information plane, as in Figure 4, and the limit that none can beat.

    Down is better reconstruction, left is more compression. The models of one name are tied by a
    line, in the order of their KL.

    Args:
        results: Name -> models, each with attributes `kl` (nats) and `nll` (nats per pixel), as
            `tf_geco.evaluation.information_plane` returns them; or each a pair (kl, nll).
        limit: KL and NLL of the limit, `[K]` each, drawn by `draw_limit`.
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If there are no results.

    Example:
        >>> import numpy as np
        >>> from tf_geco import evaluation, plotting, theory
        >>> curve = theory.rate_distortion(np.eye(4), [0.01, 0.1, 1.0])
        >>> limit = curve.kl, evaluation.least_nll(curve.reconstruction_error)
        >>> figure = plotting.information_plane({"GECO": [(1.0, 6.0), (0.5, 7.0)]}, limit=limit)
        >>> [text.get_text() for text in figure.axes[0].get_legend().texts]
        ['GECO', 'limit']

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 4.
    """
    curves = {name: _curve(points) for name, points in results.items()}
    if not any(len(curve) for curve in curves.values()):
        raise ValueError(f"`results` must hold at least one model. Received: {dict(results)}.")
    axes = new_axes(4.5, 3.5) if axes is None else axes
    for index, (name, curve) in enumerate(curves.items()):
        axes.plot(*curve.T, marker=_MARKERS[index % len(_MARKERS)], ms=5, lw=1, label=name)
    axes.set(xlabel="KL (nats)", ylabel="NLL (nats per pixel)")
    kl = np.concatenate([curve[:, 0] for curve in curves.values()])
    if kl.min() > 0 and kl.max() > 30 * kl.min():
        axes.set_xscale("log")
    if limit is not None:
        draw_limit(*limit, axes=axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure_of(axes)


def draw_limit(kl: Any, bound: Any, *, axes: Any = None) -> Any:
    """Draws the rate-distortion limit, and shades what is out of every model's reach.

    Args:
        kl: KL of the limit in nats, `[K]`: `tf_geco.theory.rate_distortion(data, ...).kl`. The
            limit bounds models that are measured on those very data.
        bound: The least error at each KL, `[K]`: the curve's `reconstruction_error`, or its NLL by
            `tf_geco.evaluation.least_nll`.
        axes: A matplotlib axes to draw in, with the KL along x and the same error along y; by
            default of a new figure.

    Returns:
        The matplotlib figure.

    Example:
        >>> import numpy as np
        >>> from tf_geco import plotting, theory
        >>> curve = theory.rate_distortion(np.eye(4), [0.01, 0.1, 1.0])
        >>> figure = plotting.draw_limit(curve.kl, curve.reconstruction_error)
        >>> figure.axes[0].get_xlabel()
        'KL (nats)'
    """
    if axes is None:
        axes = new_axes(4.5, 3.5)
        axes.set(xlabel="KL (nats)", ylabel="reconstruction error")
    order = np.argsort(kl)
    kl, bound = np.asarray(kl)[order], np.asarray(bound)[order]
    axes.plot(kl, bound, color="black", lw=1.5, label="limit")
    bottom = min(axes.get_ylim()[0], 0.0)
    axes.fill_between(kl, bottom, bound, color="0.9", lw=0, zorder=0)
    axes.set_ylim(bottom=bottom)
    return figure_of(axes)


def _curve(points: Sequence[Any]) -> np.ndarray:
    """Returns pairs of KL and NLL, `[n, 2]`, by rising KL."""
    pairs = [(p.kl, p.nll) if hasattr(p, "kl") else tuple(p) for p in points]
    return np.array(sorted(pairs), dtype=float).reshape(-1, 2)
