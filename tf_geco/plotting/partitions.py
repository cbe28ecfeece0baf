"""Posteriors that tile the latent space, overlap, or leave holes (Figure 1)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tf_geco.plotting._matplotlib import exactly, figure_of, new_axes, pyplot


def blur_and_holes(
    data: npt.ArrayLike, supports: npt.ArrayLike, decoder: npt.ArrayLike, *, axes: Any = None
) -> Any:
    """Draws Figure 1: reconstructions blur where supports overlap, and are anything in holes.

    Args:
        data: `[n, 2]`, the data points.
        supports: `[n, H, W]` booleans, the tiles of each posterior's support.
        decoder: `[H, W, 2]`, the optimal reconstruction of each tile, NaN in holes.
        axes: Two matplotlib axes to draw in, by default of a new figure: for the latent space, with
            holes in black, and for the data space.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If the shapes do not fit together, or there are not two axes.

    Example:
        >>> supports = np.array([[[1, 1, 0]], [[0, 1, 0]]], bool)
        >>> decoder = np.array([[[0.0, 0.0], [0.7, 0.7], [np.nan, np.nan]]])
        >>> figure = blur_and_holes([[0.0, 0.0], [1.0, 1.0]], supports, decoder)
        >>> figure.axes[0].get_title()
        'latent space (black: holes, unconstrained)'

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 1.
    """
    points, omega, psi = np.asarray(data), np.asarray(supports, dtype=bool), np.asarray(decoder)
    if omega.ndim != 3 or points.shape != (len(omega), 2) or psi.shape != (*omega.shape[1:], 2):
        raise ValueError(
            "`data` must be [n, 2], `supports` [n, H, W] and `decoder` [H, W, 2]. "
            f"Received: shapes {points.shape}, {omega.shape} and {psi.shape}."
        )
    latent, space = exactly(2, new_axes(9, 4.4, 1, 2) if axes is None else axes)
    colors = _colors(len(omega))
    _draw_supports(latent, omega, colors)
    _draw_reconstructions(space, points, omega, psi, colors)
    return figure_of(latent)


def _colors(count: int) -> npt.NDArray[np.floating]:
    """Returns `[count, 3]`."""
    return np.asarray(pyplot().get_cmap("tab10")(np.arange(count) % 10))[:, :3]


def _draw_supports(
    axes: Any, omega: npt.NDArray[np.bool_], colors: npt.NDArray[np.floating]
) -> None:
    """Draws the latent space: supports in their colours, overlaps mixed, holes black."""
    count = omega.sum(0)[..., None]
    mixed = np.einsum("nhw,nc->hwc", omega, colors) / np.maximum(count, 1)
    image = np.where(count > 0, 1 - 0.55 * (1 - mixed), 0.0)
    height, width = omega.shape[1:]
    axes.imshow(image, origin="lower", extent=(0, width, 0, height), interpolation="nearest")
    columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
    for i, support in enumerate(omega):
        if min(support.shape) > 1:
            axes.contour(columns, rows, support, [0.5], colors=[tuple(colors[i])], linewidths=1.5)
        alone = support & (count[..., 0] == 1)
        y, x = np.argwhere(alone if alone.any() else support).mean(0) + 0.5
        axes.text(x, y, rf"$\Omega_{{{i + 1}}}$", ha="center", va="center", fontsize="large")
    axes.set(
        title="latent space (black: holes, unconstrained)", xticks=[], yticks=[], aspect="equal"
    )


def _draw_reconstructions(
    axes: Any,
    points: npt.NDArray[np.floating],
    omega: npt.NDArray[np.bool_],
    psi: npt.NDArray[np.floating],
    colors: npt.NDArray[np.floating],
) -> None:
    """Draws the data space: data in the colours of their supports, blurred averages red."""
    blurred = omega.sum(0) > 1
    patterns, first = np.unique(omega[:, blurred].T, axis=0, return_index=True)
    for pattern, place in zip(patterns, first, strict=True):
        x_hat = psi[blurred][place]
        for point in points[pattern]:
            axes.plot(*np.stack([point, x_hat]).T, color="0.72", linewidth=1, zorder=0)
        axes.plot(*x_hat, "o", color="tab:red")
        names = ",".join(str(number) for number in np.flatnonzero(pattern) + 1)
        _label(axes, x_hat, rf"$\hat x_{{{names}}}$", "tab:red")
    for i, point in enumerate(points):
        axes.plot(*point, "s", color=tuple(colors[i]), markersize=9)
        _label(axes, point, f"$x_{{{i + 1}}}$", "black")
    axes.set(
        title=r"data space (red: blurred averages $\hat x$)",
        xticks=[],
        yticks=[],
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.2)


def _label(axes: Any, place: npt.NDArray[np.floating], text: str, color: str) -> None:
    axes.annotate(
        text, tuple(place), (7, 5), textcoords="offset points", color=color, fontsize="large"
    )
