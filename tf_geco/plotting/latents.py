"""Latents of examples, and samples of posteriors in a two-dimensional space (Figure 8)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tf_geco.plotting._matplotlib import figure_of, new_axes, pyplot


def latent_scatter(
    samples: Any, *, limit: float = 3.5, title: str | None = None, axes: Any = None
) -> Any:
    """Draws samples of each posterior in a colour of its own, as in Figure 8.

    The circles hold 50, 90 and 99 % of a standard normal prior. A model that covers its latent
    space fills them with tiles, and leaves no holes.

    Args:
        samples: S samples of each of n posteriors, `[S, n, 2]`, as
            `model.posterior(x).sample(S)` returns them.
        limit: The axes show latents from -limit to limit; by default nearly all of the prior.
        title: Title of the panel.
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If the samples are not `[S, n, 2]`.

    Example:
        >>> from tf_geco import plotting
        >>> samples = np.random.default_rng(0).normal(size=(100, 7, 2))
        >>> plotting.latent_scatter(samples, title="seven digits").axes[0].get_title()
        'seven digits'

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 8.
    """
    samples = np.asarray(samples)
    if samples.ndim != 3 or samples.shape[-1] != 2:
        raise ValueError(
            "`samples` must be [S, n, 2]: samples of posteriors over two latents. "
            f"Received: an array of shape {samples.shape}."
        )
    axes = new_axes(3.2, 3.3) if axes is None else axes
    colours = pyplot().colormaps["tab10" if samples.shape[1] <= 10 else "hsv"]
    shares = np.arange(samples.shape[1]) / (10 if samples.shape[1] <= 10 else samples.shape[1])
    for index, share in enumerate(shares):
        colour = [colours(share + 1e-6)]
        axes.scatter(*samples[:, index].T, s=5, c=colour, alpha=0.7, linewidths=0)
    for mass in (0.5, 0.9, 0.99):
        radius = np.sqrt(-2 * np.log(1 - mass))
        axes.add_patch(pyplot().Circle((0, 0), radius, fill=False, color="0.75", lw=0.8))
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    axes.set(xlabel="$z_1$", ylabel="$z_2$")
    axes.spines[["top", "right"]].set_visible(False)
    return figure_of(axes)


def latent_map(
    latents: Any,
    labels: Any = None,
    *,
    projection: Callable[[np.ndarray], Any] | None = None,
    title: str | None = None,
    axes: Any = None,
) -> Any:
    """Draws the latents of examples, coloured by their labels.

    Latents of more than two dimensions are drawn by their two principal components, with the share
    of the variance that each has; or by a projection of your own, such as UMAP, which keeps
    neighbours together and no distances.

    Args:
        latents: `[N, d]`, d >= 2, as `model.encode_mean(x)` returns them.
        labels: `[N]`: classes, which get a colour each and a legend, or floats, which get a scale.
        projection: A function, `[N, d]` -> `[N, 2]`.
        title: Title of the panel.
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If the latents are not `[N, d]`, or the labels or the projection not as many.

    Example:
        >>> from tf_geco import plotting
        >>> latents = np.random.default_rng(0).normal(size=(100, 8))
        >>> figure = plotting.latent_map(latents, np.arange(100) % 3)
        >>> [text.get_text() for text in figure.axes[0].get_legend().texts]
        ['0', '1', '2']

        With umap-learn: `plotting.latent_map(latents, labels, projection=UMAP().fit_transform)`.

    Reference:
        McInnes, Healy and Melville, "UMAP", 2018, arXiv:1802.03426.
    """
    latents = np.asarray(latents, dtype=float)
    if latents.ndim != 2 or latents.shape[1] < 2:
        raise ValueError(
            "`latents` must be [N, d], of at least two dimensions. "
            f"Received: an array of shape {latents.shape}."
        )
    places, names = _in_a_plane(latents, projection)
    axes = new_axes(4.2, 3.6) if axes is None else axes
    _scatter(axes, places, None if labels is None else np.asarray(labels))
    axes.set(xlabel=names[0], ylabel=names[1], title=title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure_of(axes)


def _in_a_plane(latents: np.ndarray, projection: Callable | None) -> tuple[np.ndarray, list[str]]:
    """Returns places `[N, 2]` and the names of their axes."""
    if projection is not None:
        places = np.asarray(projection(latents))
        if places.shape != (len(latents), 2):
            raise ValueError(
                f"`projection` must return [{len(latents)}, 2]. "
                f"Received: an array of shape {places.shape}."
            )
        return places, ["first coordinate", "second coordinate"]
    if latents.shape[1] == 2:
        return latents, ["$z_1$", "$z_2$"]
    centred = latents - latents.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    shares = lengths[:2] ** 2 / max(np.sum(lengths**2), np.finfo(float).tiny)
    names = [f"component {i + 1} ({share:.0%} of variance)" for i, share in enumerate(shares)]
    return centred @ directions[:2].T, names


def _scatter(axes: Any, places: np.ndarray, labels: np.ndarray | None) -> None:
    """Draws dots: of one colour, of a scale of colours, or of a colour for each class."""
    style: dict[str, Any] = {"s": 6, "alpha": 0.7, "linewidths": 0}
    if labels is None:
        axes.scatter(*places.T, **style)
        return
    if labels.shape != (len(places),):
        raise ValueError(
            f"`labels` must be [{len(places)}], one for each example. "
            f"Received: an array of shape {labels.shape}."
        )
    if labels.dtype.kind == "f":
        axes.figure.colorbar(axes.scatter(*places.T, c=labels, **style), ax=axes)
        return
    classes = np.unique(labels)
    colours = pyplot().colormaps["tab10" if len(classes) <= 10 else "hsv"]
    for index, label in enumerate(classes):
        colour = [colours(index / max(10, len(classes)) + 1e-6)]
        axes.scatter(*places[labels == label].T, c=colour, label=str(label), **style)
    axes.legend(frameon=False, markerscale=2, bbox_to_anchor=(1, 1), loc="upper left")
