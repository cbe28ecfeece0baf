"""Many samples of a model, batch by batch."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.compiled import compiled
from tf_geco.training.bar import late_bar


def generated(
    model: Any,
    n: int | None,
    context: Any,
    *,
    seed: int | None,
    batch_size: int,
    verbose: bool | str,
    **options: Any,
) -> np.ndarray:
    """Returns samples of a model in one array, see `LatentVariableModel.generate`."""
    if (n is None) == (context is None):
        raise ValueError(f"Give either `n` or `context`. Received: n={n}, context={context!r}.")
    total = positive_integer(len(context) if n is None else n, "n")
    size = min(positive_integer(batch_size, "batch_size"), total)
    starts = range(0, total, size)
    # A seed of its own for each batch, or none: then the model's noise goes on.
    seeds = [None] * len(starts)
    if seed is not None:
        numbers = np.random.default_rng(seed).integers(2**31 - 1, size=len(starts))
        seeds = [tf.constant(number, tf.int32) for number in numbers]
    # Numbers of NumPy would become tensors, of which nobody is told what is wrong.
    options = {
        k: part.item() if isinstance(part, np.generic) else part for k, part in options.items()
    }
    draw = compiled(model, _sample, size)
    parts = []
    with late_bar(total, verbose) as advance:
        for start, each in zip(starts, seeds, strict=True):
            parts.append(draw(each, _rows(context, start, size), options).numpy())
            advance(size)
    return np.concatenate(parts)[:total]


def _sample(model: Any, size: int, seed: Any, context: Any, options: dict) -> tf.Tensor:
    given = {"n": size} if context is None else {"context": context}
    return model.sample(**given, seed=seed, **options)


def _rows(context: Any, start: int, size: int) -> tf.Tensor | None:
    """Returns `size` contexts from one on; the last is repeated, for batches of one shape."""
    if context is None:
        return None
    rows = np.minimum(np.arange(start, start + size), len(context) - 1)
    return tf.convert_to_tensor(np.asarray(context)[rows])
