"""What a decoder returns: data, or what a likelihood makes a distribution over the data from."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.constraints import NegativeLogLikelihood
from tf_geco.constraints.likelihoods import as_data, distribution_of, mean_of, shape_of
from tf_geco.dtypes import as_float32
from tf_geco.objectives import Objective


def likelihood_of(objective: Objective) -> Any:
    """Returns the likelihood that an objective asks something of, or `None`.

    Raises:
        ValueError: If there are two.
    """
    parts = [*objective.constraints, objective.cost]
    found = [part for part in parts if isinstance(part, NegativeLogLikelihood)]
    likelihoods = [part.likelihood for part in found if part.parameters is None]
    if any(other != likelihoods[0] for other in likelihoods):
        raise ValueError(
            "A decoder returns what one likelihood needs: say by `parameters` which entry of the "
            f"outputs any other is made from. Received: likelihoods {likelihoods}."
        )
    return likelihoods[0] if likelihoods else None


def outputs_of(likelihood: Any, decoded: Any) -> dict[str, Any]:
    """Returns the reconstruction and, of a likelihood, the parameters that it is the mean of."""
    decoded = tf.nest.map_structure(as_float32, decoded)
    if likelihood is None:
        return {"reconstruction": decoded}
    return {"reconstruction": mean_of(distribution_of(likelihood, decoded)), "parameters": decoded}


def draw_of(likelihood: Any, decoded: Any, seed: tf.Tensor) -> tf.Tensor:
    """Returns data, one draw of the likelihood for each example.

    Raises:
        ValueError: If there is no likelihood.
    """
    if likelihood is None:
        raise ValueError(
            "Data are drawn from a likelihood, which the objective has by a constraint "
            "`tf_geco.constraints.NegativeLogLikelihood`. Received: draw='data', and no such "
            "constraint."
        )
    return as_data(distribution_of(likelihood, decoded).sample(seed=seed))


def decoded_shapes(decoder: keras.Layer, latents_shape: tuple) -> Any:
    """Returns the shapes of what a decoder makes of latents of a shape.

    Raises:
        ValueError: If it takes another number of latents.
    """
    expected = getattr(decoder, "input_shape", None) if decoder.built else None
    if isinstance(expected, tuple) and expected[-1] not in (None, latents_shape[-1]):
        raise ValueError(
            "`decoder` and `posterior` must have the same number of latents. Received: a "
            f"decoder for {expected[-1]}, a posterior of latent_dim={latents_shape[-1]}."
        )
    decoded = decoder(keras.KerasTensor(latents_shape))
    return keras.tree.map_structure(lambda part: tuple(part.shape), decoded)


def output_shapes(likelihood: Any, decoded: Any, data_shape: tuple) -> dict[str, Any]:
    """Returns the shapes of `outputs_of`, checked against those of the data.

    Args:
        likelihood: A likelihood, or `None`.
        decoded: A structure of the shapes that the decoder returns.
        data_shape: The shape of the data, the batch as `None`.

    Raises:
        ValueError: If the decoder, or the likelihood made of what it returns, has another shape.
    """
    if likelihood is None:
        if not _fits(decoded, data_shape):
            raise ValueError(
                "`decoder` must return data of the shape that `encoder` takes, or else what the "
                "likelihood of a constraint `tf_geco.constraints.NegativeLogLikelihood` needs. "
                f"Received: a decoder that returns {decoded}, data of shape {data_shape}."
            )
        return {"reconstruction": decoded}
    specs = keras.tree.map_shape_structure(lambda shape: tf.TensorSpec(shape, tf.float32), decoded)
    shape = shape_of(likelihood, specs)
    if not _fits(shape, data_shape):
        raise ValueError(
            "The likelihood of what `decoder` returns must be one of the data: batch and event "
            f"shape together are the data's. Received: a decoder that returns {decoded}, a "
            f"likelihood of data of shape {shape}, data of shape {data_shape}."
        )
    return {"reconstruction": data_shape, "parameters": decoded}


def _fits(shape: Any, data_shape: tuple) -> bool:
    return isinstance(shape, tuple) and shape[1:] == data_shape[1:]
