"""A look at the first examples: are the images in [0, 1]?"""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def first_examples(data: Any) -> Any:
    """Returns the first examples of what `fit` was given, `None` if looking costs too much."""
    if isinstance(data, tf.data.Dataset):
        batch = next(iter(data.take(1)), None)
        return batch[0] if isinstance(batch, tuple) else batch
    if all(isinstance(part, np.ndarray | tf.Tensor) for part in keras.tree.flatten(data)):
        return keras.tree.map_structure(lambda part: part[:256], data)
    return None


def warn_outside_unit_range(images: Any) -> bool:
    """Warns if images `[B, H, W, C]` leave [0, 1], and returns whether it did."""
    if not hasattr(images, "shape") or len(images.shape) != 4:
        return False
    values = np.asarray(images)
    values = values[np.isfinite(values)]
    if not len(values) or (values.min() >= 0 and values.max() <= 1):
        return False
    warnings.warn(
        "The images are not in [0, 1], the range of the preset decoders, and a tolerance is in "
        "their unit. If they are bytes, divide them by 255. "
        f"Received: values from {values.min():g} to {values.max():g}.",
        stacklevel=3,
    )
    return True
