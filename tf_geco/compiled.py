"""Functions of a model that are compiled once, as Keras does with `predict`."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

MOST = 64  # functions that a model keeps


class Compiled:
    """The compiled functions of a model, until the model changes.

    A trace knows nothing of later changes in Python. All are dropped when the model has other
    layers, one of them another precision or trainability, or the model another optimizer. Values
    of weights and states, such as a tolerance, are read in each call. Nothing of this is saved.
    """

    def __init__(self) -> None:
        self.functions: dict[tuple, Callable] = {}
        self.facts: list[tuple] = []

    def of(self, model: keras.Model) -> dict[tuple, Callable]:
        """Returns the functions that are right for the model as it is."""
        facts = facts_of(model)
        if facts != self.facts or len(self.functions) >= MOST:
            self.facts, self.functions = facts, {}
        return self.functions


def compiled(
    model: Any, function: Callable, *fixed: Any, reduce_retracing: bool = False
) -> Callable:
    """Returns `function(model, *fixed, *tensors)` as a compiled function of the tensors.

    The model keeps it, so that all calls together trace it once for each shape. That is right only
    if it depends on nothing but its arguments: a function of a module, and no closure.

    Args:
        model: An `ObjectiveModel`; one of another kind keeps nothing.
        function: A function of a module or of a class.
        *fixed: What is hashable and few: each one has traces of its own.
        reduce_retracing: Whether all numbers of examples but the first share a trace.
    """
    make = functools.partial(function, model, *fixed)
    new = tf.function(make, reduce_retracing=reduce_retracing)
    kept = getattr(model, "compiled_functions", None)
    if not isinstance(kept, Compiled):
        return new
    return kept.of(model).setdefault((function, *fixed), new)


def facts_of(model: keras.Model) -> list[tuple]:
    """Returns what traces of a model take for granted."""
    facts = [
        (layer, layer.trainable, layer.dtype_policy.name, len(layer.weights))
        for layer in layers_of(model)
    ]
    return [(getattr(model, "optimizer", None),), *facts]


def layers_of(model: Any) -> list[keras.Layer]:
    """Returns the layers of a model, and those of the models among them."""
    layers = list(getattr(model, "layers", []))
    return layers + [below for layer in layers for below in layers_of(layer)]
