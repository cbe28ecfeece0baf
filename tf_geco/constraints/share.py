"""Constraints on a share, which is at most 1."""

from typing import Any

from tf_geco.constraints.constraint import Constraint


class Share(Constraint):
    """A share of at least `tolerance`: what is missing to 1, over what may be missing to it."""

    kind = "share"

    def check_tolerance(self, tolerance: Any, name: str = "tolerance") -> float:
        """Returns the tolerance as a float between 0 and 1."""
        tolerance = super().check_tolerance(tolerance, name)
        if tolerance >= 1:
            raise ValueError(
                f"`tolerance` is a {self.kind}: between 0 and 1. Received: tolerance={tolerance}."
            )
        return tolerance

    def scale(self, step: Any = 0) -> Any:
        """Returns 1 - kappa, what may be missing."""
        return 1.0 - self.tolerance_at(step)

    @property
    def is_ratio(self) -> bool:
        """Yes: what is missing to 1, over what may be missing."""
        return True
