"""The information plane: reconstruction against compression (Figure 4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_geco.plotting._matplotlib import pyplot

_MARKERS = "osD^vP"


def information_plane(results: Mapping[str, Sequence[Any]], *, axes: Any = None) -> Any:
    """Draws models in the information plane, as in Figure 4.

    Down is better reconstruction, left is more compression. The models of one name are tied by a
    line, in the order of their KL.

    Args:
        results: Name -> models, each with attributes `kl` (nats) and `nll` (nats per pixel), as
            `tf_geco.evaluation.information_plane` returns them; or each a pair (kl, nll).
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If there are no results.

    Example:
    ```python
    points = [tf_geco.evaluation.information_plane(model, test) for model in models]
    tf_geco.plotting.information_plane({"GECO": points, "ELBO": [baseline]})
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
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return axes.figure


def _curve(points: Sequence[Any]) -> np.ndarray:
    """Returns pairs of KL and NLL, `[n, 2]`, by rising KL."""
    pairs = [(p.kl, p.nll) if hasattr(p, "kl") else tuple(p) for p in points]
    return np.array(sorted(pairs), dtype=float).reshape(-1, 2)
