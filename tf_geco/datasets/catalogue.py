"""The catalogue: data sets by name."""

import inspect
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_geco.datasets import images
from tf_geco.datasets.pipelines import Rows, Stream, check_batch_size
from tf_geco.datasets.sources import SPLITS

_BUILDERS: dict[str, Callable[..., Rows | Stream]] = {
    "mnist5k": images.mnist5k,
    "mnist": images.mnist,
    "cifar10": images.cifar10,
    "celeb_a": images.celeb_a,
}


def list_names() -> list[str]:
    """Returns the names that `load` knows."""
    return sorted(_BUILDERS)


def load(
    name: str,
    batch_size: int = 128,
    split: str | None = None,
    *,
    seed: int = 0,
    **options: Any,
) -> Any:
    """Returns a data set as pipelines of batches.

    Images are float32 in [0, 1]. For training they are shuffled anew each epoch and come in full
    batches; for testing, in order and all of them.

    Args:
        name: One of `list_names()`.
        batch_size: Examples in a batch; of a training set that is smaller, all of it.
        split: `"train"`, `"test"`, or `None` for both.
        seed: Seed of the shuffle, and of what the data set draws. The same seed gives the same
            data in the same order. It does not move digits between `mnist5k`'s train and test.
        **options: Options of the data set; see the functions of `tf_geco.datasets`.

    Returns:
        A pipeline, or the pair (train, test).

    Raises:
        ValueError: If the name, the split or an option is unknown.
        ImportError: If the data set needs an optional package that is not installed.
        RuntimeError: If its files are not on disk and cannot be downloaded.

    Example:
    ```python
    train, test = tf_geco.datasets.load("mnist5k", batch_size=128)
    for image, label in train:  # [128, 28, 28, 1], [128]
        ...
    ```
    """
    builder = _builder(name, options)
    check_batch_size(batch_size)
    if split is None:
        train, test = (load(name, batch_size, s, seed=seed, **options) for s in SPLITS)
        return train, test
    if split not in SPLITS:
        raise ValueError(f"`split` must be 'train', 'test' or None. Received: split={split!r}.")
    if "seed" in inspect.signature(builder).parameters:
        options["seed"] = seed
    examples = builder(split, **options)
    return _batches(examples, batch_size, split, seed)


def _batches(examples: Rows | Stream, batch_size: int, split: str, seed: int) -> tf.data.Dataset:
    return examples.batches(min(batch_size, examples.size), split == "train", seed)


def _builder(name: str, options: dict[str, Any]) -> Callable[..., Rows | Stream]:
    """Returns the function that builds a data set, once name and options are known to fit."""
    if name not in _BUILDERS:
        raise ValueError(
            f"There is no data set of that name. Known: {', '.join(list_names())}. "
            f"Received: name={name!r}. For your own arrays use `tf_geco.datasets.from_arrays`."
        )
    builder = _BUILDERS[name]
    parameters = inspect.signature(builder).parameters
    known = [option for option in parameters if option not in ("split", "seed")]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"Data set '{name}' has no such option. Known: {', '.join(known) or 'none'}. "
            f"Received: {', '.join(unknown)}."
        )
    return builder
