"""Where a multiplier starts."""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_geco.constraints import Constraint
from tf_geco.constraints.constraint import Sized

OVERCOMPLETE = 0.05


def first_multiplier(constraint: Constraint, outputs_shape: Any) -> float:
    """Returns the lambda that weighs a violation of 100 % as half a nat for each latent.

        lambda_0 = d / (2 nats)        for a reconstruction error d / D

    With more latents than values, most of which stay idle, it is 0.05; without latents, or where
    they are worth more than the constraint, 1.

    Args:
        constraint: A constraint that was built.
        outputs_shape: Shapes of the model's outputs, whose `"latents"` are counted.
    """
    latents = number_of_latents(outputs_shape)
    if latents is None:
        return 1.0
    with tf.init_scope():
        ratio = latents / (2 * float(constraint.nats()))
    if ratio < 1.0:
        return ratio
    return OVERCOMPLETE if isinstance(constraint, Sized) else 1.0


def number_of_latents(outputs_shape: Any) -> int | None:
    """Returns the number of latents, from the shapes of the outputs; `None` without any."""
    latents = outputs_shape.get("latents") if isinstance(outputs_shape, dict) else None
    if latents is None:
        return None
    shapes: list[tuple] = []
    keras.tree.map_shape_structure(lambda shape: shapes.append(tuple(shape)), latents)
    return sum(math.prod(shape[1:]) for shape in shapes)
