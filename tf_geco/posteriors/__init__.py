"""Posteriors q(z | x) and priors: layers that return a distribution."""

from tf_geco.posteriors.diagonal_normal import DiagonalNormal
from tf_geco.posteriors.posterior import (
    Posterior,
    StandardNormal,
    bounded_normal,
    centre,
    sample_with_kl,
)
from tf_geco.posteriors.real_nvp import RealNVP

__all__ = [
    "DiagonalNormal",
    "Posterior",
    "RealNVP",
    "StandardNormal",
    "bounded_normal",
    "centre",
    "sample_with_kl",
]
