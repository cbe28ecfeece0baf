"""Constraints on each value of an example, which are worth nats in proportion to their number."""

from typing import Any

import tensorflow as tf

from tf_geco.constraints.constraint import Constraint

OVERCOMPLETE, FEW_LATENTS = 0.05, 0.03


class Sized(Constraint):
    """A constraint that is worth half a nat for each of the D values of an example it looks at.

    `build` sets `size`, which is D.
    """

    size: int | None = None

    reads_labels = False

    @property
    def is_likelihood(self) -> bool:
        """Yes: of a normal distribution with sigma = kappa."""
        return True

    def nats(self, step: Any = 0) -> float:
        """Returns D / 2."""
        return size_of(self) / 2

    def first_multiplier(self, latents: int | None) -> float:
        """Returns d / D, the least that a linear Gaussian model of d latents needs; at least 0.03.

        Far below 0.03 all latents collapse at first. Where d >= D, or is not known: 0.05.
        """
        share = 1.0 if latents is None else latents / size_of(self)
        return max(share, FEW_LATENTS) if share < 1.0 else OVERCOMPLETE


class SquaredError(Sized):
    """A mean squared error of at most kappa^2, which people read as its root."""

    def bound(self, step: Any = 0) -> Any:
        """Returns kappa^2."""
        return self.tolerance_at(step) ** 2

    def reading(self, mean: Any) -> Any:
        """Returns the root-mean-square error, in the unit of the tolerance."""
        return tf.sqrt(tf.maximum(mean, 0.0))


def size_of(constraint: Any) -> int:
    """Returns D, the number of values of an example, or says that it is not known yet."""
    if constraint.size is None:
        raise ValueError(f"Constraint '{constraint.name}' is not built yet: call it on data first.")
    return constraint.size
