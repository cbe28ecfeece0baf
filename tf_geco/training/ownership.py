"""Whose a variable is: the networks that train, or the objective that measures them."""

import keras


def trained(model: keras.Model, objective: keras.Layer, variables: list) -> list:
    """Returns the variables that are not the objective's alone.

    A constraint may hold a network that it measures with, such as a classifier; models leave it as
    it is, without changing whether it is trainable elsewhere.
    """
    measuring, networks = _identities(model, objective)
    return [v for v in variables if id(v) in networks or id(v) not in measuring]


def statistics(model: keras.Model, objective: keras.Layer) -> list:
    """Returns the weights that a forward pass itself moves, such as batch-norm statistics.

    Weights of a frozen layer that were made to be trained, which TensorFlow's variable tells, are
    no such; a layer that assigns its own kernel while it is frozen keeps what it assigned.
    """
    measuring, _ = _identities(model, objective)
    moved = [w for w in model.non_trainable_weights if not w.value.trainable]
    return [w for w in moved if id(w) not in measuring and "float" in w.dtype]


def refuse_shared(model: keras.Model, objective: keras.Layer) -> None:
    """Raises an error if a constraint measures with a network that the model trains.

    Raises:
        ValueError: If so.
    """
    measuring, networks = _identities(model, objective)
    shared = [v for v in model.trainable_variables if id(v) in measuring & networks]
    if shared:
        raise ValueError(
            "A constraint measures with a network that this model trains, and would move with what "
            "it measures. Give it a copy: `keras.models.clone_model(network)`, then `set_weights`. "
            f"Received: shared variables such as {shared[0].path!r}."
        )


def _identities(model: keras.Model, objective: keras.Layer) -> tuple[set[int], set[int]]:
    """Returns the identities of the objective's variables, and of all other layers'."""
    others = [layer for layer in model.layers if layer is not objective]
    return (
        {id(variable) for variable in objective.variables},
        {id(variable) for layer in others for variable in layer.variables},
    )
