"""Training: the Keras model that minimises an objective, and what happens around its steps."""

from tf_geco.training.objective_model import ObjectiveModel

__all__ = ["ObjectiveModel"]
