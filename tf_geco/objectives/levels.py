"""Levels: places in a range of tolerances, from -1, the strictest, to 1, the loosest.

Pure functions. A training measures at `NUMBER` levels, K for short; a model serves any between.
"""

import numpy as np
import tensorflow as tf

NUMBER = 9
FEW_NATS = 4.0
STRICT_OFTENER = np.e  # how many times as often as the loosest level the strictest is drawn


def positions() -> np.ndarray:
    """Returns the K levels at which a training measures, `[K]`."""
    return np.linspace(-1.0, 1.0, NUMBER).astype("float32")


def drawn(size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns a level for each example of a batch, `[B]`, in shares that differ by one at most.

    Strict levels come oftener, because a small error takes the most learning.

    Args:
        size: B.
        seed: int32[2].
    """
    shares = STRICT_OFTENER ** (-positions() / 2.0)
    borders = tf.constant(np.cumsum(shares)[:-1] / shares.sum(), tf.float32)
    start, order = tf.unstack(tf.random.experimental.stateless_split(seed, 2, alg="philox"))
    places = tf.range(size, dtype=tf.float32) + uniform([], start)
    places /= tf.cast(size, tf.float32)
    index = tf.reduce_sum(tf.cast(places[:, tf.newaxis] >= borders, tf.int32), axis=1)
    shuffled = tf.argsort(uniform([size], order))
    return tf.gather(tf.constant(positions()), tf.gather(index, shuffled))


def uniform(shape: list, seed: tf.Tensor) -> tf.Tensor:
    """Returns numbers between 0 and 1, the same by XLA and without it, as only integers are."""
    integers = tf.random.stateless_uniform(shape, seed, None, None, tf.int32, alg="philox")
    return 0.5 + tf.cast(integers, tf.float32) / 2.0**32


def members(level: tf.Tensor) -> tf.Tensor:
    """Returns which of the K levels each example has, zeros and ones `[B, K]`."""
    index = tf.round((tf.cast(level, tf.float32) + 1.0) / 2.0 * (NUMBER - 1))
    return tf.one_hot(tf.cast(index, tf.int32), NUMBER)


def of_levels(entries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what a sum has of the K levels, `[K]` each: of the constraint, and of the cost."""
    return entries[2 : 2 + NUMBER], entries[2 + NUMBER : 2 + 2 * NUMBER]


def line(ends: tf.Tensor) -> tf.Tensor:
    """Returns the values at the K levels on the straight line through those at the ends, `[K]`."""
    return ends[0] + (ends[1] - ends[0]) * (positions() + 1.0) / 2.0


def level_where(value: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns the loosest level at which a curve is not above a value.

    The curve is linear between the K levels. It should rise with the level; where noise makes it
    dip, each level counts with the least value from there on.

    Args:
        value: Any shape.
        values: Of the curve at the K levels, `[K]`.
    """
    values = tf.stack([tf.reduce_min(values[index:]) for index in range(NUMBER)])
    low, high = values[:-1], values[1:]
    beyond = tf.cast(value, values.dtype)[..., tf.newaxis] - low
    passed = tf.where(high > low, beyond / tf.maximum(high - low, 1e-30), tf.sign(beyond) + 1.0)
    steps = tf.reduce_sum(tf.clip_by_value(passed, 0.0, 1.0), axis=-1)
    return 2.0 * steps / (NUMBER - 1) - 1.0


def weights(cost: tf.Tensor, pulled: tf.Tensor) -> tf.Tensor:
    """Returns by how much the loss of each level counts, `[K]`: as much as that of any other.

        w = 1 / (4 + |cost| + pulled)

    The losses of a strict level are hundreds of times those of a loose one, and would rule what
    networks learn for all. A level's own optimum does not change with its weight. The 4 nats keep
    levels that cost next to nothing from ruling in their turn.

    Args:
        cost: `[K]`, in nats.
        pulled: What constraints add to the losses, `[K]`, in nats, positive.
    """
    return 1.0 / (FEW_NATS + tf.abs(cost) + pulled)
