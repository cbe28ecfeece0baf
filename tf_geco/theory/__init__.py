"""The theory of "Taming VAEs", computable for a small data set."""

from tf_geco.theory.fixed_points import FixedPoints, fixed_points
from tf_geco.theory.phase_transitions import (
    PhaseTransitions,
    first_critical_temperature,
    phase_transitions,
)

__all__ = [
    "FixedPoints",
    "PhaseTransitions",
    "first_critical_temperature",
    "fixed_points",
    "phase_transitions",
]
