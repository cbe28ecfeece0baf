"""The measures of the paper: likelihood, average and marginal KL, the information plane."""

from tf_geco.evaluation.average_kl import average_kl
from tf_geco.evaluation.estimate import Estimate
from tf_geco.evaluation.information_plane import InformationPlane, information_plane
from tf_geco.evaluation.likelihood import Likelihood, optimal_sigma, quantized_nll
from tf_geco.evaluation.marginal_kl import MarginalKL, marginal_kl
from tf_geco.evaluation.tolerance_guide import ToleranceGuide, tolerance_guide

__all__ = [
    "Estimate",
    "InformationPlane",
    "Likelihood",
    "MarginalKL",
    "ToleranceGuide",
    "average_kl",
    "information_plane",
    "marginal_kl",
    "optimal_sigma",
    "quantized_nll",
    "tolerance_guide",
]
