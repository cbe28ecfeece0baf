"""Scalars and reconstructions for TensorBoard."""

import importlib.util
from typing import Any

import keras
import tensorflow as tf


class Board:
    """A TensorBoard log folder.

    Args:
        log_dir: Folder to write to.
        images: A few inputs of the model to reconstruct every epoch: images `[n, H, W, C]`, or what
            a conditional model takes; or `None`.

    Raises:
        ImportError: If TensorBoard is not installed; TensorFlow alone cannot write its files.
    """

    def __init__(self, log_dir: str, images: Any = None) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise ImportError(
                "`log_dir` needs TensorBoard. Install it with `pip install 'tf_geco[tensorboard]'`."
            )
        self.images = images
        self._writer = tf.summary.create_file_writer(log_dir)

    def write(self, logs: dict[str, float], model: keras.Model, step: int) -> None:
        """Writes the logs of an epoch, and the reconstructions at its end."""
        with self._writer.as_default(step=step):
            for name, value in logs.items():
                tf.summary.scalar(name, value)
            if self.images is not None:
                pairs = self._pairs(model)
                tf.summary.image("data_and_reconstruction", pairs, max_outputs=len(pairs))
        self._writer.flush()

    def _pairs(self, model: keras.Model) -> tf.Tensor:
        """Returns images above their reconstructions.

        Raises:
            ValueError: If the model does not take them.
        """
        try:
            images = tf.cast(model.target(self.images), tf.float32)
            return tf.concat([images, model.reconstruct(self.images, seed=0)], axis=1)
        except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
            raise ValueError(
                "`images` must be what the model takes, images [n, H, W, C] with or without a "
                f"context. Received: {type(self.images).__name__}, for which it says: {error}"
            ) from error
