"""What a constraint reads: entries of the outputs, masks of missing values, images in one dtype."""

import difflib
import math
from typing import Any

import keras
import tensorflow as tf


def entry(outputs: Any, key: str, name: str) -> Any:
    """Returns `outputs[key]`, or says which constraint misses it."""
    if not isinstance(outputs, dict) or key not in outputs:
        keys = sorted(outputs) if isinstance(outputs, dict) else type(outputs).__name__
        raise ValueError(f"Constraint '{name}' needs `outputs['{key}']`. Received: outputs={keys}.")
    return outputs[key]


def mask_of(y: Any, x: Any) -> tf.Tensor | None:
    """Returns the boolean mask of observed values that the data set yields, or `None`.

    Args:
        y: Whatever the data set yields beside x; a mask is its entry `"mask"`.
        x: Data `[B, ...]`; the mask has the same shape, or 1 along some axes.

    Raises:
        ValueError: If the shapes do not fit, a key of `y` is almost one that is read, or what is no
            dictionary looks like a mask, or holds one.
    """
    if not isinstance(y, dict):
        for part in tf.nest.flatten(y):
            refuse_bare_mask(part, x)
        return None
    refuse_misspelt(y, "mask")
    if "mask" not in y:
        return None
    mask = tf.cast(y["mask"], tf.bool)
    pairs = list(zip(mask.shape, x.shape, strict=False))
    fits = mask.shape.rank == x.shape.rank and all(
        None in (a, b) or a == b or (a == 1 and axis > 0) for axis, (a, b) in enumerate(pairs)
    )
    if not fits:
        raise ValueError(
            "`y['mask']` must have the shape of the data, or 1 along axes of it. Received: a mask "
            f"of shape {tuple(mask.shape)} for data of shape {tuple(x.shape)}."
        )
    return mask


def refuse_bare_mask(y: Any, x: Any) -> None:
    """Raises an error if `y` is a boolean tensor of the rank of `x`."""
    if tf.is_tensor(y) and y.dtype == tf.bool and y.shape.rank == x.shape.rank > 1:
        raise ValueError(
            "A mask of observed values goes into a dictionary, `y={'mask': mask}`. "
            f"Received: y, a boolean tensor of shape {tuple(y.shape)}."
        )


def refuse_misspelt(y: dict, entry: str) -> None:
    """Raises an error if a key of `y` is almost the entry that is looked for."""
    near = [key for key in y if _is_almost(str(key).lower(), entry)]
    if near and entry not in y:
        raise ValueError(
            f"The {entry} is read from `y[{entry!r}]`; is it `y[{near[0]!r}]`? "
            f"Received: y with the keys {sorted(map(str, y))}."
        )


def _is_almost(key: str, entry: str) -> bool:
    """Returns whether a key has the letters of an entry in another order, or almost its letters."""
    close = difflib.SequenceMatcher(None, key, entry).ratio() >= 0.8
    return close or sorted(key) == sorted(entry)


def check_same_shape(x_shape: Any, outputs_shape: Any, name: str) -> None:
    """Raises an error if the reconstruction does not have the shape of the data.

    Raises:
        ValueError: If so, or if there is no reconstruction.
    """
    shape = entry(outputs_shape, "reconstruction", name)
    if tuple(shape[1:]) != tuple(x_shape[1:]):
        raise ValueError(
            f"Constraint '{name}' compares the data with the reconstruction, so they must have the "
            f"same shape. Received: data of shape {tuple(x_shape)}, reconstruction of shape "
            f"{tuple(shape)}."
        )


def observed(x: tf.Tensor, reconstruction: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns `x` with the reconstruction in place of missing values, which then agree."""
    return x if mask is None else tf.where(mask, x, tf.stop_gradient(reconstruction))


def image_and_reconstruction(
    x: Any, outputs: Any, mask: tf.Tensor | None, name: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the data, missing values filled in, and its reconstruction, in one dtype and shape.

    Raises:
        ValueError: If their shapes differ. Shapes that are not known yet are checked at run time.
    """
    reconstruction = entry(outputs, "reconstruction", name)
    x = tf.cast(x, reconstruction.dtype)
    if not x.shape.is_compatible_with(reconstruction.shape):
        check_same_shape(x.shape, {"reconstruction": reconstruction.shape}, name)
    x = tf.ensure_shape(x, reconstruction.shape)
    return observed(x, reconstruction, mask), reconstruction


def any_observed(mask: tf.Tensor) -> tf.Tensor:
    """Returns which examples have an observed value, boolean `[B]`."""
    return tf.reduce_any(mask, range(1, mask.shape.rank))


def only(values: tf.Tensor, mask: tf.Tensor | None, axes: Any) -> Any:
    """Returns the mean over `axes` of the values observed, and whether there were any, `[B]` each.

    Without a mask all values are observed, and only their mean is returned.
    """
    if mask is None:
        return tf.reduce_mean(values, axes)
    seen = tf.broadcast_to(tf.cast(mask, values.dtype), tf.shape(values))
    number = tf.reduce_sum(seen, axes)
    mean = tf.math.divide_no_nan(tf.reduce_sum(values * seen, axes), number)
    return mean, tf.cast(number > 0, values.dtype)


def number_of_latents(outputs_shape: Any) -> int | None:
    """Returns the number of latents, from the shapes of outputs; `None` without any."""
    latents = outputs_shape.get("latents") if isinstance(outputs_shape, dict) else None
    if latents is None:
        return None
    shapes: list[tuple] = []
    keras.tree.map_shape_structure(lambda shape: shapes.append(tuple(shape)), latents)
    return sum(math.prod(shape[1:]) for shape in shapes)
