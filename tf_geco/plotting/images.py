"""Rows of images: data, reconstructions, samples (Figure 6), and paths between them."""

from typing import Any

import numpy as np

from tf_geco.plotting._matplotlib import figure_of, new_axes


def samples_grid(rows: dict[str, Any], *, axes: Any = None) -> Any:
    """Draws rows of images, each with its name, as in Figure 6.

    Args:
        rows: Name of the row -> images `[n, H, W]`, `[n, H, W, 1]` or `[n, H, W, 3]` in [0, 1]. All
            rows hold images of one size, and `n` is that of the shortest.
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If there are no rows, or a row holds no images.

    Example:
        >>> from tf_geco import plotting
        >>> data, samples = np.zeros([5, 28, 28, 1]), np.ones([5, 28, 28, 1])
        >>> figure = plotting.samples_grid({"data": data, "samples": samples})
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['data', 'samples']

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 6.
    """
    if not rows:
        raise ValueError("`rows` must name at least one row of images. Received: rows={}.")
    return _draw_rows(list(rows), list(rows.values()), axes)


def latent_paths(paths: Any, *, names: Any = None, values: Any = None, axes: Any = None) -> Any:
    """Draws what lies on paths through a latent space, a row for each.

    Args:
        paths: Images `[R, S, H, W]`, `[R, S, H, W, 1]` or `[R, S, H, W, 3]` in [0, 1], as
            `model.interpolate` and `model.traverse` return them.
        names: R names of the rows, such as the latent that moves; by default none.
        values: S numbers to write below the columns, such as what that latent is set to.
        axes: A matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If the paths are no images, or the names or values are not as many.

    Example:
        >>> from tf_geco import plotting
        >>> figure = plotting.latent_paths(np.zeros([2, 3, 28, 28, 1]), values=[-2, 0, 2])
        >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
        ['-2', '0', '2']
    """
    paths = np.asarray(paths)
    names = [""] * len(paths) if names is None else list(names)
    if paths.ndim not in (4, 5) or len(names) != len(paths):
        raise ValueError(
            "`paths` must hold rows of images, [R, S, H, W, C], with a name for each row. "
            f"Received: an array of shape {paths.shape}, {len(names)} names."
        )
    if values is not None and len(values) != paths.shape[1]:
        raise ValueError(
            f"`values` must be one for each of the {paths.shape[1]} columns. "
            f"Received: {len(values)} values."
        )
    figure = _draw_rows(names, list(paths), axes)
    if values is not None:
        places = (np.arange(len(values)) + 0.5) * paths.shape[3]
        drawn = figure.axes[0] if axes is None else axes
        drawn.set_xticks(places, [f"{value:.3g}" for value in values], fontsize="small")
    return figure


def _draw_rows(names: list[str], rows: list, axes: Any) -> Any:
    """Draws rows of images, each beside its name, and returns the figure."""
    images = [as_colour(name, row) for name, row in zip(names, rows, strict=True)]
    columns = min(len(row) for row in images)
    canvas = np.concatenate([np.concatenate(list(row[:columns]), axis=1) for row in images])
    height = images[0].shape[1]
    side, label = max(0.55, height / 100), max(1.2, 0.3 + 0.09 * max(map(len, names)))  # inches
    axes = new_axes(side * columns + label, side * len(images)) if axes is None else axes
    axes.imshow(canvas, vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([(i + 0.5) * height for i in range(len(images))], names)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure_of(axes)


def as_colour(name: str, row: Any) -> np.ndarray:
    """Returns images as `[n, H, W, 3]`.

    Args:
        name: The name of the row, for the error.
        row: Images `[n, H, W]`, `[n, H, W, 1]` or `[n, H, W, 3]`.

    Raises:
        ValueError: If the row is none of these, or empty.
    """
    row = np.asarray(row, dtype=float)
    row = row[..., np.newaxis] if row.ndim == 3 else row
    if row.ndim != 4 or not len(row) or row.shape[-1] not in (1, 3):
        raise ValueError(
            f"Row '{name}' must hold images [n, H, W], [n, H, W, 1] or [n, H, W, 3]. "
            f"Received: an array of shape {row.shape}."
        )
    return np.broadcast_to(np.clip(row, 0, 1), (*row.shape[:-1], 3))
