"""Which level of a model has which error: the curve of a range, and the tolerance in use."""

import math
import warnings
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.constraints import Constraint, Range
from tf_geco.objectives.geco import GECO
from tf_geco.objectives.levels import NUMBER, level_where, of_levels
from tf_geco.objectives.sums import Sums
from tf_geco.strategies import add_state


class Curve(GECO):
    """GECO of one constraint with a `tf_geco.Range`: what its levels are worth.

    A level has the error that training gives it. The curve of errors by level is that of training's
    moving averages, or one that was measured since; a tolerance is served where the curve has it.
    """

    def build_state(self, outputs_shape: Any) -> None:
        """Creates the chosen tolerance and the calibrated curve besides."""
        super().build_state(outputs_shape)
        self.chosen = add_state(self, "chosen", (), self.constraints[0].tolerance.middle)
        self.calibrated = add_state(self, "calibrated", (2, NUMBER))
        self.is_calibrated = add_state(self, "is_calibrated", ())

    @property
    def range(self) -> Range | None:
        """The tolerances that are served."""
        return self.constraints[0].tolerance

    @property
    def in_use(self) -> list[Constraint]:
        """The constraint at the tolerance that is chosen."""
        return [self.constraints[0].at(float(self.chosen.numpy()))]

    @property
    def rungs(self) -> list[Constraint]:
        """The constraint at tolerances that are evenly spread over the range, K of them."""
        return [self.constraints[0].at(tolerance) for tolerance in self.tolerances()]

    def tolerances(self, number: int = NUMBER) -> list[float]:
        """Returns tolerances, the strictest first."""
        spread = self.constraints[0].tolerance.tolerances(number)
        return spread if self.constraints[0].form == "<=" else spread[::-1]

    def curve(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns reading and cost at each of the K levels, `[K]` each; NaN before the first step.

        They are those of training's moving averages, or those that the model was calibrated by.
        """
        calibrated = tf.convert_to_tensor(self.state_of("calibrated"))
        known = tf.convert_to_tensor(self.is_calibrated) > 0.0
        mean, cost = tf.unstack(tf.where(known, calibrated, self._curve(self.averaged)))
        return self.constraints[0].reading(mean), cost

    def level(self, tolerance: Any) -> tf.Tensor:
        """Returns the level at which a tolerance is met: where the curve has it.

        The strictest if none meets it; before there is a curve, by its place in the range.
        """
        tolerance = tf.cast(tolerance, tf.float32)
        strict, loose = self.tolerances(2)
        share = tf.math.log(tolerance / strict) / math.log(loose / strict)
        place = 2.0 * tf.clip_by_value(share, 0.0, 1.0) - 1.0
        sign = self.constraints[0]._sign
        readings = sign * self.curve()[0]
        known = tf.reduce_all(tf.math.is_finite(readings))
        return tf.where(known, level_where(sign * tolerance, readings), place)

    def calibrate(self, sums: Sums) -> None:
        """Takes the curve that was measured elsewhere, in the sums of all levels.

        Raises:
            ValueError: If an entry is not known or not finite.
        """
        if not self.is_curve(sums):
            raise ValueError(
                "To calibrate, some of the data must count, and what counts must be finite: mark "
                f"missing values by `y['mask']`. Received: errors of {self._curve(sums)[0].numpy()}"
                " at the levels."
            )
        self.calibrated.assign(self._curve(sums))
        self.is_calibrated.assign(1.0)

    def is_curve(self, sums: Sums) -> bool:
        """Returns whether sums say what constraint and cost are at each level."""
        return bool(np.isfinite(self._curve(sums)).all())

    def _curve(self, sums: Sums) -> tf.Tensor:
        """Returns the means of constraint and cost at the levels, `[2, K]`."""
        return tf.stack(of_levels(sums.means))

    def state_loaded(self) -> None:
        """Serves the middle of the range if a file of another range served something else."""
        served, asked = float(self.chosen.numpy()), self.constraints[0].tolerance
        if not asked.holds(served):
            self.chosen.assign(asked.middle)
            warnings.warn(
                f"The file is of a model that serves {served:g}, which is not within {asked}: "
                f"`model.tolerance` is {asked.middle:g} now. Received: weights of another range.",
                stacklevel=2,
            )
