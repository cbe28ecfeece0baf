"""The measures of the paper: likelihood, average and marginal KL, the information plane."""

from tf_geco.evaluation.clusters import NLLGuide, nll_guide
from tf_geco.evaluation.compression import average_kl
from tf_geco.evaluation.coverage import MarginalKL, marginal_kl
from tf_geco.evaluation.estimate import Estimate
from tf_geco.evaluation.guide import ToleranceGuide, tolerance_guide
from tf_geco.evaluation.likelihood import Likelihood, least_nll, optimal_sigma, quantized_nll
from tf_geco.evaluation.plane import InformationPlane, information_plane
from tf_geco.evaluation.tradeoff import RateDistortion, rate_distortion
from tf_geco.evaluation.verdicts import Check, Finding, check

__all__ = [
    "Check",
    "Estimate",
    "Finding",
    "InformationPlane",
    "Likelihood",
    "MarginalKL",
    "NLLGuide",
    "RateDistortion",
    "ToleranceGuide",
    "average_kl",
    "check",
    "information_plane",
    "least_nll",
    "marginal_kl",
    "nll_guide",
    "optimal_sigma",
    "quantized_nll",
    "rate_distortion",
    "tolerance_guide",
]
