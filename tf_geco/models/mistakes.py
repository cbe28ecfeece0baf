"""Wishes of a latent variable model that cannot have been meant."""

import warnings
from typing import Any

from tf_geco.constraints import KLDivergence
from tf_geco.objectives import Objective


def refuse_only_kl(objective: Objective) -> None:
    """Raises an error if the KL is both what is minimised and all that is asked for."""
    names = [constraint.name for constraint in objective.asked]
    if objective.cost is None and all(isinstance(c, KLDivergence) for c in objective.asked):
        raise ValueError(
            "Nothing asks for reconstructions: the KL is the cost, and the constraint. Say what to "
            "minimise: `GECO([KLDivergence(...)], cost=ReconstructionError(...))`. "
            f"Received: constraints={names}, cost=None."
        )


def warn_of_unread_labels(objective: Objective, x: Any, y: Any) -> None:
    """Warns of labels in the shape of the data that no constraint looks at."""
    if any(constraint.reads_labels for constraint in objective.constraints):
        return
    shape = tuple(getattr(y, "shape", ()))
    if len(shape) > 1 and shape[1:] == tuple(x.shape[1:]):
        warnings.warn(
            "`y` has the shape of the data, and is not used: reconstructions are compared with "
            "`x`. To take noise away, give the clean data as `x`, and let the encoder begin with "
            f"noise, such as `keras.layers.GaussianNoise`. Received: y of shape {shape}.",
            stacklevel=2,
        )
