"""Types of numbers."""

import tensorflow as tf


def as_float32(tensor: tf.Tensor) -> tf.Tensor:
    """Returns a tensor of less than 32 bits as float32, any other as it is."""
    return tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor
