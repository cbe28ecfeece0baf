"""The model contract: a Keras model that minimises a cost under constraints."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.models.plan import Plan
from tf_geco.models.progress import Progress
from tf_geco.objectives.objective import Objective, weighted_sums
from tf_geco.replicas import all_finite, refuse_parameter_servers, replica_count


class ConstrainedModel(keras.Model):
    """A Keras model whose loss is an objective: a cost, minimised under constraints.

    Subclass it and write `call(x, training)`, which returns a dictionary of tensors, and
    `cost(x, y, outputs)`, which returns what to minimise for each example, `[B]`. Everything else
    is Keras as usual: `compile` (without a loss), `fit`, `evaluate`, `predict`, `save`.

    A batch whose loss or gradients are not finite leaves every weight, the multipliers and their
    moving averages as they were; the metric `skipped` counts such batches.

    Args:
        objective: A `tf_geco.GECO` or `tf_geco.ELBO`.

    Raises:
        ValueError: If `objective` is no objective, or under `ParameterServerStrategy`.
    """

    cost_name = "cost"

    def __init__(self, objective: Objective, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        refuse_parameter_servers()
        if not isinstance(objective, Objective):
            raise ValueError(
                "`objective` must be a `tf_geco.GECO` or `tf_geco.ELBO`. "
                f"Received: objective={objective!r}."
            )
        self.objective = objective
        cost_name = self.cost_name if objective.cost is None else "cost"
        self.progress = Progress(cost_name, objective.constraints)
        self._forward_backward = self._gradients

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains, as `keras.Model.fit`; the objective learns how many steps there will be."""
        given = inspect.signature(super().fit).bind(*args, **kwargs).arguments
        callbacks = given.pop("callbacks", None) or []
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [*tf.nest.flatten(callbacks), Plan()]
        return super().fit(**given, callbacks=callbacks)

    def cost(self, x: Any, y: Any, outputs: dict) -> tf.Tensor:
        """Returns what to minimise for each example, `[B]`."""
        raise NotImplementedError(f"{type(self).__name__} must define `cost(x, y, outputs)`.")

    def target(self, x: Any) -> Any:
        """Returns the part of the input that the constraints compare with: all of it."""
        return x

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Takes one step of the optimizer, then one of the multipliers."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        before = [(v, tf.identity(v)) for v in self._statistics()]
        terms, gradients = self._forward_backward(x, y, sample_weight)
        accept = self._accept(terms["loss"], gradients)
        self._apply(gradients, accept)
        for variable, old in before:
            variable.assign(tf.where(accept, variable, old))
        self.objective.update_by_sums(terms["sums"], accept)
        return self._logs(x, y, sample_weight, terms, accept)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measures loss, cost and violations; the objective's state does not move."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        terms = self._terms(x, y, sample_weight, training=False)
        return self._logs(x, y, sample_weight, terms, tf.math.is_finite(terms["loss"]))

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, tf.Tensor]:
        """Updates the compiled metrics, which compare the reconstruction with its target."""
        if isinstance(y_pred, dict) and "reconstruction" in y_pred:
            y, y_pred = self.target(x), y_pred["reconstruction"]
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def make_train_function(self, force: bool = False) -> Callable:
        """Compiles only the forward and backward pass where replicas must meet in between.

        XLA on a device cannot hold the update of variables that live on several devices.
        """
        if self.loss is not None:
            raise ValueError(
                "The objective is the loss: call `compile` without `loss`. "
                f"Received: loss={self.loss!r}."
            )
        jit_compile = self.jit_compile  # type: ignore[has-type]
        distributed = self.distribute_strategy.num_replicas_in_sync > 1
        self._forward_backward = self._gradients
        if distributed and jit_compile and not self.run_eagerly:
            self._forward_backward = tf.function(self._gradients, jit_compile=True)
            self.jit_compile = False
        try:
            return super().make_train_function(force)
        finally:
            self.jit_compile = jit_compile

    def _terms(self, x: Any, y: Any, sample_weight: Any, training: bool) -> dict[str, Any]:
        """Returns the outputs, and the loss with what it is made of."""
        outputs = self(x, training=training)
        target = self.target(x)
        violations = self.objective(target, y=y, outputs=outputs)
        cost = self.objective.own_cost(target, y, outputs)
        cost = tf.cast(self.cost(x, y, outputs) if cost is None else cost, tf.float32)
        sums = weighted_sums(cost, violations, sample_weight)
        loss = self.objective.loss_by_sums(sums)
        if self.losses:
            loss += tf.add_n([tf.cast(extra, tf.float32) for extra in self.losses])
        return {"outputs": outputs, "sums": sums, "loss": loss}

    def _gradients(self, x: Any, y: Any, sample_weight: Any) -> tuple[dict[str, Any], list]:
        """Returns the terms of the loss and its gradients.

        Optimizers sum gradients over replicas, so each replica brings its share.
        """
        with tf.GradientTape() as tape:
            terms = self._terms(x, y, sample_weight, training=True)
            share = self.optimizer.scale_loss(terms["loss"] / replica_count())
        return terms, tape.gradient(share, self.trainable_variables)

    def _accept(self, loss: tf.Tensor, gradients: list) -> tf.Tensor:
        """Returns whether to take the step: whether loss and gradients are finite.

        A loss-scale optimizer (float16) looks at the gradients itself, and must see them overflow.
        """
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            return all_finite([loss])
        return all_finite([loss, *gradients])

    def _apply(self, gradients: list, accept: tf.Tensor) -> None:
        """Applies the gradients if they are accepted."""
        variables = self.trainable_variables
        if not self.optimizer.built:
            self.optimizer.build(variables)

        def apply(*gradients: tf.Tensor) -> None:
            self.optimizer.apply(gradients, variables)

        def apply_where_replicas_meet(strategy: Any, accept: Any, gradients: list) -> None:
            accepted = strategy.experimental_local_results(accept)[0]
            tf.cond(accepted, lambda: strategy.run(apply, args=tuple(gradients)), lambda: None)

        if replica_count() == 1:
            tf.cond(accept, lambda: apply(*gradients), lambda: None)
        else:
            context = tf.distribute.get_replica_context()
            context.merge_call(apply_where_replicas_meet, args=(accept, gradients))

    def _statistics(self) -> list:
        """Returns the weights that the forward pass itself moves, such as batch-norm statistics."""
        mine = {id(weight) for weight in self.objective.variables}
        return [
            weight
            for weight in self.non_trainable_weights
            if id(weight) not in mine and "float" in weight.dtype
        ]

    def _logs(
        self, x: Any, y: Any, sample_weight: Any, terms: dict[str, Any], accept: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Updates the metrics by a batch and returns their results."""
        self.progress.update_state(terms["loss"], terms["sums"], accept)
        logs = self.compute_metrics(x, y, terms["outputs"], sample_weight)
        if isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy):
            # Keras joins the logs of workers along an axis that scalars do not have.
            return {name: tf.reshape(value, [1]) for name, value in logs.items()}
        return logs
