"""The catalogue: data sets by name."""

import inspect
from collections.abc import Callable
from typing import Any

from tf_geco.checks import seed_number
from tf_geco.datasets import derived, images, points
from tf_geco.datasets.pipelines import Rows, Stream, checked_batch_size
from tf_geco.datasets.sources import SPLITS

_BUILDERS: dict[str, Callable[..., Rows | Stream]] = {
    "mnist5k": images.mnist5k,
    "mnist": images.mnist,
    "cifar10": images.cifar10,
    "celeb_a": images.celeb_a,
    "image_folder": images.image_folder,
    "color_mnist": derived.color_mnist,
    "mnist_triplets": derived.mnist_triplets,
    "mnist_sum": derived.mnist_sum,
    "mnist_sum_hard": derived.mnist_sum_hard,
    "mnist_rotate": derived.mnist_rotate,
    "micro_mnist": derived.micro_mnist,
    "mixture_of_lines": points.mixture_of_lines,
    "mixture_of_circles": points.mixture_of_circles,
}


def list_names() -> list[str]:
    """Returns the names that `load` knows.

    Example:
        >>> import tf_geco
        >>> tf_geco.datasets.list_names()[:3]
        ['celeb_a', 'cifar10', 'color_mnist']
    """
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

    Images are float32 in [0, 1]. Training examples are shuffled anew each epoch and come in full
    batches; test examples come in order, all of them.

    | name | examples | yields |
    | --- | --- | --- |
    | `mnist5k` | 4,500 + 500 digits, no download | image `[28, 28, 1]`, label |
    | `mnist` | 60,000 + 10,000 digits | image `[28, 28, 1]`, label |
    | `cifar10` | 50,000 + 10,000 photographs | image `[32, 32, 3]`, label |
    | `celeb_a` | 162,770 + 19,962 faces | image `[64, 64, 3]`, attributes `[40]` |
    | `image_folder` | the images in `path`, a folder | image `[64, 64, 3]`, class |
    | `color_mnist` | three digits as colours | image `[28, 28, 3]`, label 100 r + 10 g + b |
    | `mnist_triplets` | l2 = (l0 + l1) mod 10 | image `[28, 28, 3]`, labels `[3]` |
    | `mnist_sum` | two digits -> their sum | `{"context", "target"}`, labels `[3]` |
    | `mnist_sum_hard` | a sum -> two digits | `{"context", "target"}`, labels `[3]` |
    | `mnist_rotate` | a digit, a turn -> it turned | `{"context", "target"}`, labels `[3]` |
    | `micro_mnist` | seven digits, again and again | image `[28, 28, 1]`, label |
    | `mixture_of_lines`, `mixture_of_circles` | points | point `[2]`, component |

    Args:
        name: One of `list_names()`.
        batch_size: Number of examples in a batch; a smaller data set is one batch.
        split: `"train"`, `"test"`, or `None` for both.
        seed: Seed of the shuffle, and of what the data set draws. The same seed gives the same
            data in the same order. It does not move digits between `mnist5k`'s train and test.
        **options: Options of the data set. From `color_mnist` to `micro_mnist`: `source` of the
            digits, `"mnist5k"` (the default) or `"mnist"`, and `size`, the number of examples in
            the split, by default that of MNIST. The mixtures: `components`, `size` and `noise`.
            `celeb_a`: `crop`, the side of the square cut from the centre (160), and `image_size`
            (64). `image_folder`: `path` and `image_size` (64). Those that TensorFlow Datasets
            loads: `download` (True) and `data_dir`.

    Returns:
        A pipeline, or the pair (train, test).

    Raises:
        ValueError: If the name, the split or an option is unknown.
        ImportError: If the data set needs an optional package that is not installed.
        RuntimeError: If its files are not on disk and cannot be downloaded.

    Example:
        >>> import tf_geco
        >>> train, test = tf_geco.datasets.load("mnist5k", batch_size=128)
        >>> image, label = next(iter(train))
        >>> image.shape, label.shape
        (TensorShape([128, 28, 28, 1]), TensorShape([128]))
    """
    builder = _builder(name, options)
    batch_size, seed = checked_batch_size(batch_size), seed_number(seed)
    if split is None:
        train, test = (load(name, batch_size, s, seed=seed, **options) for s in SPLITS)
        return train, test
    if not isinstance(split, str) or split not in SPLITS:
        raise ValueError(f"`split` must be 'train', 'test' or None. Received: split={split!r}.")
    if "seed" in inspect.signature(builder).parameters:
        options["seed"] = seed
    examples = builder(split, **options)
    return examples.batches(min(batch_size, examples.size), split == "train", seed)


def _builder(name: str, options: dict[str, Any]) -> Callable[..., Rows | Stream]:
    """Returns the function that builds a data set, once name and options are known to fit."""
    if not isinstance(name, str) or name not in _BUILDERS:
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
