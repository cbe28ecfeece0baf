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
                images = tf.cast(model.target(self.images), tf.float32)
                pairs = tf.concat([images, model.reconstruct(self.images, seed=0)], axis=1)
                tf.summary.image("data_and_reconstruction", pairs, max_outputs=len(images))
        self._writer.flush()
