"""Train VAEs, and any Keras model, under constraints.

GECO ("Taming VAEs", Rezende and Viola, 2018) replaces the sweep over beta by a tolerance, such
as "reconstruct to an error of 0.1", and finds the weight that it takes while it trains.
"""

from tf_geco import (
    callbacks,
    constraints,
    datasets,
    distributions,
    evaluation,
    models,
    multipliers,
    objectives,
    plotting,
    posteriors,
    theory,
)
from tf_geco.callbacks import GECOCallback
from tf_geco.constraints import Range
from tf_geco.evaluation import tolerance_guide
from tf_geco.models import VAE, ConvDRAW
from tf_geco.objectives import ELBO, GECO
from tf_geco.versions import installed, show_versions

__version__ = installed("tf_geco")
__all__ = [
    "ELBO",
    "GECO",
    "VAE",
    "ConvDRAW",
    "GECOCallback",
    "Range",
    "callbacks",
    "constraints",
    "datasets",
    "distributions",
    "evaluation",
    "models",
    "multipliers",
    "objectives",
    "plotting",
    "posteriors",
    "show_versions",
    "theory",
    "tolerance_guide",
]
