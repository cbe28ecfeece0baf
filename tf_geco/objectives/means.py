"""What constraints make of the means of what they measure: pure functions of tensors `[L]`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.constraints import Constraint


def violations(of: Sequence[Constraint], means: tf.Tensor, step: Any) -> tf.Tensor:
    """Returns C of each of L constraints, `[L]`, of the means `[L]` of what is measured."""
    pairs = zip(of, tf.unstack(means, num=len(of)), strict=True)
    return tf.stack([constraint.violation(mean, step) for constraint, mean in pairs])


def errors(of: Sequence[Constraint], means: tf.Tensor, step: Any) -> tf.Tensor:
    """Returns the error of each of L constraints, `[L]`, of the means of what is measured."""
    pairs = zip(of, tf.unstack(means, num=len(of)), strict=True)
    return tf.stack([constraint.error(mean, step) for constraint, mean in pairs])


def signs(of: Sequence[Constraint]) -> np.ndarray:
    """Returns by how much C grows with the mean, `[L]`: 1 of form "<=", -1 of form ">="."""
    return np.array([1.0 if constraint.form == "<=" else -1.0 for constraint in of], "float32")
