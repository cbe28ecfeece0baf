"""What a `tf.distribute` strategy changes, and what only devices and traces explain."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import tensorflow as tf

from tf_geco.compiled import compiled


def has_accelerator() -> bool:
    """Returns whether TensorFlow sees anything but CPUs."""
    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())


def replica_count(model: Any = None) -> int:
    """Returns the number of replicas of a model's or the present strategy, 1 without a strategy."""
    return strategy_of(model).num_replicas_in_sync


def replica_sum(value: tf.Tensor) -> tf.Tensor:
    """Returns the sum of `value` over all replicas, the same on each of them.

    Outside a replica's step (in eager code under a strategy's scope) there is nothing to sum.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def finite(tensors: list[tf.Tensor | None]) -> tf.Tensor:
    """Returns whether every value of every tensor is finite, a boolean scalar.

    A sum is finite only if its terms are, and reads each tensor once, without a mask as large as
    the tensor; a finite tensor whose sum overflows is one that no optimizer could use.
    """
    dense = [tf.convert_to_tensor(tensor) for tensor in tensors if tensor is not None]
    return tf.math.is_finite(
        tf.add_n([tf.reduce_sum(tf.cast(tensor, tf.float32)) for tensor in dense])
    )


def all_finite(tensors: list[tf.Tensor | None]) -> tf.Tensor:
    """Returns whether every value of every tensor is finite on every replica, a boolean scalar."""
    here = finite(tensors)
    if replica_count() == 1:
        return here
    return tf.equal(replica_sum(tf.cast(tf.logical_not(here), tf.float32)), 0.0)


def share(value: tf.Tensor) -> tf.Tensor:
    """Returns a value that all replicas have in common, with this replica's share of its gradient.

    Optimizers add gradients over replicas.
    """
    part = value / replica_count()
    return part + tf.stop_gradient(value - part)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer, gradients: list, variables: list, accept: tf.Tensor
) -> None:
    """Applies the gradients if they are accepted, on all replicas or on none.

    A strategy lets its optimizer update only where replicas meet, so the condition is taken there.
    """

    def apply(*gradients: tf.Tensor) -> None:
        optimizer.apply(gradients, variables)

    def where_replicas_meet(strategy: Any, accept: Any, gradients: list) -> None:
        accepted = strategy.experimental_local_results(accept)[0]
        tf.cond(accepted, lambda: strategy.run(apply, args=tuple(gradients)), lambda: None)

    if replica_count() == 1:
        tf.cond(accept, lambda: apply(*gradients), lambda: None)
    else:
        context = tf.distribute.get_replica_context()
        context.merge_call(where_replicas_meet, args=(accept, gradients))


def outside_of_traces(make: Callable, *arguments: Any) -> None:
    """Makes variables as if no function was being traced: one that makes some is traced twice.

    A trace is of one thread, so another sees none. Under a strategy `fit` makes them before.
    """
    if tf.distribute.has_strategy():
        make(*arguments)
        return
    with tf.init_scope():
        device = tf.zeros([]).device  # that is asked for here; each thread begins without any

    def there() -> None:
        with tf.device(device):
            make(*arguments)

    with ThreadPoolExecutor(1) as other:
        other.submit(there).result()


def compiled_forward(model: keras.Model, forward: Callable) -> Callable:
    """Returns a forward pass that XLA compiles by itself, if the model asks for XLA on replicas.

    XLA on one device cannot hold what crosses devices: the update of the variables, and sums over
    replicas. On a single device Keras compiles the whole step.
    """
    distributed = model.distribute_strategy.num_replicas_in_sync > 1
    if distributed and model.jit_compile and not model.run_eagerly:
        return tf.function(forward, jit_compile=True)
    return forward


def logs_of(strategy: tf.distribute.Strategy, logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns logs in the shape that Keras expects under a strategy.

    Keras joins those of several workers along an axis that scalars do not have.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return {name: tf.reshape(value, [1]) for name, value in logs.items()}
    return logs


class AsKeras(keras.Model):
    """A model of Keras, but for two decisions, which Keras takes in private methods.

    Under a strategy Keras takes a batch from the iterator, which training then misses, and averages
    it over replicas only to see its shape. On several workers that fails for pairs and
    dictionaries; the specification of the data says as much. `tests/test_workers.py` says when this
    can go. And XLA, which makes steps on CPUs slower, is left out there by late versions only.
    """

    def _resolve_auto_jit_compile(self) -> bool:
        return has_accelerator() and super()._resolve_auto_jit_compile()

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        if iterator is None or self.distribute_strategy.num_replicas_in_sync == 1:
            super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
            return
        spec = iterator.data_adapter.get_tf_dataset().element_spec
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=keras.tree.map_structure(of_first_replica, spec))


def of_first_replica(spec: Any) -> Any:
    """Returns the specification of a tensor on the first replica of this worker."""
    return tf.nest.flatten(spec, expand_composites=True)[0]


def worker_of(model: Any) -> int:
    """Returns the number of this worker among those that train a model: 0 for the chief."""
    strategy = strategy_of(model)
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0
    resolver = strategy.cluster_resolver
    led = "chief" in resolver.cluster_spec().as_dict()
    return 0 if resolver.task_type == "chief" else resolver.task_id + led


def strategy_of(model: Any) -> tf.distribute.Strategy:
    """Returns the strategy of a model, or the present one for a model without."""
    return getattr(model, "distribute_strategy", None) or tf.distribute.get_strategy()


def on_replicas(model: Any, function: Callable, *fixed: Any) -> Callable:
    """Returns a function of (x, *rest), compiled to run on every replica of the model's strategy.

    Each replica gets its share of the examples x and all of the rest.

    Args:
        model: A model, which keeps what is compiled; one without a strategy runs where it is.
        function: (model, *fixed, x, *rest) -> structure of tensors; see `compiled`.
        *fixed: Further arguments that can be hashed.

    Returns:
        A function whose outputs have a leading axis over replicas, `[R, ...]`.
    """
    strategy = strategy_of(model)
    if strategy.num_replicas_in_sync == 1:
        step = compiled(model, _replica, function, *fixed)
        return lambda x, *rest: step(tf.nest.map_structure(tf.convert_to_tensor, x), *rest)
    step = compiled(model, _replicas, function, *fixed)
    return lambda x, *rest: step(_shards(strategy, x), *rest)


def _replica(model: Any, function: Callable, *arguments: Any) -> Any:
    return tf.nest.map_structure(lambda part: part[tf.newaxis], function(model, *arguments))


def _replicas(model: Any, function: Callable, *arguments: Any) -> Any:
    strategy = strategy_of(model)
    outputs = strategy.run(functools.partial(_replica, model, function), args=arguments)
    return tf.nest.map_structure(lambda part: strategy.gather(part, 0), outputs)


def _shards(strategy: tf.distribute.Strategy, x: Any) -> Any:
    """Returns examples spread over the replicas; their number is a multiple of that of replicas."""
    size = len(tf.nest.flatten(x)[0]) // strategy.num_replicas_in_sync

    def shard(context: Any) -> Any:
        start = context.replica_id_in_sync_group * size
        return tf.nest.map_structure(
            lambda part: tf.convert_to_tensor(part[start : start + size]), x
        )

    return strategy.experimental_distribute_values_from_function(shard)


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


def add_state(
    layer: keras.Layer, name: str, shape: tuple, value: Any = 0, dtype: str = "float32"
) -> Any:
    """Returns a new weight that training moves and the optimizer does not, equal on all replicas.

    Args:
        layer: Who owns it.
        name: Name of the weight.
        shape: Its shape.
        value: What it starts with.
        dtype: Its type, whatever the precision policy.
    """
    return layer.add_weight(
        name=name,
        shape=shape,
        dtype=dtype,
        initializer=lambda shape, dtype: tf.broadcast_to(tf.cast(value, dtype), shape),
        trainable=False,
        autocast=False,
        aggregation="only_first_replica",
    )
