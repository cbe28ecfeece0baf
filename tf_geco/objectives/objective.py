"""What every objective has in common: sums of a batch, loss, and state that training moves."""

import weakref
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_geco.checks import is_word
from tf_geco.configs import rebuilt
from tf_geco.constraints import Constraint
from tf_geco.constraints.values import known_values, per_example
from tf_geco.multipliers.pace import planned_decay
from tf_geco.objectives.arguments import checked_constraints, checked_decay
from tf_geco.objectives.asking import Asking
from tf_geco.objectives.saved import Saved
from tf_geco.objectives.sums import Sums
from tf_geco.strategies import add_state, finite


class Objective(Asking, Saved):
    """What is minimised: a loss of what a batch sums up to, and state that each step updates.

    A training step of anyone's own calls it on a batch, then:

    ```python
    sums = objective(x, y=y, outputs=outputs, cost=cost)
    loss = objective.loss(sums)
    # ... gradients, optimizer ...
    objective.update(sums)
    ```

    Under a strategy call all three in the replicas' context: the loss is then that of the whole
    batch, and its gradient each replica's share. All state is Keras weights.

    Args:
        constraints: The constraints, L of them.
        decay: Decay per step of the moving averages, or `"auto"`: by the length of training.
        name: Name of the layer.

    Call arguments:
        x: Data, `[B, ...]`.
        y: Labels, if any.
        outputs: What the model returned for `x`.
        cost: What to minimise for each example, `[B]`, such as the KL in nats; or a pair of values
            and of how much each counts.
        sample_weight: Weights of the examples, `[B]`.

    Raises:
        ValueError: If there is no constraint, two have one name, or `decay` is not in [0, 1).
    """

    def __init__(
        self,
        constraints: Sequence[Constraint],
        *,
        decay: float | str,
        name: str | None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(name=name, **kwargs)
        self.constraints = list(checked_constraints(constraints))
        self.decay = checked_decay(decay)
        self._owner: Any = None

    def serve(self, model: Any, serves_range: bool = True) -> None:
        """Binds the objective to the one model that it trains.

        Args:
            model: The model.
            serves_range: Whether it can serve a range of tolerances.

        Raises:
            ValueError: If the objective holds the state of another, or has a range for a model
                that cannot serve one.
        """
        if self.range is not None and not serves_range:
            raise ValueError(
                "A `tf_geco.Range` of tolerances needs a `tf_geco.VAE`, which has gates for it. "
                f"Received: a {type(model).__name__}, and {self.range!r}."
            )
        taken = self._owner is not None and self._owner() is not model
        if taken and self.built:
            raise ValueError(
                "This objective belongs to another model, whose multipliers it holds: make a new "
                f"one. Received: objective={self.name!r}, after {self.steps_taken} steps."
            )
        self._owner = weakref.ref(model)

    def build(
        self,
        x_shape: Any,
        y_shape: Any = None,
        outputs_shape: Any = None,
        cost_shape: Any = None,
        sample_weight_shape: Any = None,
    ) -> None:
        """Builds the constraints and creates the state."""
        for constraint in [*self.constraints, *([] if self.cost is None else [self.cost])]:
            constraint.build_once(x_shape, y_shape, outputs_shape)
        self.build_plan()
        self.averages = add_state(self, "averages", (2, self.entries))
        self.pending = add_state(self, "pending", (2, self.entries))
        self.pending_batches = add_state(self, "pending_batches", (), dtype="int64")
        self.build_state(outputs_shape)
        self.take_loaded()

    def build_state(self, outputs_shape: Any) -> None:
        """Creates the state that a subclass has besides."""

    def call(
        self,
        x: Any,
        y: Any = None,
        outputs: Any = None,
        cost: Any = None,
        sample_weight: tf.Tensor | None = None,
    ) -> Sums:
        """Returns the sums of a batch."""
        measured = [constraint(x, y=y, outputs=outputs) for constraint in self.constraints]
        values, counts = map(list, zip(*measured, strict=True))
        cost_values, cost_counts = self._cost(x, y, outputs, cost)
        if cost_values is None:
            cost_values = cost_counts = tf.zeros_like(values[0])
        if sample_weight is not None:
            sample_weight = per_example(sample_weight, "`sample_weight` must hold")
        return Sums.of([*values, cost_values], [*counts, cost_counts], sample_weight)

    def _cost(self, x: Any, y: Any, outputs: Any, cost: Any) -> tuple[Any, Any]:
        """Returns what the cost is made of and how much it counts: the given, or the own one's."""
        if self.cost is not None:
            return self.cost(x, y=y, outputs=outputs)
        given = cost if isinstance(cost, tuple) else (cost, None)
        pairs = zip(given, ("The cost must hold", "The cost must count by"), strict=True)
        values, counts = (part if part is None else per_example(part, who) for part, who in pairs)
        return values, counts

    def scores(self, x: Any, y: Any, outputs: Any, cost: Any) -> dict[str, tf.Tensor]:
        """Returns the cost and each constraint's reading by name, of each example, `[B]`.

        What an example does not count for is NaN.
        """
        cost_values = known_values(*self._cost(x, y, outputs, cost))
        found = {"cost": self.cost_of([cost_values])}
        for constraint in self.constraints:
            measured = constraint(x, y=y, outputs=outputs)
            found[constraint.name] = constraint.reading(known_values(*measured))
        return found

    def loss(self, sums: Sums) -> tf.Tensor:
        """Returns the loss of a batch, a scalar."""
        return self.value(sums.over_replicas())

    def value(self, sums: Sums) -> tf.Tensor:
        """Returns the objective of sums over anything: a batch, an epoch, a whole evaluation."""
        raise NotImplementedError

    def update(self, sums: Sums, accept: tf.Tensor | bool = True, micro_batches: int = 1) -> None:
        """Takes one step of the state, from the sums of all replicas.

        A batch whose sums are not finite, or in which no example counts, changes nothing.

        Args:
            sums: Of this replica.
            accept: Boolean scalar; if it is false, nothing changes.
            micro_batches: How many batches make one step, as the optimizer's
                `gradient_accumulation_steps`.
        """
        sums = sums.over_replicas()
        if micro_batches > 1:
            sums, accept = self._accumulate(sums, accept, micro_batches)
        accept = tf.logical_and(accept, tf.reduce_any(sums.known))
        old = self.averaged
        averages = sums.averaged_into(old, self.present_decay)
        first = tf.logical_and(averages.known, tf.logical_not(old.known))[: len(self.asked)]
        state = {"averages": averages.stacked(), **self.next_state(averages, first)}
        accept = tf.logical_and(accept, finite(list(state.values())))
        for name, value in state.items():
            weight = getattr(self, name)
            weight.assign(tf.where(accept, value, weight))
        self.step.assign_add(tf.cast(accept, tf.int64))

    def _accumulate(self, sums: Sums, accept: tf.Tensor, number: int) -> tuple[Sums, tf.Tensor]:
        """Returns the sums of all micro-batches since the last step, and whether they make one."""
        accept = tf.logical_and(accept, finite([sums.totals]))
        total = self.pending + tf.where(accept, sums.stacked(), 0.0)
        batches = self.pending_batches + tf.cast(accept, tf.int64)
        due = batches >= number
        self.pending.assign(tf.where(due, 0.0, total))
        self.pending_batches.assign(tf.where(due, tf.zeros_like(batches), batches))
        return Sums.unstacked(total), tf.logical_and(accept, due)

    def state_of(self, name: str) -> Any:
        """Returns a weight of the state by name.

        Raises:
            ValueError: If the objective has not seen a batch, and so has no state.
        """
        if not self.built:
            raise ValueError(
                f"The objective {self.name!r} has no state yet: call it, or its model, on a batch."
            )
        return getattr(self, name)

    @property
    def present_decay(self) -> Any:
        """Decay of the moving averages at this step, a number or a scalar."""
        return planned_decay(self.planned_steps) if is_word(self.decay, "auto") else self.decay

    @property
    def averaged(self) -> Sums:
        """The moving averages of the sums."""
        return Sums.unstacked(tf.convert_to_tensor(self.state_of("averages")))

    @property
    def cost_average(self) -> tf.Tensor:
        """The moving average of the cost, a scalar; NaN before the first step."""
        return self.cost_of(self.averaged.means)

    def cost_of(self, means: Any) -> tf.Tensor:
        """Returns the cost, of means `[L + 1]`: the last, or what the own cost makes of it."""
        if self.cost is None:
            return means[-1]
        return self.cost.weight(self.step) * self.cost.violation(means[-1], self.step)

    def readings(self, sums: Sums, training: bool = True) -> dict[str, tf.Tensor]:
        """Returns what each constraint measured on average, in its own unit, by name."""
        means = tf.unstack(sums.means, num=self.entries)[: len(self.asked)]
        every = zip(self.names, self.asked, means, strict=True)
        return {name: constraint.reading(mean) for name, constraint, mean in every}

    def violations(self, sums: Sums | None = None) -> tf.Tensor:
        """Returns the violations of sums, `[L]`, by default C_ma; NaN if nothing is asked for."""
        return tf.fill([len(self.constraints)], float("nan"))

    def next_state(self, averages: Sums, first: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the next values of the further weights that a step changes, by attribute."""
        return {}

    def measure_gap(self, sums: Sums) -> None:
        """Learns from the sums of a validation; most objectives do not."""

    def verdict(self, sums: Sums) -> dict[str, tf.Tensor]:
        """Returns `{"feasible": 1 or 0}` if the objective asks for something."""
        return {}

    def logs(self) -> dict[str, tf.Tensor]:
        """Returns the scalars of the state that are worth a line in the logs, by name."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "decay": self.decay}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Objective":
        """Makes the objective that `get_config` described."""
        return rebuilt(cls, config)
