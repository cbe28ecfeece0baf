"""The states of all noise of a model: what Keras neither saves nor keeps apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


def seed_states(model: keras.Model) -> list:
    """Returns the states of the seed generators of a model and its layers, such as Dropout's."""
    known = {id(weight) for weight in model.weights}
    states = [v for v in model.variables if id(v) not in known and "int" in v.dtype]
    return list({id(state): state for state in states}.values())


@contextmanager
def noise_kept(model: Any, *, but: Any = None) -> Iterator[None]:
    """Leaves the states of all noise after a block as they were before it.

    Args:
        model: A Keras model; one of another kind has no states.
        but: A seed generator that may move on.
    """
    states = seed_states(model) if isinstance(model, keras.Model) else []
    before = [(state, state.numpy()) for state in states if state is not getattr(but, "state", 0)]
    try:
        yield
    finally:
        for state, value in before:
            state.assign(value)


@contextmanager
def seeded(model: Any, seed: int) -> Iterator[None]:
    """Sets the noise that a model draws outside of training, within a block.

    After it, the state of all noise of the model and its layers is as it was before.
    """
    generator = getattr(model, "inference_seed_generator", None)
    generator = generator or getattr(model, "seed_generator", None)
    if generator is None:
        with noise_kept(model):
            yield
        return
    before = generator.state.numpy()
    with noise_kept(model):
        generator.state.assign(np.array([seed, 0], before.dtype))
        try:
            yield
        finally:
            generator.state.assign(before)
