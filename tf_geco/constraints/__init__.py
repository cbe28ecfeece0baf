"""Constraints: what must hold in expectation, E[C(x, g(z))] <= 0."""

from tf_geco.constraints.classification import ClassificationAccuracy
from tf_geco.constraints.constraint import Constraint
from tf_geco.constraints.divergence import KLDivergence
from tf_geco.constraints.features import FeatureReconstructionError, LocalStatistics
from tf_geco.constraints.function import FunctionConstraint, between, equal_to, from_function
from tf_geco.constraints.likelihood import NegativeLogLikelihood
from tf_geco.constraints.patches import PatchNCC
from tf_geco.constraints.range import Range
from tf_geco.constraints.reconstruction import ReconstructionError
from tf_geco.constraints.values import Measured, straight_through

__all__ = [
    "ClassificationAccuracy",
    "Constraint",
    "FeatureReconstructionError",
    "FunctionConstraint",
    "KLDivergence",
    "LocalStatistics",
    "Measured",
    "NegativeLogLikelihood",
    "PatchNCC",
    "Range",
    "ReconstructionError",
    "between",
    "equal_to",
    "from_function",
    "straight_through",
]
