"""Wishes of a latent variable model that cannot have been meant."""

import warnings
from typing import Any

from tf_geco.constraints import KLDivergence
from tf_geco.objectives import Objective


def refuse_only_kl(objective: Objective, *, is_cost: bool) -> None:
    """Raises an error if the KL is both what is minimised and all that is asked for.

    Args:
        objective: The objective.
        is_cost: Whether the model's own cost is the KL.
    """
    names = [constraint.name for constraint in objective.asked]
    only = all(isinstance(constraint, KLDivergence) for constraint in objective.asked)
    if is_cost and only and objective.cost is None:
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
            "`x`. If it is `x` again, leave it out. If it is clean data, give it as `x`, and let "
            "the encoder begin with the noise, such as `keras.layers.GaussianNoise`. "
            f"Received: y of shape {shape}.",
            stacklevel=2,
        )
