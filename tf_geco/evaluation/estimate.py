"""A mean over a data set, with its standard error."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.evaluation.batches import Batches
from tf_geco.strategies import on_replicas, replica_count


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is.

    Args:
        value: The mean.
        standard_error: Standard deviation of one term over the square root of their number; NaN for
            a single term.
        count: Number of terms.
    """

    value: float
    standard_error: float
    count: int

    @classmethod
    def of(cls, terms: np.ndarray) -> "Estimate":
        """Returns the estimate from terms `[n]`, in float64."""
        terms = np.asarray(terms, np.float64)
        error = terms.std(ddof=1) / math.sqrt(terms.size) if terms.size > 1 else math.nan
        return cls(float(terms.mean()), float(error), terms.size)


def per_example(
    model: Any,
    data: Any,
    function: Callable[[Any, dict], dict[str, tf.Tensor]],
    *,
    batch_size: int,
    seed: int,
    verbose: bool,
) -> dict[str, np.ndarray]:
    """Returns what a function makes of each example and the model's outputs for it.

    Interrupted (Ctrl-C), it returns what it has.

    Args:
        model: A latent variable model: `model(x)` returns a dictionary.
        data: Arrays or a data set, see `Batches`.
        function: (x, outputs) -> structure of tensors `[B]`.
        batch_size: Number of examples at once.
        seed: Seed of the model's noise.
        verbose: Whether to show a progress bar.

    Returns:
        float64 arrays `[N]`, by the keys of the function's result.

    Raises:
        ValueError: If the data are empty, or a value is not finite.
    """
    batches = Batches(data, batch_size, replica_count(model))
    step = on_replicas(model, lambda x: function(x, model(x, training=False)))
    kept: list[dict[str, np.ndarray]] = []
    with seeded(model, seed), progress(verbose) as advance:
        try:
            for index, (x, count) in enumerate(batches):
                values = {key: _flat(part)[:count] for key, part in step(x).items()}
                _check_finite(values, index)
                kept.append(values)
                advance(count)
        except KeyboardInterrupt:
            if not kept:
                raise
    return {key: np.concatenate([values[key] for values in kept]) for key in kept[0]}


@contextmanager
def seeded(model: Any, seed: int) -> Iterator[None]:
    """Sets the model's noise within a block, and leaves it after as it was before."""
    state = model.seed_generator.state
    before = tf.identity(state)
    state.assign(np.array([seed, 0], state.dtype))
    try:
        yield
    finally:
        state.assign(before)


@contextmanager
def progress(verbose: bool) -> Iterator[Callable[[int], None]]:
    """Yields a function that counts examples, and shows the count where `verbose`."""
    bar = keras.utils.Progbar(None, unit_name="example", verbose=int(bool(verbose)))
    yield bar.add if verbose else lambda count: None


def _flat(part: tf.Tensor) -> np.ndarray:
    """Returns values `[R, B / R]` of replicas as one array `[B]`, in float64."""
    return np.asarray(part, np.float64).reshape(-1)


def _check_finite(values: dict[str, np.ndarray], index: int) -> None:
    for key, part in values.items():
        if not np.all(np.isfinite(part)):
            raise ValueError(
                f"The model's {key} is not finite in batch {index} (counted from 0), at example "
                f"{int(np.flatnonzero(~np.isfinite(part))[0])} of the batch."
            )
