"""Flows away from the identity that they start at."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_geco.posteriors import RealNVP


def flow(latent_dim=5, couplings=3, hidden=(8,), dtype="float64", spread=0.5):
    """Returns a posterior away from the identity that it starts at."""
    posterior = RealNVP(latent_dim, couplings, hidden, dtype=dtype)
    posterior.build((None, 4))
    for index, weight in enumerate(posterior.weights):
        weight.assign(keras.random.normal(weight.shape, stddev=spread, seed=index))
    return posterior


def context(n=3, dtype="float64"):
    return tf.constant(np.random.default_rng(1).normal(size=(n, 4)), dtype)


SIZES = {
    "even": (4, 4, (8,)),
    "odd": (5, 3, (8, 6)),
    "two": (2, 2, (4,)),
    "one_coupling": (3, 1, 8),
}
every_size = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
