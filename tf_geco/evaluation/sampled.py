"""A uniform sample of a data set, as one array, with NaN where a value is missing."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.evaluation.batches import Batches, Examples, target_of


def sampled(data: Any, size: int, seed: int, *, integers: bool = False) -> np.ndarray:
    """Returns at most `size` examples, NaN where a value is missing.

    In one pass, it takes those that draw the smallest numbers.

    Args:
        data: Arrays or a data set, see `Batches`.
        size: Greatest number of examples.
        seed: Seed of the sample.
        integers: Whether the data may be whole numbers, which come back as floats.

    Raises:
        ValueError: If there are fewer than two examples, or they are not finite floats.
    """
    random, numbers, total = np.random.default_rng(seed), np.empty(0), 0
    kept: list[np.ndarray] = []
    for batch in Batches(data, size):
        kept = [*kept, _checked(batch, total, integers)]
        numbers = np.append(numbers, random.random(batch.number))
        total += batch.number
        if total > size:
            smallest = np.sort(np.argsort(numbers)[:size])
            kept, numbers = [np.concatenate(kept)[smallest]], numbers[smallest]
    if total < 2:
        raise ValueError("`data` must hold at least two examples. Received: one example.")
    return np.concatenate(kept)


def filled(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns examples with a mean in place of each missing value, and the share observed.

    Args:
        x: `[N, ...]`, NaN where a value is missing.

    Returns:
        Those of the examples that have an observed value, and the share of observed values in them.
    """
    seen = ~np.isnan(x)
    if seen.all():
        return x, 1.0
    some = seen.reshape(len(x), -1).any(axis=1)
    x, seen = x[some], seen[some]
    if len(x) < 2:
        raise ValueError("`data` must hold at least two examples with an observed value.")
    total = np.sum(x, axis=0, where=seen, dtype=np.float64)
    return np.where(seen, x, total / np.maximum(seen.sum(axis=0), 1)), float(seen.mean())


def _checked(batch: Examples, start: int, integers: bool) -> np.ndarray:
    """Returns the true examples of a batch, NaN where missing, or says what is wrong with them."""
    x, count = target_of(batch.x), batch.number
    if not isinstance(x, np.ndarray):
        kind = f"the keys {sorted(x)}" if isinstance(x, dict) else type(x).__name__
        raise ValueError(
            f"`data` must hold one array of examples, or a dictionary with 'target'. "
            f"Received: {kind}."
        )
    if integers and tf.as_dtype(x.dtype).is_integer:
        x = x.astype(np.float32)
    if not tf.as_dtype(x.dtype).is_floating:
        raise ValueError(
            "`data` must be floats, in the unit of the tolerance; divide bytes by 255. "
            f"Received: dtype {x.dtype}."
        )
    x = x[:count]
    finite = np.isfinite(x).reshape(count, -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            "`data` must be finite. "
            f"Received: NaN or infinity in example {start + np.argmin(finite)} (counted from 0)."
        )
    return np.where(batch.y["mask"][:count], x, np.nan) if batch.y else x
