"""All models of the library, small: each law of `test_laws.py` holds for every one of them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability.python.internal import samplers

import tf_geco
from tf_geco.constraints import NegativeLogLikelihood, ReconstructionError
from tf_geco.posteriors import DiagonalNormal, RealNVP


@dataclass(frozen=True)
class Case:
    """A model of the catalogue: how to build it, and the shape of an example."""

    build: Callable
    shape: tuple
    context_shape: tuple | None = None
    greatest_count: int | None = None
    tolerance: float | None = None  # one of its range

    def data(self, n=24):
        """Returns `n` examples that a model can compress, in [0, 1] or counts."""
        rng = np.random.default_rng(0)
        size = int(np.prod(self.shape))
        factors = rng.normal(size=(n, 2)) @ rng.normal(size=(2, size))
        images = (1 / (1 + np.exp(-factors))).reshape(n, *self.shape).astype("float32")
        if self.greatest_count is not None:
            return np.round(self.greatest_count * images)
        if self.context_shape is None:
            return images
        return {"context": rng.random((n, *self.context_shape), "float32"), "target": images}

    def served(self):
        """Returns what each exported signature takes besides."""
        return {} if self.tolerance is None else {"tolerance": np.float32(self.tolerance)}

    def given(self, n):
        """Returns what a sample of `n` examples needs: their number, or a context for each."""
        return {"n": n} if self.context_shape is None else {"context": self.data(n)["context"]}

    def compiled(self, **options):
        """Returns the model, compiled with Adam."""
        model = self.build()
        model(self.data())
        model.compile(keras.optimizers.Adam(1e-2), **options)
        return model


def line(start, end, steps):
    """Returns a schedule that is a straight line."""
    return keras.optimizers.schedules.PolynomialDecay(start, steps, end)


def geco(tolerance=0.1, **options):
    return tf_geco.GECO([ReconstructionError(tolerance)], **options)


def dense_vae(objective=None, shape=(6,)):
    return tf_geco.VAE(
        *tf_geco.models.dense_networks(shape, latent_dim=2, hidden=(8,)),
        posterior=DiagonalNormal(2),
        objective=geco() if objective is None else objective,
    )


def conv_vae():
    return tf_geco.VAE(
        *tf_geco.models.conv_networks((7, 6, 1), latent_dim=3, filters=(4, 4), hidden=8),
        posterior=DiagonalNormal(3),
        objective=geco(),
    )


def users_networks_vae():
    """Sequences; networks of a user's own, with batch norm and a regularizer."""
    layers = keras.layers
    encoder = keras.Sequential(
        [layers.Conv1D(4, 3, padding="same"), layers.BatchNormalization(), layers.Flatten()]
    )
    decoder = keras.Sequential(
        [
            layers.Dense(8, activation="gelu", kernel_regularizer="l2"),
            layers.Dense(10),
            layers.Reshape((5, 2)),
        ]
    )
    return tf_geco.VAE(encoder, decoder, DiagonalNormal(2), geco(0.2))


def algorithm_1_vae():
    error = ReconstructionError(0.1)
    return dense_vae(tf_geco.GECO.algorithm_1([error], rate=0.5, initial_multiplier=50.0))


def flow_vae():
    """A flow whose couplings are of different sizes, and away from the identity it starts at."""
    posterior = RealNVP(3, couplings=2, hidden=(8, 8))
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((6,), latent_dim=3, hidden=(8,)), posterior, geco()
    )
    for network in posterior.networks:
        shape = network.last.kernel.shape
        network.last.kernel.assign(keras.random.normal(shape, stddev=0.3, seed=sum(shape)))
    return model


@keras.saving.register_keras_serializable(package="tests")
def counts(parameters):
    number, log_mean = parameters["number"], parameters["log_mean"]
    return tfd.NegativeBinomial(number, logits=log_mean - tf.math.log(number))


def counts_vae(tolerance=14.0, likelihood=counts, **options):
    """Counts, whose decoder returns the parameters of a likelihood."""
    latents = keras.Input((2,))
    hidden = keras.layers.Dense(8, activation="gelu")(latents)
    parameters = {
        "log_mean": keras.layers.Dense(6)(hidden),
        "number": keras.layers.Dense(6, activation="softplus")(hidden),
    }
    nll = NegativeLogLikelihood(tolerance, likelihood, **options)
    encoder, _ = tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,))
    decoder = keras.Model(latents, parameters)
    return tf_geco.VAE(encoder, decoder, DiagonalNormal(2), tf_geco.GECO([nll]))


def range_vae():
    """One that always draws the same levels: they are no noise that can be silenced."""
    networks = tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,))
    return tf_geco.VAE(*networks, DiagonalNormal(2), geco(tf_geco.Range(0.05, 0.2)), seed=0)


def conv_draw(shape=(7, 6, 1), objective=None, **options):
    sizes = {"steps": 3, "latent_channels": 2, "hidden_channels": 4, "kernel_size": 3}
    objective = geco() if objective is None else objective
    return tf_geco.ConvDRAW(shape, objective, **{**sizes, **options})


def annealed_elbo_vae():
    return dense_vae(tf_geco.ELBO(0.1, line(2.0, 0.7, 10)))


NETWORKS = {
    "dense": Case(dense_vae, (6,)),
    "conv": Case(conv_vae, (7, 6, 1)),
    "users_networks": Case(users_networks_vae, (5, 2)),
    "flow": Case(flow_vae, (6,)),
    "range": Case(range_vae, (6,), tolerance=0.1),
    "counts": Case(counts_vae, (6,), greatest_count=9),
    "conv_draw": Case(lambda: conv_draw(steps=2), (7, 6, 1)),
    "conditional_conv_draw": Case(
        lambda: conv_draw((4, 6, 1), steps=2, context_shape=(4, 6, 2), share_weights=False),
        (4, 6, 1),
        (4, 6, 2),
    ),
}
OBJECTIVES = {
    "algorithm_1": Case(algorithm_1_vae, (6,)),
    "annealed_elbo": Case(annealed_elbo_vae, (6,)),
    "optimal_sigma": Case(lambda: dense_vae(tf_geco.ELBO("optimal")), (6,)),
}
MODELS = NETWORKS | OBJECTIVES
SHORT = ("range", "flow", "conv_draw")  # stand for all in the short form of slow laws
# Others of their kind stand for them: dense networks are in a range, counts and objectives.
ALIKE = ("dense", "conv", "conv_draw", "algorithm_1", "optimal_sigma")


def models():
    """Returns a parameter of a test for each model; all but those of `SHORT` are long."""
    long = pytest.mark.long
    return [pytest.param(name, marks=() if name in SHORT else long) for name in MODELS]


@functools.cache
def warm(case):
    """Returns a trained model, one for all laws that compare it with itself, and may train it."""
    model = case.compiled()
    train(model, case.data())
    return model


def every(cases):
    """Returns the decorator of a law that holds for each case; those of `ALIKE` are long."""
    marks = {name: pytest.mark.long if name in ALIKE else () for name in cases}
    parameters = [pytest.param(case, id=name, marks=marks[name]) for name, case in cases.items()]
    return pytest.mark.parametrize("case", parameters)


@functools.cache
def mirrored():
    """One strategy for the process: a second would reuse the keys of its collectives."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def silence(setattr=setattr):
    """Replaces the normal noise of TensorFlow Probability by zeros."""
    setattr(samplers, "normal", lambda shape, *args, dtype=tf.float32, **kw: tf.zeros(shape, dtype))


def batches(data, batch_size=8, repeat=1):
    """Returns a dataset in a fixed order, of whole batches."""
    dataset = tf.data.Dataset.from_tensor_slices(data)
    return tf_geco.datasets.without_autotuner(
        dataset.batch(batch_size, drop_remainder=True).repeat(repeat)
    )


class Recorder(keras.callbacks.Callback):
    """Keeps the multiplier after each execution."""

    def __init__(self):
        super().__init__()
        self.multipliers = []

    def on_train_batch_end(self, batch, logs=None):
        self.multipliers.append(self.model.objective.multiplier.numpy())


def train(model, data, **options):
    """Trains on data in a fixed order and returns the multipliers, `[T, L]`."""
    recorder = Recorder()
    model.fit(batches(data), verbose=0, shuffle=False, callbacks=[recorder], **options)
    return np.array(recorder.multipliers)
