"""A mean over a data set, with its standard error."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.evaluation.batches import Batches
from tf_geco.strategies import on_replicas
from tf_geco.training.bar import late_bar
from tf_geco.training.noise import seeded


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
    function: Callable[..., dict[str, Any]],
    *numbers: float,
    batch_size: int,
    seed: int,
    verbose: bool,
    partial: bool = False,
) -> dict[str, np.ndarray]:
    """Returns what a function makes of each example and the model's outputs for it.

    Args:
        model: A latent variable model: `model(x)` returns a dictionary.
        data: Arrays or a data set, see `Batches`.
        function: (model, x, mask, outputs, *numbers) -> dictionary of tensors `[B]`, or of pairs:
            values, and which examples they are known for. x has zeros where the mask, if there is
            one, is False. It is a function of a module, because the model keeps what is compiled.
        *numbers: What else the function needs.
        batch_size: Number of examples at once.
        seed: Seed of the model's noise.
        verbose: Whether to show a progress bar.
        partial: See `gathered`.

    Returns:
        float64 arrays of the examples that a value is known for, by the keys of the function's
        result.

    Raises:
        ValueError: If the data are empty, do not fit the model, or no value of them is observed, or
            a value is not finite.
    """
    batches = Batches(data, batch_size, model)
    tensors = [tf.constant(number, tf.float64) for number in numbers]
    step = on_replicas(model, _measured, function)
    found = gathered(model, batches, step, *tensors, seed=seed, verbose=verbose, partial=partial)
    for values in found.values():
        if values.size == 0:
            raise ValueError("No value of the data is observed: `y['mask']` is False everywhere.")
    return found


def gathered(
    model: Any,
    batches: Batches,
    step: Callable,
    *rest: tf.Tensor,
    seed: int,
    verbose: bool,
    partial: bool = False,
) -> dict[str, np.ndarray]:
    """Returns what a function of a batch's x and y makes of all examples.

    Args:
        model: A model.
        batches: The data.
        step: Made by `on_replicas`, of a pair (x, y) and the rest: a dictionary of tensors `[B]`,
            or of pairs: values, and which examples they are known for.
        *rest: Further arguments of `step`.
        seed: Seed of the model's noise.
        verbose: Whether to show a progress bar.
        partial: Whether it returns what it has if it is interrupted (Ctrl-C): for what says of how
            many examples it is.

    Raises:
        ValueError: If the data are empty, or a value is not finite.
    """
    kept: list[dict] = []
    with seeded(model, seed), late_bar(None, bool(verbose)) as advance:
        try:
            for index, (x, y, count) in enumerate(batches):
                values = step((x, y), *rest).items()
                kept.append({key: _known(key, part, count, index) for key, part in values})
                advance(count)
        except KeyboardInterrupt:
            if not (partial and kept):
                raise
    return {key: np.concatenate([values[key] for values in kept]) for key in kept[0]}


def _measured(model: Any, function: Callable, examples: tuple, *numbers: tf.Tensor) -> dict:
    x, y = examples
    x = model.checked(x)
    return function(model, x, y.get("mask"), model(x, training=False), *numbers)


def _known(key: str, part: Any, count: int, index: int) -> np.ndarray:
    """Returns what is known of the true examples, in float64.

    Args:
        key: What the values are.
        part: Values of replicas, `[R, B / R]`, or a pair: values, and which of them are known.
        count: Number of true examples.
        index: Number of the batch.

    Raises:
        ValueError: If a value is not finite.
    """
    values, *rest = (np.ravel(leaf)[:count] for leaf in tf.nest.flatten(part))
    known = rest[0] > 0 if rest else np.full(count, True)
    bad = np.flatnonzero(known & ~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"The model's {key} is not finite in batch {index} (counted from 0), at example "
            f"{bad[0]} of the batch."
        )
    return values[known].astype(np.float64)
