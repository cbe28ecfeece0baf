"""Small models that hold what the fuzz made: trained for two steps, saved and loaded."""

import json
import os
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

import tf_geco
from tf_geco import constraints, posteriors

IMAGES, STEPS = (8, 8, 1), 2


def geco():
    return tf_geco.GECO([constraints.ReconstructionError(0.1)])


def images(shape=IMAGES, n=2 * STEPS):
    return np.random.default_rng(0).uniform(size=(n, *shape)).astype("float32")


def labels(n=2 * STEPS):
    return np.arange(n) % 2


def networks(latent_dim=3, shape=IMAGES):
    return tf_geco.models.dense_networks(shape, latent_dim, hidden=(4,))


def small_classifier():
    layers = [keras.Input(IMAGES), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])


@keras.saving.register_keras_serializable(package="tests")
def first_output(x, y, outputs):
    return outputs[:, 0]


def on_outputs():
    """Returns an objective for outputs of any network: a bound on the first."""
    return tf_geco.GECO([constraints.from_function(first_output, 0.4, "first")])


def vae(objective=None, parts=None, posterior=None, **options):
    """Returns a VAE of whatever is given, and for the rest of small parts."""
    encoder, decoder = networks() if parts is None else parts
    if posterior is None:
        posterior = posteriors.DiagonalNormal(decoder.input_shape[-1])
    objective = geco() if objective is None else objective
    return tf_geco.VAE(encoder, decoder, posterior, objective, **options)


def labelled(model, x=None, **options):
    """Trains a model for two steps on labelled data, and saves and loads it."""
    trained(model, x, labels(), **options)


def trained(model, x=None, y=None, **options):
    """Trains a model for two steps, and saves and loads it."""
    x = images() if x is None else x
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    with warnings.catch_warnings():
        # A batch that is left out is a step too few, below.
        warnings.simplefilter("ignore")
        model.fit(x, y, batch_size=2, verbose=0, shuffle=False, **options)
    assert int(model.objective.step) == STEPS, "it did not take two steps"
    for weight in model.trainable_weights:
        assert np.isfinite(weight.numpy()).all(), f"{weight.path} is not finite"
    round_trip(model)


def round_trip(model):
    """Saves and loads a model: arguments and weights stay as they were."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        copy = keras.models.load_model(Path(folder) / "model.keras")
    assert json.loads(copy.to_json()) == json.loads(model.to_json()), "another config after loading"
    for mine, theirs in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs, "another weight after loading")


def drawn(model):
    """Trains a ConvDRAW on images, and on contexts if it takes them."""
    x = images(model.image_shape)
    if model.context_shape is not None:
        x = {"context": images(model.context_shape[1:]), "target": x}
    labelled(model, x)


def watched(callback):
    """Trains with a callback, which may write into a folder that is thrown away."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            labelled(vae(), callbacks=[callback])
        finally:
            os.chdir(here)


def taken(dataset):
    """Takes two batches of a data set, or of both of a pair."""
    for part in dataset if isinstance(dataset, tuple) else [dataset]:
        sizes = [len(leaf) for batch in part.take(2) for leaf in keras.tree.flatten(batch)]
        assert min(sizes, default=0) > 0, "a batch without examples"
