"""Which tolerance should I ask for? The picture of what each error means."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_geco.plotting._matplotlib import count_orders, exactly, figure_of, new_axes, pyplot
from tf_geco.plotting.images import as_colour


def tolerance_guide(guide: Any, *, axes: Any = None) -> Any:
    """Draws what each reconstruction error means on a data set.

    The first panel has the error of linear codes, with the tolerances as lines. For images, two
    more show three examples: by these codes, and blurred to each tolerance.

    Args:
        guide: `tf_geco.tolerance_guide(data)`, or anything with its attributes.
        axes: Matplotlib axes to draw in, three for images and otherwise one; by default of a new
            figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If there are not so many axes.

    Example:
        >>> import tf_geco
        >>> numbers = np.random.default_rng(0).normal(size=(40, 6))
        >>> figure = tf_geco.plotting.tolerance_guide(tf_geco.tolerance_guide(numbers))
        >>> figure.axes[0].get_ylabel()
        'RMS error'
    """
    if guide.examples.ndim != 4 or guide.examples.shape[-1] not in (1, 3):
        (errors,) = exactly(1, new_axes(4.5, 3.5) if axes is None else axes)
        _draw_errors(errors, guide)
        return figure_of(errors)
    errors, upper, lower = exactly(3, _new_axes() if axes is None else axes)
    _draw_errors(errors, guide)
    names = ["mean", *map(str, guide.components[1:])]
    labels = [f"{name}\n{error:.3f}" for name, error in zip(names, guide.errors, strict=True)]
    codes = dict(zip(labels, guide.projections, strict=True))
    blurs = dict(zip((f"{t:g}" for t in guide.tolerances), guide.blurred, strict=True))
    columns = 1 + max(len(codes), len(blurs))
    _draw_strip(upper, codes | {"data\n0": guide.examples}, columns)
    upper.set_title("PCA: number of components, RMS error", fontsize="medium")
    _draw_strip(lower, blurs | {"data": guide.examples}, columns)
    lower.set_title("blurred to an RMS error", fontsize="medium")
    return figure_of(errors)


def nll_guide(guide: Any, *, axes: Any = None) -> Any:
    """Draws what clusters reach of a negative log-likelihood, over what it costs to name one.

    Args:
        guide: `tf_geco.evaluation.nll_guide(data, likelihood)`, or anything with its attributes.
        axes: Matplotlib axes to draw in; by default of a new figure.

    Returns:
        The matplotlib figure.

    Example:
        >>> import tf_geco
        >>> counts = np.random.default_rng(0).poisson(3.0, (80, 6))
        >>> guide = tf_geco.evaluation.nll_guide(counts, "poisson")
        >>> figure = tf_geco.plotting.nll_guide(guide)
        >>> figure.axes[0].get_ylabel()
        'NLL in nats'
    """
    axes = new_axes(4.5, 3.5) if axes is None else axes
    axes.plot(guide.kl, guide.nll, "o-", ms=5, lw=1)
    for number, kl, nll in zip(guide.clusters, guide.kl, guide.nll, strict=True):
        text = "one for all" if number == 1 else f"{number}"
        axes.annotate(text, (kl, nll), (5, 4), textcoords="offset points", fontsize="small")
    if guide.least is not None:
        axes.set_title(f"no decoder reaches less than {guide.least:.4g}", fontsize="medium")
    axes.set(xlabel="KL in nats, of naming one of K clusters", ylabel="NLL in nats")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    return figure_of(axes)


def _new_axes() -> list[Any]:
    """Returns axes of a new figure: one on the left, two on the right."""
    figure = pyplot().figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.2])
    return [left.subplots(), *right.subplots(2, 1)]


def _draw_errors(axes: Any, guide: Any) -> None:
    """Draws the error by number of components, the tolerances, and the error of rounding."""
    places = np.arange(len(guide.components))
    axes.plot(places, guide.errors, "o-", ms=5, lw=1, label="PCA")
    axes.set_xticks(places, ["mean", *map(str, guide.components[1:])])
    text = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    for tolerance in guide.tolerances:
        label = "tolerances" if tolerance == guide.tolerances[0] else None
        axes.axhline(tolerance, color="crimson", lw=0.8, label=label)
        style = {"color": "crimson", "va": "center", "fontsize": "small"}
        axes.annotate(f"{tolerance:g}", (1, tolerance), (3, 0), **text, **style)
    if guide.rounding is not None:
        axes.axhline(guide.rounding, color="0.5", lw=0.8, ls="--")
        axes.annotate("rounding of 8-bit images", (0, guide.rounding), (3, 3), **text, color="0.4")
    axes.set(xlabel="components of PCA", ylabel="RMS error")
    if guide.errors[-1] > 0:
        axes.set_yscale("log")
        count_orders(axes.yaxis)
    axes.legend(frameon=False, loc="best")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_strip(axes: Any, strip: Mapping[str, np.ndarray], columns: int) -> None:
    """Draws columns of images `[n, H, W, C]`, to the right, each above its label."""
    images = [np.concatenate(list(as_colour(name, column))) for name, column in strip.items()]
    height, width, _ = images[0].shape
    blank = columns - len(images)
    axes.imshow(np.concatenate([np.ones((height, blank * width, 3)), *images], axis=1))
    axes.set_xticks([(blank + i + 0.5) * width - 0.5 for i in range(len(images))], list(strip))
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
