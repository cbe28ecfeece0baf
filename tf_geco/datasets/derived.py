"""Data sets composed of MNIST digits: Color-MNIST, and triplets whose labels obey a rule.

Each takes its digits from `source`: `"mnist5k"`, which needs no download, or `"mnist"`. Training
examples are made of training digits and test examples of test digits. Only row numbers are drawn
beforehand; pictures are put together as batches are taken.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.datasets.pipelines import Rows, as_unit_range
from tf_geco.datasets.sources import digits

Compose = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Rows]


def of_digits(train: int = 60_000, test: int = 10_000) -> Callable[[Compose], Callable[..., Rows]]:
    """Returns a decorator that makes a rule to compose digits the builder of a data set.

    Args:
        train: Default number of training examples: that of MNIST, whatever the source.
        test: Default number of test examples.
    """

    def decorator(compose: Compose) -> Callable[..., Rows]:
        def build(
            split: str,
            *,
            seed: int = 0,
            source: str = "mnist5k",
            size: int | None = None,
            download: bool = True,
            data_dir: str | None = None,
        ) -> Rows:
            if size is None:
                size = train if split == "train" else test
            size = positive_integer(size, "size")
            where = {"download": download, "data_dir": data_dir} if source == "mnist" else {}
            random = np.random.default_rng([seed, split == "test"])
            return compose(*digits(source, split, **where), size, random)

        build.__name__, build.__doc__ = compose.__name__, compose.__doc__
        return build

    return decorator


@of_digits()
def color_mnist(
    images: np.ndarray, labels: np.ndarray, size: int, random: np.random.Generator
) -> Rows:
    """Three independent digits as red, green and blue: `(image [B, 28, 28, 3], label [B])`.

    The label is 100 r + 10 g + b, and each of these 1,000 modes is as frequent as any other.
    """
    modes = random.permutation(np.arange(size) % 1000)
    wanted = np.stack([modes // 100, modes // 10 % 10, modes % 10], axis=1)
    chosen = _choose(labels, wanted, random)
    of_row = tf.constant(modes)
    return _rows(images, chosen, lambda channels, rows: (channels, tf.gather(of_row, rows)))


@of_digits()
def mnist_triplets(
    images: np.ndarray, labels: np.ndarray, size: int, random: np.random.Generator
) -> Rows:
    """Three digits with l2 = (l0 + l1) mod 10, one a channel: `(image [B, 28, 28, 3], l [B, 3])`.

    A model learns their joint distribution.
    """
    return _sum_rows(images, labels, size, random, lambda channels: channels)


@of_digits()
def mnist_sum(
    images: np.ndarray, labels: np.ndarray, size: int, random: np.random.Generator
) -> Rows:
    """Two digits, and a third that shows their sum: `({"context", "target"}, l [B, 3])`.

    The context is (I0, I1), `[B, 28, 28, 2]`; the target I2, `[B, 28, 28, 1]`; and
    l2 = (l0 + l1) mod 10.
    """
    return _sum_rows(
        images, labels, size, random, lambda i: {"context": i[..., :2], "target": i[..., 2:]}
    )


@of_digits()
def mnist_sum_hard(
    images: np.ndarray, labels: np.ndarray, size: int, random: np.random.Generator
) -> Rows:
    """A sum, and two digits that could make it: `({"context", "target"}, l [B, 3])`.

    The context is I2, `[B, 28, 28, 1]`; the target (I0, I1), `[B, 28, 28, 2]`; and
    l2 = (l0 + l1) mod 10.
    """
    return _sum_rows(
        images, labels, size, random, lambda i: {"context": i[..., 2:], "target": i[..., :2]}
    )


@of_digits()
def mnist_rotate(
    images: np.ndarray, labels: np.ndarray, size: int, random: np.random.Generator
) -> Rows:
    """A digit and a turn, and another such digit turned: `({"context", "target"}, l [B, 3])`.

    The context is (I0, I1), `[B, 28, 28, 2]`; the target, `[B, 28, 28, 1]`, another instance of the
    digit l0, rotated about its centre, counter-clockwise, by l1 times 30 degrees; and l2 = l0.
    """
    chosen = random.integers(len(labels), size=(size, 2))
    other = _another(labels, chosen[:, 0], random)
    triples = labels[np.column_stack([chosen, other])]
    targets = tf.constant(rotate(images[other], triples[:, 1]))
    triples = tf.constant(triples)

    def compose(channels: tf.Tensor, rows: tf.Tensor) -> Any:
        target = as_unit_range(tf.gather(targets, rows))
        return {"context": channels, "target": target}, tf.gather(triples, rows)

    return _rows(images, chosen, compose)


@of_digits(train=7_000, test=7)
def micro_mnist(
    images: np.ndarray, labels: np.ndarray, size: int, random: np.random.Generator
) -> Rows:
    """Only seven digits, to see each one's posterior: `(image [B, 28, 28, 1], label [B])`.

    An epoch of training repeats the seven until there are `size` examples. Those for testing are
    seven others, as for all the data sets here.
    """
    seven = random.choice(len(labels), size=7, replace=False)
    chosen = seven[np.arange(size) % 7]
    shown = tf.constant(labels[chosen])
    return _rows(images, chosen[:, None], lambda image, rows: (image, tf.gather(shown, rows)))


def rotate(images: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Returns images rotated about their centre, counter-clockwise, by `turns` times 30 degrees.

    A pixel is interpolated linearly between its four neighbours at the place it comes from; outside
    the image all is zero.

    Args:
        images: `[N, S, S, 1]`, uint8.
        turns: `[N]`, integers.

    Returns:
        `[N, S, S, 1]`, uint8.
    """
    flat = images.reshape(len(images), -1)
    rotated = np.empty_like(flat)
    for turn in np.unique(turns):
        rows = np.flatnonzero(turns == turn)
        pixels = flat[rows].astype(np.float32)
        turned = np.zeros_like(pixels)
        for place, weight in _neighbours(images.shape[1], 30 * int(turn)):
            turned += weight * pixels[:, place]
        rotated[rows] = np.rint(turned)
    return rotated.reshape(images.shape)


def _neighbours(side: int, degrees: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields, for each of four neighbours, its place and weight for all pixels, `[S S]`."""
    angle = math.radians(degrees)
    y, x = np.mgrid[:side, :side].reshape(2, -1) - (side - 1) / 2
    # Rounding lets multiples of 90 degrees fall on pixels exactly.
    from_y = np.round(math.cos(angle) * y + math.sin(angle) * x + (side - 1) / 2, 9)
    from_x = np.round(math.cos(angle) * x - math.sin(angle) * y + (side - 1) / 2, 9)
    for corner_y in (np.floor(from_y), np.floor(from_y) + 1):
        for corner_x in (np.floor(from_x), np.floor(from_x) + 1):
            weight = (1 - abs(from_y - corner_y)) * (1 - abs(from_x - corner_x))
            inside = (corner_y >= 0) & (corner_y < side) & (corner_x >= 0) & (corner_x < side)
            place = np.where(inside, corner_y * side + corner_x, 0).astype(int)
            yield place, np.where(inside, weight, 0).astype(np.float32)


def _rows(images: np.ndarray, chosen: np.ndarray, compose: Callable[..., Any]) -> Rows:
    """Returns examples of several digits each, one a channel.

    Args:
        images: The digits, `[N, 28, 28, 1]`, uint8.
        chosen: Row numbers of the digits of each example, `[size, K]`.
        compose: Channels `[B, 28, 28, K]` and rows `[B]` -> batch.
    """
    planes = tf.constant(images[..., 0])
    digits_of = tf.constant(chosen)

    def take(rows: tf.Tensor) -> Any:
        stacked = tf.gather(planes, tf.gather(digits_of, rows))  # [B, K, 28, 28]
        return compose(as_unit_range(tf.transpose(stacked, (0, 2, 3, 1))), rows)

    return Rows(len(chosen), take)


def _sum_rows(
    images: np.ndarray,
    labels: np.ndarray,
    size: int,
    random: np.random.Generator,
    arrange: Callable[[tf.Tensor], Any],
) -> Rows:
    """Returns triplets with l2 = (l0 + l1) mod 10; `arrange` makes x of `[B, 28, 28, 3]`."""
    chosen = _sums(labels, size, random)
    triples = tf.constant(labels[chosen])
    return _rows(images, chosen, lambda i, rows: (arrange(i), tf.gather(triples, rows)))


def _sums(labels: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """Returns rows of digits `[size, 3]` with l2 = (l0 + l1) mod 10."""
    chosen = random.integers(len(labels), size=(size, 2))
    total = labels[chosen].sum(axis=1) % 10
    return np.column_stack([chosen, _choose(labels, total, random)])


def _choose(labels: np.ndarray, wanted: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns random rows whose labels are `wanted`, in its shape."""
    order, start, count = _classes(labels)
    return order[start[wanted] + random.integers(count[wanted])]


def _another(labels: np.ndarray, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns, for each row, a random other row of the same label, `[size]`."""
    order, start, count = _classes(labels)
    place = np.empty(len(labels), int)
    place[order] = np.arange(len(labels))
    label = labels[rows]
    shift = random.integers(1, count[label])
    return order[start[label] + (place[rows] - start[label] + shift) % count[label]]


def _classes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns rows ordered by label, where each label starts, and how often it occurs."""
    count = np.bincount(labels, minlength=10)
    return np.argsort(labels, kind="stable"), np.cumsum(count) - count, count
