"""The information plane: reconstruction against compression (Figure 4)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_geco.plotting._matplotlib import pyplot

_MARKERS = "osD^vP"


def information_plane(
    results: Mapping[str, Sequence[Any]],
    *,
    limit: Any = None,
    bin_width: float = 1 / 255,
    axes: Any = None,
) -> Any:
    """Draws models in the information plane, as in Figure 4, and the limit that none can beat.

    Down is better reconstruction, left is more compression. The models of one name are tied by a
    line, in the order of their KL.

    Args:
        results: Name -> models, each with attributes `kl` (nats) and `nll` (nats per pixel), as
            `tf_geco.evaluation.information_plane` returns them; or each a pair (kl, nll).
        limit: `tf_geco.theory.rate_distortion(data, ...)`, drawn by `draw_limit`. It bounds models
            measured on those very data, in the same units.
        bin_width: That of the models' NLL; only the limit needs it.
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If there are no results.

    Example:
    ```python
    points = [tf_geco.evaluation.information_plane(model, x) for model in models]
    limit = tf_geco.theory.rate_distortion(x.reshape(len(x), -1), betas)
    tf_geco.plotting.information_plane({"GECO": points}, limit=limit)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 4.
    """
    curves = {name: _curve(points) for name, points in results.items()}
    if not any(len(curve) for curve in curves.values()):
        raise ValueError(f"`results` must hold at least one model. Received: {dict(results)}.")
    if axes is None:
        axes = pyplot().figure(figsize=(4.5, 3.5), layout="constrained").subplots()
    for index, (name, curve) in enumerate(curves.items()):
        axes.plot(*curve.T, marker=_MARKERS[index % len(_MARKERS)], ms=5, lw=1, label=name)
    axes.set(xlabel="KL (nats)", ylabel="NLL (nats per pixel)")
    kl = np.concatenate([curve[:, 0] for curve in curves.values()])
    if kl.min() > 0 and kl.max() > 30 * kl.min():
        axes.set_xscale("log")
    if limit is not None:
        draw_limit(axes, limit, bin_width=bin_width)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return axes.figure


def draw_limit(axes: Any, curve: Any, *, bin_width: float | None = None) -> None:
    """Draws the rate-distortion limit, and shades what is out of every model's reach.

    The limit is a curve of (KL, RE). A model of reconstruction error RE has, at sigma_opt =
    sqrt(RE), an NLL of at least that of an error of sigma_opt in every pixel,

        NLL >= -log[Phi(1 + b / (2 sigma_opt)) - Phi(1 - b / (2 sigma_opt))],    b = bin_width,

    because the quantized NLL is convex in the squared error.

    Args:
        axes: A matplotlib axes with the KL in nats along x.
        curve: `tf_geco.theory.rate_distortion(...)`, or anything with its `kl` and
            `reconstruction_error`, `[K]`.
        bin_width: b, where the other axis is the NLL in nats per pixel; by default it is RE.

    Raises:
        ValueError: If `bin_width` is not positive.

    Example:
    ```python
    axes.plot(kl, error, "o")
    tf_geco.plotting.draw_limit(axes, tf_geco.theory.rate_distortion(x, betas))
    ```
    """
    if bin_width is not None and not bin_width > 0:
        raise ValueError(f"`bin_width` must be positive. Received: bin_width={bin_width}.")
    order = np.argsort(curve.kl)
    kl, bound = np.asarray(curve.kl)[order], np.asarray(curve.reconstruction_error)[order]
    if bin_width is not None:
        bound = np.array([_least_nll(math.sqrt(error), bin_width) for error in bound])
    axes.plot(kl, bound, color="black", lw=1.5, label="limit")
    bottom = min(axes.get_ylim()[0], 0.0)
    axes.fill_between(kl, bottom, bound, color="0.9", lw=0, zorder=0)
    axes.set_ylim(bottom=bottom)


def _least_nll(sigma: float, bin_width: float) -> float:
    """Returns the NLL, in nats, of an error of one standard deviation; 0 for no error at all."""
    half = bin_width / (2 * sigma) if sigma > 0 else math.inf
    root = math.sqrt(2)
    return -math.log((math.erf((1 + half) / root) - math.erf((1 - half) / root)) / 2)


def _curve(points: Sequence[Any]) -> np.ndarray:
    """Returns pairs of KL and NLL, `[n, 2]`, by rising KL."""
    pairs = [(p.kl, p.nll) if hasattr(p, "kl") else tuple(p) for p in points]
    return np.array(sorted(pairs), dtype=float).reshape(-1, 2)
