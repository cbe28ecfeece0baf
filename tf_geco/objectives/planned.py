"""How many steps a training has taken and will take: what rules take as their clock."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.strategies import add_state

MOST_ALONE = 100  # steps of the decoder, of a long training or one of unknown length


class Planned(keras.layers.Layer):
    """A layer that counts the steps of its training and knows when that is to end.

    Attributes:
        step: Number of steps taken, an int64 weight.
        planned_steps: Step at which training is planned to end, an int64 weight; 0 if not known.
        counts_steps: Whether training is known to call `update`: by our step, or a planned one.
    """

    counts_steps = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._plan = (0, 0)  # before there is state: planned end, and the end planned by hand

    def build_plan(self) -> None:
        """Creates the state."""
        planned, by_hand = self._plan
        self.step = add_state(self, "step", (), dtype="int64")
        self.planned_steps = add_state(self, "planned_steps", (), planned, dtype="int64")
        self.planned_by_hand = add_state(self, "planned_by_hand", (), by_hand, dtype="int64")

    @property
    def steps_taken(self) -> int:
        """Number of steps taken, 0 before there is state."""
        return int(self.step.numpy()) if self.built else 0

    def plan(self, steps: int) -> None:
        """Says how many steps of training there will be from now on.

        A rule may take it as a time scale: the default reaches a distant tolerance after about half
        of a training. `fit` says it by itself, unless this was called and those steps are not over:
        call it before a loop of many short `fit`s, or in a training loop of your own.

        Args:
            steps: Number of steps to come.
        """
        self.counts_steps = True
        end = self.steps_taken + positive_integer(steps, "steps")
        self._set_plan(end, end)

    def expect(self, steps: int) -> None:
        """Takes the number of steps that `fit` knows of, 0 for none, if nobody has planned."""
        by_hand = int(self.planned_by_hand.numpy()) if self.built else self._plan[1]
        if self.steps_taken >= by_hand:
            self._set_plan(self.steps_taken + steps if steps else 0, by_hand)

    def with_head_start(self, *encoded: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns what an encoder made, of which it learns nothing in the first T / 20 steps.

        The decoder learns alone then, 100 steps at most: to the mean example, whatever the latents.
        Else all examples pull the latents there, all the same way, and with an optimizer's first
        full steps they pull on until most units of a narrow layer of ReLUs are dead.

        Args:
            *encoded: Tensors that are returned as they are, but without a gradient at first.
        """
        if not self.counts_steps:
            return encoded
        planned = tf.convert_to_tensor(self.planned_steps)
        steps = tf.where(planned > 0, tf.minimum(planned // 20, MOST_ALONE), MOST_ALONE)
        learns = self.step >= steps
        return tuple(tf.where(learns, part, tf.stop_gradient(part)) for part in encoded)

    def _set_plan(self, end: int, by_hand: int) -> None:
        """Keeps the step at which training ends, which rules take as a time scale."""
        self._plan = (end, by_hand)
        if self.built:
            self.planned_steps.assign(end)
            self.planned_by_hand.assign(by_hand)
