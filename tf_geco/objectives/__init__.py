"""Objectives: the terms of a batch -> loss, and the state that training moves."""

from tf_geco.objectives.elbo import ELBO
from tf_geco.objectives.every_tolerance import EveryTolerance
from tf_geco.objectives.geco import GECO
from tf_geco.objectives.objective import Objective

__all__ = ["ELBO", "GECO", "EveryTolerance", "Objective"]
