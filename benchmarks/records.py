"""What a benchmark keeps: finished runs, with the versions that they ran on."""

import json
import platform

import keras
import tensorflow as tf
import tensorflow_probability as tfp


def versions():
    """Returns the versions of what a benchmark runs on."""
    packages = {"tensorflow": tf, "keras": keras, "tensorflow_probability": tfp}
    found = {name: package.__version__ for name, package in packages.items()}
    return {"python": platform.python_version(), **found}


def load(path, **settings):
    """Returns the record of earlier runs, if they had the same settings."""
    record = json.loads(path.read_text()) if path.exists() else {}
    if record.get("settings") != settings:
        record = {"settings": settings, "runs": {}}
    return {**record, "versions": versions()}
