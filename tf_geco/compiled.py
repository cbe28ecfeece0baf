"""Functions of a model that are compiled once, as Keras does with `predict`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

MOST = 64  # functions that a model keeps


class Compiled:
    """The compiled functions of a model, until the model changes.

    A trace knows nothing of later changes in Python. All are dropped when the model has other
    layers, one of them another precision, trainability or setting, or the model another optimizer.
    Values of weights and states are read in each call. Nothing of this is saved.
    """

    def __init__(self) -> None:
        self.functions: dict[tuple, Callable] = {}
        self.facts: list[tuple] = []
        self.settings: dict[str, dict] = {}

    def of(self, model: keras.Model) -> dict[tuple, Callable]:
        """Returns the functions that are right for the model as it is."""
        facts = facts_of(model)
        if facts != self.facts or len(self.functions) >= MOST:
            self.facts, self.functions = facts, {}
        return self.functions

    def stale(self, kind: str, model: keras.Model) -> bool:
        """Returns whether a setting of a layer is another than when this was asked last.

        Keras's own functions, such as that of `fit`, are traced anew only after `compile`: until
        then a tolerance that was changed would be judged by, and not trained for.

        Args:
            kind: Whose traces these are.
            model: The model.
        """
        before = self.settings.get(kind, {})
        self.settings[kind] = now = {layer: settings_of(layer) for layer in layers_of(model)}
        return any(before.get(layer, settings) != settings for layer, settings in now.items())


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
    compiled_functions = getattr(model, "compiled_functions", None)
    kept = compiled_functions.of(model) if isinstance(compiled_functions, Compiled) else {}
    key = (function, *fixed)
    if key not in kept:
        make = functools.partial(function, model, *fixed)
        kept[key] = tf.function(make, reduce_retracing=reduce_retracing)
    return kept[key]


def facts_of(model: keras.Model) -> list[tuple]:
    """Returns what traces of a model take for granted."""
    facts = [
        (layer, layer.trainable, layer.dtype_policy.name, len(layer.weights), settings_of(layer))
        for layer in layers_of(model)
    ]
    return [(getattr(model, "optimizer", None),), *facts]


def layers_of(model: Any) -> list[keras.Layer]:
    """Returns the layers of a model, those of the models among them, and its constraints."""
    objective = getattr(model, "objective", None)
    below = [*getattr(model, "layers", []), *getattr(objective, "constraints", [])]
    return below + [layer for part in below for layer in layers_of(part)]


def settings_of(layer: keras.Layer) -> dict[str, Any]:
    """Returns the arguments of a layer's construction that it keeps, but for what may be mutable.

    Those are numbers, texts, tuples of them, functions, and objects such as schedules.
    """
    kept = vars(layer)
    kind: Any = type(layer)
    found = {name: kept.get(name, kept.get(f"_{name}")) for name in _arguments(kind)}
    return {name: value for name, value in found.items() if _is_fixed(value)}


@functools.cache
def _arguments(kind: Any) -> list[str]:
    """Returns the names of a class's arguments, and of those above it."""
    own = [vars(part)["__init__"] for part in kind.__mro__[:-1] if "__init__" in vars(part)]
    return sorted({name for init in own for name in inspect.signature(init).parameters})


def _is_fixed(value: Any) -> bool:
    mutable = (keras.Layer, keras.Variable, list, dict, set)
    return not isinstance(value, mutable) and not getattr(value, "shape", ())
