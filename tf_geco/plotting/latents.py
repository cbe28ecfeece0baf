"""Samples of posteriors in a two-dimensional latent space (Figure 8)."""

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
