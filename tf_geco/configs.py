"""Configs: the arguments of an object, as Keras saves them."""

from typing import Any

import keras


def rebuilt(cls: type, config: dict[str, Any], custom_objects: Any = None) -> Any:
    """Returns an object of a class from its config; the objects described in it are made first."""
    return cls(**{name: deserialized(value, custom_objects) for name, value in config.items()})


def deserialized(value: Any, custom_objects: Any = None) -> Any:
    """Returns the object that a config describes, or the plain value that it holds."""
    if isinstance(value, list):
        return [deserialized(part, custom_objects) for part in value]
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    return value
