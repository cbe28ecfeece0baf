"""Which versions there are of what tf_geco stands on: the first thing a bug report needs."""

import importlib.metadata
import platform

import keras
import tensorflow as tf

STACK = ("tf_geco", "tensorflow", "keras", "tensorflow-probability", "tf_keras", "numpy")


def installed(package: str) -> str:
    """Returns the version of an installed package, or `"not installed"`."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def versions() -> dict[str, str]:
    """Returns the versions of tf_geco, its stack and Python, by name."""
    return {**{name: installed(name) for name in STACK}, "python": platform.python_version()}


def show_versions() -> None:
    """Prints the versions of tf_geco and its stack, the devices and the precision: for bug reports.

    Example:
    ```python
    tf_geco.show_versions()
    ```
    """
    devices = [device.name for device in tf.config.list_physical_devices()]
    about = {"system": platform.platform(), "devices": ", ".join(devices)}
    about["precision"] = keras.config.dtype_policy().name
    for name, value in {**versions(), **about}.items():
        print(f"{name + ':':24}{value}")
