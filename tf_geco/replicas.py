"""Replicas: what changes when a strategy runs a step on several devices at once."""

import keras
import tensorflow as tf


def has_accelerator() -> bool:
    """Returns whether TensorFlow sees anything but CPUs."""
    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())


def replica_count() -> int:
    """Returns the number of replicas of the current strategy, 1 without a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def replica_sum(value: tf.Tensor) -> tf.Tensor:
    """Returns the sum of `value` over all replicas, the same on each of them.

    Outside a replica's step (in eager code under a strategy's scope) there is nothing to sum.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def all_finite(tensors: list[tf.Tensor | None]) -> tf.Tensor:
    """Returns whether every value of every tensor is finite on every replica, a boolean scalar.

    A sum is finite only if its terms are, and reads each tensor once, without a mask as large as
    the tensor; a finite tensor whose sum overflows is one that no optimizer could use.
    """
    dense = [tf.convert_to_tensor(tensor) for tensor in tensors if tensor is not None]
    total = tf.add_n([tf.cast(tf.reduce_sum(tensor), tf.float32) for tensor in dense])
    if replica_count() == 1:
        return tf.math.is_finite(total)
    bad = tf.cast(tf.math.logical_not(tf.math.is_finite(total)), tf.float32)
    return tf.equal(replica_sum(bad), 0.0)


def next_seed(generator: keras.random.SeedGenerator) -> tf.Tensor:
    """Returns a fresh seed of type int32[2] for TensorFlow Probability, different on each replica.

    A Keras seed generator draws the same seed on every replica, so the replica's number is folded
    in.
    """
    seed = tf.cast(generator.next(), tf.int32)
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    return tf.random.experimental.stateless_fold_in(seed, context.replica_id_in_sync_group)


def refuse_parameter_servers() -> None:
    """Raises an error under `ParameterServerStrategy`, which Keras 3 does not support.

    Raises:
        ValueError: If it is the current strategy.
    """
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.ParameterServerStrategy):
        raise ValueError(
            "`tf.distribute.ParameterServerStrategy` is not supported, because Keras 3 does not "
            "support it. Use `MirroredStrategy` on one machine or `MultiWorkerMirroredStrategy` on "
            f"several. Received: strategy={type(strategy).__name__}."
        )
