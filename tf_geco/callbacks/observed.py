"""What a callback reads of a model."""

import keras

from tf_geco.objectives.objective import Objective
from tf_geco.objectives.sums import Sums
from tf_geco.training.progress import Progress


def sums_of(model: keras.Model) -> Sums | None:
    """Returns the sums of a model's epoch or evaluation; `None` of one with a loop of its own."""
    progress = getattr(model, "progress", None)
    return progress.seen if isinstance(progress, Progress) else None


def objective_of(model: keras.Model) -> Objective:
    """Returns the objective of a model, under whatever name it has there.

    Raises:
        ValueError: If the model has none, or several.
    """
    parts = [getattr(model, "objective", None), *model.layers]
    found = {id(part): part for part in parts if isinstance(part, Objective)}
    if len(found) != 1:
        raise ValueError(
            "The model must have one objective of tf_geco among its attributes. Received: a model "
            f"of type {type(model).__name__} with {len(found)}."
        )
    return next(iter(found.values()))
