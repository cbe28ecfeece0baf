"""What constraints make of the means of what they measure: pure functions of tensors `[L]`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.constraints import Constraint


def violations(of: Sequence[Constraint], means: tf.Tensor, step: Any) -> tf.Tensor:
    """Returns C of each of L constraints, `[L]`, of the means `[L]` of what is measured."""
    return _each("violation", of, means, step)


def errors(of: Sequence[Constraint], means: tf.Tensor, step: Any) -> tf.Tensor:
    """Returns the error of each of L constraints, `[L]`, of the means of what is measured."""
    return _each("error", of, means, step)


def signs(of: Sequence[Constraint]) -> np.ndarray:
    """Returns by how much C grows with the mean, `[L]`: 1 of form "<=", -1 of form ">="."""
    return np.array([constraint._sign for constraint in of], "float32")


def tolerances(of: Sequence[Constraint], step: Any) -> np.ndarray:
    """Returns kappa at a step, of those of the constraints that ask for something."""
    asked = [part for part in of if part.tolerance is not None]
    return np.array([np.float32(part.tolerance_at(step)) for part in asked], "float32")


def _each(method: str, of: Sequence[Constraint], means: tf.Tensor, step: Any) -> tf.Tensor:
    pairs = zip(of, tf.unstack(means, num=len(of)), strict=True)
    return tf.stack([getattr(constraint, method)(mean, step) for constraint, mean in pairs])
