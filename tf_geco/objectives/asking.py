"""What an objective asks for, one tolerance each."""

from typing import Any

import tensorflow as tf

from tf_geco.constraints import Constraint, Range
from tf_geco.objectives.sums import Sums


class Asking:
    """Views of the constraints that an objective was given.

    Attributes:
        constraints: As they were given.
        cost: The constraint that is minimised instead of the model's own cost, if any.
        gap: How tolerances hold on validation data, if they do.
    """

    constraints: list[Constraint]
    cost: Constraint | None = None
    gap: Any = None

    @property
    def range(self) -> Range | None:
        """The range of tolerances that is served, if any."""
        return None

    @property
    def asked(self) -> list[Constraint]:
        """The constraints, L of them, each with one tolerance."""
        return self.constraints

    @property
    def in_use(self) -> list[Constraint]:
        """The constraints at the tolerances with which the model is used."""
        return self.constraints

    @property
    def names(self) -> list[str]:
        """The names of what is asked, `[L]`."""
        return [constraint.name for constraint in self.constraints]

    @property
    def entries(self) -> int:
        """How many sums there are: one for each constraint, and last the cost."""
        return len(self.constraints) + 1

    def knows(self, sums: Sums) -> tf.Tensor:
        """Returns whether sums of an evaluation say all that its value is made of."""
        return tf.reduce_all(sums.known)
