"""The gap: by how much a model does worse in validation than in training, kept with its weights."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_geco.constraints import Constraint
from tf_geco.objectives.generalisation import (
    Nearest,
    ceiling,
    followed,
    in_vain,
    nearest_after,
    since,
    trust,
)
from tf_geco.objectives.means import errors, signs, violations
from tf_geco.objectives.sums import Sums
from tf_geco.strategies import add_state

LEAST = 0.1  # a gap below zero leaves at least so much of a ratio of measured to allowed


class Gap(keras.layers.Layer):
    """By how much training must aim lower, so that the constraints hold on validation data.

        gap = smoothed (C of the validation - C of training since the last validation)

    It is written outside of the steps, after each validation, and read in them.
    """

    def __init__(self) -> None:
        super().__init__(name="gap", dtype="float32")

    def build(self, size: int) -> None:
        """Creates the state of L constraints."""
        self.value = add_state(self, "value", (size,))
        # Of the last validation: averages and step of training, and its sums.
        self.averages = add_state(self, "averages", (2, size + 1))
        self.step = add_state(self, "step", (), dtype="int64")
        self.sums = add_state(self, "sums", (2, size + 1))
        self.nearest = add_state(self, "nearest", (4, size), [[np.nan]] * 3 + [[0.0]])
        self.ceiling = add_state(self, "ceiling", (size,), np.inf)
        self.built = True

    @property
    def validated(self) -> Sums:
        """The sums of the last validation; they count nothing before the first."""
        return Sums.unstacked(tf.convert_to_tensor(self.sums))

    @property
    def known(self) -> tf.Tensor:
        """The gap `[L]`; NaN where the last validation says nothing of a constraint."""
        known = self.validated.known[:-1]
        return tf.where(known, self.value, float("nan"))

    @property
    def vain(self) -> np.ndarray:
        """For which constraints validation no longer answers, so that lambda rises no further."""
        return in_vain(Nearest(*self.nearest.numpy()))

    def seen(self, of: Sequence[Constraint], means: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns the means `[L]` that the rule sees: those of training, moved by the gap."""
        parts = tf.unstack(means, num=len(of))
        gaps = tf.unstack(tf.convert_to_tensor(self.value), num=len(of))
        return tf.stack([_moved(*part, step) for part in zip(of, parts, gaps, strict=True)])

    def measure(
        self,
        of: Sequence[Constraint],
        validated: Sums,
        averaged: Sums,
        *,
        effort: np.ndarray,
        held: np.ndarray,
        step: int,
        decay: float,
    ) -> None:
        """Learns from a validation.

        Args:
            of: The constraints.
            validated: Its sums.
            averaged: The moving averages of training.
            effort: log lambda, `[L]`.
            held: Which constraints held in it, boolean `[L]`.
            step: Steps taken.
            decay: That of C_ma since the last validation; the gap has its memory.
        """
        means, averages = validated.means.numpy()[:-1], averaged.stacked().numpy()
        steps = step - int(self.step.numpy())
        recent, known = since(averages[:, :-1], self.averages.numpy()[:, :-1], decay, steps)
        now = violations(of, means, step).numpy()
        rate = (1.0 - decay**steps) * self._trust(of, averaged, step, decay)
        gap = followed(self.value.numpy(), violations(of, recent, step).numpy(), now, rate)
        training = averaged.means.numpy()[:-1]
        validation = training + signs(of) * gap
        here = Nearest(validation, training, effort, np.zeros_like(gap))
        nearest = self._nearest(of, here, (known & np.isfinite(means), held), step)
        self.value.assign(gap)
        self.nearest.assign(np.stack(nearest))
        self.ceiling.assign(ceiling(nearest))
        self.averages.assign(averages)
        self.step.assign(step)
        self.sums.assign(validated.stacked())

    def _trust(
        self, of: Sequence[Constraint], averaged: Sums, step: int, decay: float
    ) -> np.ndarray:
        """Returns how far the averages of training say what training measures now, `[L]`."""
        before = Sums.unstacked(tf.convert_to_tensor(self.averages)).means[:-1]
        then, now = (errors(of, part, step).numpy() for part in (before, averaged.means[:-1]))
        return trust(then, now, decay, step - int(self.step.numpy()))

    def _nearest(
        self,
        of: Sequence[Constraint],
        now: Nearest,
        judged: tuple[np.ndarray, np.ndarray],
        step: int,
    ) -> Nearest:
        """Returns the nearest validation after this one."""
        before = Nearest(*self.nearest.numpy())
        means = (before.validation, before.training, now.validation, now.training)
        seen = tuple(errors(of, part, step).numpy() for part in means)
        return nearest_after(before, now, seen, *judged)


def _moved(constraint: Constraint, mean: tf.Tensor, gap: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """Returns the mean whose violation is more by the gap.

    A ratio is never moved to zero, where its logarithm would end: what is measured may fall faster
    than a gap below zero is measured anew.
    """
    if constraint.is_ratio:
        whole = constraint.violation(mean, step) + constraint.scale(step)
        gap = tf.maximum(gap, (LEAST - 1.0) * whole)
    return mean + float(signs([constraint])[0]) * gap
