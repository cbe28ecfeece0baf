"""NLL against densities written out in NumPy and SciPy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.stats import logistic
from tensorflow_probability import distributions as tfd

import tf_geco
from tests.constraints.cases import batch, values_of
from tf_geco.constraints import NegativeLogLikelihood, ReconstructionError


@keras.saving.register_keras_serializable(package="tests")
def categorical(logits):
    return tfd.Categorical(logits=logits, dtype=tf.float32)


@keras.saving.register_keras_serializable(package="tests")
def mixture(h):
    weight, centre, width = tf.split(h, 3, axis=-1)
    # Quantized by rounding up: a shift by half a bin centres the bins.
    bins = tfd.QuantizedDistribution(tfd.Logistic(centre - 0.5, tf.exp(width)), low=0, high=255)
    return tfd.MixtureSameFamily(tfd.Categorical(logits=weight), bins)


def test_bernoulli_likelihood_is_its_formula():
    x, _, outputs = batch()
    g = outputs["reconstruction"].astype(np.float64)
    nats = -np.sum(x * np.log(g) + (1 - x) * np.log(1 - g), axis=(1, 2, 3))
    for unit, factor in {"nats": 1, "nats_per_dim": 240, "bits_per_dim": 240 * math.log(2)}.items():
        constraint = NegativeLogLikelihood(0.3, unit=unit)
        found = values_of(constraint, x, outputs=outputs)
        np.testing.assert_allclose(found, nats / factor, rtol=1e-5)
        np.testing.assert_allclose(
            constraint.weight() * constraint.violation(found), nats - 0.3 * factor, rtol=1e-5
        )


def test_categorical_and_logistic_mixture_likelihoods():
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (3, 4, 5)).astype("float32")
    logits = random.normal(size=(3, 4, 5, 256)).astype("float32")
    constraint = NegativeLogLikelihood(100.0, categorical)
    found = values_of(constraint, x, outputs={"reconstruction": logits})
    chosen = np.take_along_axis(logits, x[..., None].astype(int), axis=-1)[..., 0]
    log_prob = chosen - np.log(np.sum(np.exp(logits), axis=-1))
    np.testing.assert_allclose(found - 100, -log_prob.sum(axis=(1, 2)) - 100, rtol=1e-4)

    h = np.concatenate(
        [random.normal(size=(3, 4, 5, 2)), 128 + 40 * random.normal(size=(3, 4, 5, 2)),
         2 + random.normal(size=(3, 4, 5, 2))], axis=-1,
    ).astype("float32")  # fmt: skip
    constraint = NegativeLogLikelihood(8.0, mixture, unit="bits_per_dim")
    found = values_of(constraint, x, outputs={"reconstruction": h})
    weight, centre, width = np.split(h.astype(np.float64), 3, axis=-1)
    weight = np.exp(weight) / np.exp(weight).sum(axis=-1, keepdims=True)
    right = np.where(x[..., None] == 255, np.inf, x[..., None] + 0.5)
    left = np.where(x[..., None] == 0, -np.inf, x[..., None] - 0.5)
    mass = logistic.cdf(right, centre, np.exp(width)) - logistic.cdf(left, centre, np.exp(width))
    bits = -np.log2(np.sum(weight * mass, axis=-1)).mean(axis=(1, 2))
    np.testing.assert_allclose(found - 8.0, bits - 8.0, rtol=1e-3, atol=1e-3)


def test_counts_have_their_formulas():
    random = np.random.default_rng(0)
    x = random.poisson(4.0, (5, 3)).astype("float32")
    a, b = random.normal(size=(2, 5, 3)).astype("float32")
    found = values_of(NegativeLogLikelihood(1.0, "poisson"), x, outputs={"reconstruction": a})
    np.testing.assert_allclose(found, -stats.poisson.logpmf(x, np.exp(a)).sum(1), rtol=1e-5)
    mean, number = np.exp(a.astype(float)), np.exp(b.astype(float))
    outputs = {"reconstruction": np.concatenate([a, b], axis=-1)}
    found = values_of(NegativeLogLikelihood(1.0, "negative_binomial"), x, outputs=outputs)
    law = stats.nbinom(number, number / (number + mean))
    np.testing.assert_allclose(law.var(), mean + mean**2 / number)
    np.testing.assert_allclose(found, -law.logpmf(x).sum(1), rtol=1e-4)


@pytest.mark.parametrize(("latents", "d"), [(8, 8), (500, 240), (None, 240)])
def test_the_scale_is_between_that_of_latents_and_of_values(latents, d):
    """In nats of an example it is the same for every unit and every tolerance."""
    x, _, outputs = batch()
    if latents is not None:
        outputs["latents"] = np.zeros((len(x), latents), "float32")
    for unit, factor in {"nats": 1, "nats_per_dim": 240, "bits_per_dim": 240 * math.log(2)}.items():
        for tolerance in (-1.0, 0.0, 3.0):
            constraint = NegativeLogLikelihood(tolerance, unit=unit)
            constraint(x, outputs=outputs)
            assert constraint.scale() * factor == pytest.approx(math.sqrt(d * 240) / 2)
            assert constraint.nats() == pytest.approx(math.sqrt(d * 240) / 2)
            assert constraint.weight() == pytest.approx(factor)


def test_with_as_many_latents_as_values_the_error_is_that_of_a_reconstruction_error():
    """Of a normal likelihood with sigma = kappa, at and above the tolerance."""
    x, _, outputs = batch()
    sigma, size = 0.2, 240
    error = ReconstructionError(sigma)
    least = size / 2 * (1 + math.log(2 * math.pi * sigma**2))
    nll = NegativeLogLikelihood(least, lambda mean: tfd.Normal(mean, sigma))
    squared, nats = (values_of(part, x, outputs=outputs) for part in (error, nll))
    np.testing.assert_allclose(nll.excess(nats), error.excess(squared), rtol=1e-4)
    np.testing.assert_allclose(nll.error(nats), error.error(squared), rtol=1e-4)
    np.testing.assert_allclose(nll.nats(), error.nats())


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("bernoulli", [0.0, 0.3, 1.0], 7.0),
        ("poisson", [0, 3, 9], -1),
        ("negative_binomial", [0, 3, 9], -1),
    ],
)
def test_data_that_a_likelihood_gives_no_probability_have_no_nll(name, inside, outside):
    x = np.array([inside, [*inside[:2], outside]], "float32")
    width = 2 if name == "negative_binomial" else 1
    outputs = {"reconstruction": tf.fill([2, 3 * width], 0.5)}
    values = NegativeLogLikelihood(1.0, name)(x, outputs=outputs).values.numpy()
    assert np.isfinite(values).tolist() == [True, False]
    with pytest.raises(ValueError, match="gives a probability"):
        tf_geco.evaluation.nll_guide(np.tile(x, (20, 1)), name)
