"""The model contract: a Keras model that minimises an objective."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.compiled import Compiled
from tf_geco.objectives.objective import Objective
from tf_geco.objectives.sums import Sums
from tf_geco.strategies import (
    all_finite,
    apply_gradients,
    compiled_forward,
    logs_of,
    outside_of_traces,
    refuse_parameter_servers,
    share,
)
from tf_geco.training.batch import Batch, size_of
from tf_geco.training.native_model import NativeModel
from tf_geco.training.ownership import refuse_shared, statistics, trained
from tf_geco.training.progress import Progress
from tf_geco.training.watch import Watch


class Terms(NamedTuple):
    """What a forward pass gives: the outputs, their sums, and the networks' penalties."""

    outputs: Any
    sums: Sums
    penalty: tf.Tensor


class ObjectiveModel(NativeModel):
    """A Keras model whose loss is an objective: a cost, minimised under constraints.

    Subclass it and write `call(x, training)`, which returns what the constraints see as `outputs`,
    and `cost(x, y, outputs)`, which returns what to minimise for each example, `[B]`. Everything
    else is Keras as usual: `compile` (without a loss), `fit`, `evaluate`, `predict`, `save`.

    A batch whose loss or gradients are not finite leaves every weight, the multipliers and their
    moving averages as they were, and counts in no figure but `skipped`. The first one is warned of.

    Args:
        objective: A `tf_geco.GECO` or `tf_geco.ELBO`; it serves one model.
        max_skipped: Consecutive batches left out after which training raises an error. 100 bears
            the steps by which the loss scale of float16 is found.

    Raises:
        ValueError: If `objective` is no objective or serves another model, or under
            `ParameterServerStrategy`.
    """

    cost_name = "cost"
    serves_range = False
    base_metrics = keras.Model.compute_metrics

    def __init__(self, objective: Objective, *, max_skipped: int = 100, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        refuse_parameter_servers()
        if not isinstance(objective, Objective):
            raise ValueError(
                "`objective` must be a `tf_geco.GECO` or `tf_geco.ELBO`. "
                f"Received: objective={objective!r}."
            )
        if self.cost_name in [constraint.name for constraint in objective.constraints]:
            raise ValueError(
                f"A constraint must not have the name of the cost. Received: {self.cost_name!r}."
            )
        objective.serve(self, self.serves_range)
        self.objective = objective
        self.max_skipped = positive_integer(max_skipped, "max_skipped")
        self.progress = Progress(self.cost_name if objective.cost is None else "cost", objective)
        self.watch = Watch(self.max_skipped)
        self.compiled_functions = Compiled()
        self._forward = self.forward

    def cost(self, x: Any, y: Any, outputs: Any) -> Any:
        """Returns what to minimise for each example, `[B]`; or that, and how much each counts."""
        raise NotImplementedError(f"{type(self).__name__} must define `cost(x, y, outputs)`.")

    def target(self, x: Any) -> Any:
        """Returns the part of the input that the constraints compare with: all of it."""
        return x

    def with_target(self, x: Any, target: Any) -> Any:
        """Returns the input with another target."""
        return target

    def levels(self, x: Any, training: bool) -> dict[str, tf.Tensor]:
        """Returns `{"level": [B]}` for `call`, where training is for a range."""
        return {}

    def checked(self, x: Any) -> Any:
        """Returns a batch; a model that knows its shape raises an error if it does not fit."""
        return x

    def in_unit_range(self, x: Any) -> tf.Tensor | None:
        """Returns what should be in [0, 1], if anything: people are told if it is not."""
        return None

    @property
    def micro_batches(self) -> int:
        """How many batches make one step of the optimizer, and so one of the objective."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return getattr(optimizer, "gradient_accumulation_steps", None) or 1

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Takes one step of the optimizer, then one of the multipliers."""
        self.objective.counts_steps = self.progress.training = True
        given = Batch.of(data)
        batch = self.prepared(given)
        before = [(v, tf.identity(v)) for v in statistics(self, self.objective)]
        terms, loss, gradients = self._gradients(batch)
        # Where no example counts there is nothing to leave out, and nothing to learn: gradients are
        # zero, or NaN after a batch norm of none, but the optimizer's momentum is neither.
        counts = tf.reduce_any(terms.sums.over_replicas().known)
        accept = tf.logical_or(all_finite([loss, *gradients]), tf.logical_not(counts))
        applies = tf.logical_and(self._applicable(loss, accept), counts)
        seen = self._seen(gradients, accept)
        apply_gradients(self.optimizer, seen, self.trainable_variables, applies)
        moves = tf.logical_and(accept, counts)
        for variable, old in before:
            keep = tf.logical_and(moves, tf.reduce_all(tf.math.is_finite(variable)))
            variable.assign(tf.where(keep, variable, old))
        self.progress.update_state(terms.sums, terms.penalty, accept, loss - terms.penalty)
        parts = [batch, terms.outputs, loss]
        self.watch.update_state(accept, parts, self.in_unit_range(batch.x), self.objective.step < 1)
        self.objective.update(terms.sums, moves, self.micro_batches)
        return self._logs(given, terms.outputs, accept)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measures what the constraints and the cost are of; the objective's state stays."""
        self.progress.training = False
        given = Batch.of(data)
        batch = self.prepared(given)
        terms = self._forward(batch, training=False)
        accept = all_finite([terms.sums.totals])
        self.progress.update_state(terms.sums, terms.penalty, accept)
        self.watch.update_elsewhere(accept, [batch, terms.outputs, None])
        return self._logs(given, terms.outputs, accept)

    def make_train_function(self, force: bool = False) -> Callable:
        """Compiles the forward pass by itself where replicas must meet after it."""
        if self.loss is not None:
            given, self.loss = self.loss, None  # Keras keeps it through a `compile` without one
            raise ValueError(
                "The objective is the loss: call `compile` without `loss`. "
                f"Received: loss={given!r}."
            )
        self.objective.serve(self)
        self._forward = compiled_forward(self, self.forward)
        xla, self.jit_compile = self.jit_compile, self._forward == self.forward and self.jit_compile
        try:
            return super().make_train_function(self.compiled_functions.stale("fit", self) or force)
        finally:
            self.jit_compile = xla

    def forward(self, batch: Batch, training: bool, **options: Any) -> Terms:
        """Returns what the model makes of a batch, and the sums that its objective is made of."""
        x, y, sample_weight = batch
        outputs = self(x, training=training, **(options or self.levels(x, training)))
        cost = self._own_cost(x, y, outputs)
        sums = self.objective(
            self.target(x), y=y, outputs=outputs, cost=cost, sample_weight=sample_weight
        )
        penalties = [tf.cast(penalty, tf.float32) for penalty in self.losses]
        return Terms(outputs, sums, tf.add_n(penalties) if penalties else tf.zeros([]))

    def score_batch(self, x: Any, y: Any = None, **options: Any) -> dict[str, tf.Tensor]:
        """Returns the cost and what each constraint measures of each example, `[B]`, by name."""
        x, y, _ = self.prepared(Batch.of((x, y)))
        outputs = self(x, training=False, **options)
        scores = self.objective.scores(self.target(x), y, outputs, self._own_cost(x, y, outputs))
        return {self.progress.cost_name: scores.pop("cost"), **scores}

    @property
    def trainable_variables(self) -> list:
        """All trainable variables but those that the objective measures with."""
        return trained(self, self.objective, super().trainable_variables)

    @property
    def trainable_weights(self) -> list:
        """All trainable weights but those that the objective measures with."""
        return trained(self, self.objective, super().trainable_weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        objective = keras.saving.serialize_keras_object(self.objective)
        return {**super().get_config(), "objective": objective, "max_skipped": self.max_skipped}

    def prepared(self, given: Batch) -> Batch:
        """Returns a batch that networks can read: of its shape, and nothing in it missing."""
        batch = given.at_least_one().without_uncounted()
        batch = batch._replace(x=self.checked(batch.x))
        return batch.without_missing(self.target, self.with_target)

    def _own_cost(self, x: Any, y: Any, outputs: Any) -> Any:
        """Returns the model's cost, or `None` where the objective has one."""
        return self.cost(x, y, outputs) if self.objective.cost is None else None

    def _gradients(self, batch: Batch) -> tuple[Terms, tf.Tensor, list]:
        """Returns the terms of the loss, the loss, and its gradients."""
        with tf.GradientTape() as tape:
            terms = self._forward(batch, training=True)
            loss = self.objective.loss(terms.sums) + share(terms.penalty)
            refuse_shared(self, self.objective)
            # Before it is built, an optimizer scales by its first scale for good.
            if not self.optimizer.built:
                outside_of_traces(self.optimizer.build, self.trainable_variables)
            scaled = self.optimizer.scale_loss(loss)
        return terms, loss, tape.gradient(scaled, self.trainable_variables)

    def _applicable(self, loss: tf.Tensor, accept: tf.Tensor) -> tf.Tensor:
        """Returns whether the optimizer sees the gradients.

        A loss-scale optimizer (float16) refuses them itself, and must see them overflow.
        """
        scales = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        return all_finite([loss]) if scales else accept

    def _seen(self, gradients: list, accept: tf.Tensor) -> list:
        """Returns the gradients as the optimizer sees them, all overflown if any is on a replica.

        The loss scale of float16 is judged by what a single replica sees.
        """
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            return gradients
        return [
            None if g is None else tf.where(accept, g, tf.constant(float("inf"), g.dtype))
            for g in gradients
        ]

    def _logs(self, given: Batch, outputs: Any, accept: tf.Tensor) -> dict[str, tf.Tensor]:
        """Updates the user's metrics by an accepted batch, as it was given, and returns all."""
        # Keras's own metric of the loss is never updated; the progress overwrites it.
        users = [m for m in self.metrics if m not in (self.progress, self.watch)]
        none = all(metric.name == "loss" for metric in users)
        if none and type(self).compute_metrics is type(self).base_metrics:
            return logs_of(self.distribute_strategy, self.progress.result())
        x, y, sample_weight = given
        names = []
        # A replica may have no example.
        updates = tf.logical_and(accept, size_of(x) > 0)

        def updated() -> dict:
            results = self.compute_metrics(self.checked(x), y, outputs, sample_weight)
            self.progress.refuse_names_of(users)
            names.extend(results)
            return results

        def left_out() -> dict:
            results = self.get_metrics_result()
            return {name: results.get(name, float("nan")) for name in names or results}

        return logs_of(self.distribute_strategy, tf.cond(updates, updated, left_out))
