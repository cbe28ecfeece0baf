"""What every objective has in common: violations, loss, and state that training moves."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_geco.constraints import Constraint
from tf_geco.multipliers import moving_average
from tf_geco.replicas import replica_sum


class Objective(keras.layers.Layer):
    """What is minimised: a loss of (cost, violations), and state that each step updates.

    Call it on a batch to get the violations `[B, L]`, then:

    ```python
    violations = objective(x, y=y, outputs=outputs)
    loss = objective.loss(cost, violations)
    # ... gradients, optimizer ...
    objective.update(violations)
    ```

    All state is Keras weights: saved, restored, mirrored by strategies.

    Args:
        constraints: The constraints, whose violations are the columns of `[B, L]`.
        decay: Decay per step of the moving averages.
        name: Name of the layer.

    Raises:
        ValueError: If there is no constraint, if two have the same name, or if `decay` is not in
            [0, 1).
    """

    cost: Constraint | None = None

    def __init__(
        self, constraints: Sequence[Constraint], *, decay: float, name: str | None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(name=name, **kwargs)
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must be at least 0 and below 1. Received: decay={decay}.")
        self.constraints = list(_checked(constraints))
        self.decay = float(decay)

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Builds the constraints and creates the state."""
        for constraint in self.constraints:
            if not constraint.built:
                constraint.build(x_shape, y_shape, outputs_shape)
        if self.cost is not None and not self.cost.built:
            self.cost.build(x_shape, y_shape, outputs_shape)
        self.step = self.add_state("step", (), dtype="int64")
        self.averages = self.add_state("averages", (len(self.constraints) + 1,))

    def add_state(self, name: str, shape: tuple, value: Any = 0, dtype: str = "float32") -> Any:
        """Returns a new weight that `update` moves and the optimizer does not."""
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=dtype,
            initializer=lambda shape, dtype: tf.broadcast_to(tf.cast(value, dtype), shape),
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def call(self, x: Any, y: Any = None, outputs: Any = None) -> tf.Tensor:
        """Returns the violations of a batch, `[B, L]`."""
        columns = [constraint(x, y=y, outputs=outputs) for constraint in self.constraints]
        for constraint, column in zip(self.constraints, columns, strict=True):
            if column.shape.rank != 1:
                raise ValueError(
                    f"Constraint '{constraint.name}' must return one violation per example, [B]. "
                    f"Received: a tensor of shape {tuple(column.shape)}."
                )
        return tf.stack([tf.cast(column, tf.float32) for column in columns], axis=1)

    def loss(
        self, cost: tf.Tensor, violations: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns the loss of a batch, a scalar.

        Args:
            cost: What to minimise for each example, `[B]`, such as the KL in nats.
            violations: `[B, L]`.
            sample_weight: Weights of the examples, `[B]`.
        """
        return self.loss_by_sums(weighted_sums(cost, violations, sample_weight))

    def loss_by_sums(self, sums: tf.Tensor) -> tf.Tensor:
        """Returns the loss of a batch, from its `weighted_sums`."""
        means = sums[:-1] / sums[-1]
        return self.loss_of_means(means[:-1], means[-1])

    def loss_of_means(self, violation: tf.Tensor, cost: tf.Tensor) -> tf.Tensor:
        """Returns the loss of a batch, from its mean violations `[L]` and its mean cost."""
        raise NotImplementedError

    def update(
        self,
        violations: tf.Tensor,
        cost: tf.Tensor | None = None,
        sample_weight: tf.Tensor | None = None,
        accept: tf.Tensor | bool = True,
    ) -> None:
        """Takes one step of the state, from the violations of all replicas.

        A batch whose mean violation is not finite changes nothing.

        Args:
            violations: `[B, L]`.
            cost: `[B]`, for `cost_average`.
            sample_weight: Weights of the examples, `[B]`.
            accept: Boolean scalar; if it is false, nothing changes.
        """
        cost = tf.zeros_like(violations[:, 0]) if cost is None else cost
        self.update_by_sums(weighted_sums(cost, violations, sample_weight), accept)

    def update_by_sums(self, sums: tf.Tensor, accept: tf.Tensor | bool = True) -> None:
        """Takes one step of the state, from this replica's `weighted_sums`."""
        sums = replica_sum(sums)
        means = sums[:-1] / sums[-1]
        accept = tf.logical_and(accept, tf.math.is_finite(tf.reduce_sum(means)))
        first = tf.equal(self.step, 0)
        averages = moving_average(tf.convert_to_tensor(self.averages), means, self.decay, first)
        state = {"averages": averages, **self.next_state(averages[:-1], first)}
        for name, value in state.items():
            weight = getattr(self, name)
            weight.assign(tf.where(accept, value, weight))
        self.step.assign_add(tf.cast(accept, tf.int64))
        for constraint in self.constraints:
            constraint.follow(tf.convert_to_tensor(self.step))

    def plan(self, steps: int) -> None:
        """Says how many steps of training there will be from now on. `fit` says it by itself.

        Args:
            steps: Number of steps to come.
        """

    @property
    def moving_average(self) -> tf.Tensor:
        """C_ma, `[L]`."""
        return self.averages[:-1]

    @property
    def cost_average(self) -> tf.Tensor:
        """The moving average of the cost, a scalar."""
        return self.averages[-1]

    def own_cost(self, x: Any, y: Any, outputs: Any) -> tf.Tensor | None:
        """Returns the cost of each example that replaces the model's, `[B]`, if there is one."""
        if self.cost is None:
            return None
        return self.cost(x, y=y, outputs=outputs) * (self.cost.nats / self.cost.scale)

    def next_state(self, average: tf.Tensor, first: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the next values of the further weights that a step changes, by attribute."""
        return {}

    def logs(self) -> dict[str, tf.Tensor]:
        """Returns the scalars of the state that are worth a line in the logs, by name."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "decay": self.decay}


def weighted_sums(
    cost: tf.Tensor, violations: tf.Tensor, sample_weight: tf.Tensor | None
) -> tf.Tensor:
    """Returns the sums over a batch of violations, cost and weights, `[L + 2]`.

    Args:
        cost: `[B]`.
        violations: `[B, L]`.
        sample_weight: `[B]`, or `None` for equal weights.
    """
    cost = tf.cast(cost, tf.float32)[:, tf.newaxis]
    terms = tf.concat([tf.cast(violations, tf.float32), cost, tf.ones_like(cost)], axis=1)
    if sample_weight is not None:
        terms *= tf.reshape(tf.cast(sample_weight, tf.float32), [-1, 1])
    return tf.reduce_sum(terms, axis=0)


def _checked(constraints: Sequence[Constraint]) -> Sequence[Constraint]:
    if not isinstance(constraints, list | tuple) or not constraints:
        raise ValueError(
            "`constraints` must be a list of at least one `tf_geco.constraints.Constraint`. "
            f"Received: constraints={constraints!r}."
        )
    for constraint in constraints:
        if not isinstance(constraint, Constraint):
            raise ValueError(
                "`constraints` must hold `tf_geco.constraints.Constraint` objects. "
                f"Received: {constraint!r}."
            )
    names = [constraint.name for constraint in constraints]
    if len(set(names)) < len(names):
        raise ValueError(
            "Two constraints have the same name; give one another `name`, because the logs tell "
            f"them apart by it. Received: names={names}."
        )
    return constraints
