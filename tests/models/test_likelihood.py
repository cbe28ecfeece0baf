"""A VAE whose decoder returns what a likelihood needs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow_probability import distributions as tfd

import tf_geco
from tests.catalogue import MODELS, counts_vae
from tf_geco.constraints import KLDivergence, NegativeLogLikelihood
from tf_geco.models import dense_networks
from tf_geco.posteriors import DiagonalNormal

CASE = MODELS["counts"]


def vae(likelihood, parameters, tolerance=10.0, objective=None, shape=(6,)):
    """Returns a VAE whose decoder returns so many numbers, or of such a shape."""
    decoder = keras.Sequential([keras.layers.Dense(int(np.prod(parameters)))])
    if isinstance(parameters, tuple):
        decoder.add(keras.layers.Reshape(parameters))
    if likelihood in ("bernoulli", "normal"):  # probabilities and standard deviations
        decoder.add(keras.layers.Activation("sigmoid"))
    encoder, _ = dense_networks(shape, latent_dim=2, hidden=(8,))
    objective = objective or tf_geco.GECO([NegativeLogLikelihood(tolerance, likelihood)])
    return tf_geco.VAE(encoder, decoder, DiagonalNormal(2), objective)


@pytest.fixture
def model():
    return CASE.compiled()


def test_the_reconstruction_is_the_mean_and_the_error_is_that_of_the_formula(model):
    x = CASE.data()
    outputs = model.predict(x, verbose=0)
    number = outputs["parameters"]["number"].astype(float)
    mean = np.exp(outputs["parameters"]["log_mean"].astype(float))
    np.testing.assert_allclose(outputs["reconstruction"], mean, rtol=1e-5)
    nll = -stats.nbinom.logpmf(x, number, number / (number + mean)).sum(axis=1)
    constraint = model.objective.constraints[0]
    np.testing.assert_allclose(constraint(x, outputs=outputs).values, nll, rtol=1e-4)


def test_means_are_the_means_of_data_drawn(model):
    latents = np.repeat(np.random.default_rng(0).normal(size=(2, 2)), 4000, axis=0).astype("f4")
    data = model.decode(latents, seed=1, draw="data").numpy().reshape(2, 4000, 6)
    assert (data == np.round(data)).all()
    means = model.decode(latents).numpy().reshape(2, 4000, 6)[:, 0]
    error = data.std(axis=1) / 4000**0.5
    assert (np.abs(data.mean(axis=1) - means) < 5 * error).all()
    again, other = (model.sample(5, seed=seed, draw="data") for seed in (3, 4))
    np.testing.assert_array_equal(model.sample(5, seed=3, draw="data"), again)
    assert not np.array_equal(again, other)


@pytest.mark.parametrize(
    ("likelihood", "parameters"),
    [("bernoulli", 6), ("poisson", 6), ("normal", 12), ("negative_binomial", 12)],
)
def test_every_likelihood_with_a_name_trains_and_draws(likelihood, parameters):
    model, x = vae(likelihood, parameters), (CASE.data() > 4).astype("float32")
    model.compile("adam")
    history = model.fit(x, epochs=2, verbose=0).history
    assert np.isfinite(history["negative_log_likelihood"]).all()
    assert model.reconstruct(x).shape == model.sample(24, draw="data").shape == x.shape


def test_of_categories_the_mean_is_that_of_their_numbers():
    model, x = vae(lambda logits: tfd.Categorical(logits=logits), (6, 10)), CASE.data()
    outputs = model(x)
    probability = np.exp(outputs["parameters"])
    probability /= probability.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(outputs["reconstruction"], probability @ np.arange(10), rtol=1e-5)
    assert outputs["reconstruction"].dtype == model.sample(2, draw="data").dtype == tf.float32


def test_missing_counts_do_not_count(model):
    x = CASE.data()
    mask = np.random.default_rng(1).random(x.shape) < 0.7
    filled, holes = np.where(mask, x, 0), np.where(mask, x, np.nan)
    outputs = model.predict(filled, verbose=0)
    terms = tfd.NegativeBinomial(
        outputs["parameters"]["number"],
        logits=outputs["parameters"]["log_mean"] - np.log(outputs["parameters"]["number"]),
    ).log_prob(filled)
    found = model.objective.constraints[0](holes, y={"mask": mask}, outputs=outputs)
    np.testing.assert_allclose(found.values, -np.where(mask, terms, 0).sum(1), rtol=1e-4)
    history = model.fit(holes, {"mask": mask}, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_the_information_plane_uses_the_models_likelihood(model):
    x = CASE.data()
    mask = np.random.default_rng(1).random(x.shape) < 0.7
    plane = tf_geco.evaluation.information_plane(model, x)
    assert plane.sigma is None
    scores = model.score(x)
    nll = scores["negative_log_likelihood"]
    np.testing.assert_allclose([plane.nll, plane.kl], [nll.mean() / 6, scores["kl"].mean()], 1e-5)
    masked = tf_geco.evaluation.information_plane(model, (x, {"mask": mask}))
    nll = model.score(x, {"mask": mask})["negative_log_likelihood"]
    np.testing.assert_allclose(masked.nll, (nll / mask.sum(axis=1)).mean(), rtol=1e-5)
    normal = tf_geco.evaluation.information_plane(model, x, sigma=1.0)
    assert normal.nll == tf_geco.evaluation.quantized_nll(model, x, 1.0).nats


def test_the_likelihood_may_be_the_cost():
    nll = NegativeLogLikelihood(10.0, "poisson")
    model = vae("poisson", 6, objective=tf_geco.GECO([KLDivergence(1.0)], cost=nll))
    assert model.likelihood == "poisson"
    outputs = model(CASE.data())
    np.testing.assert_allclose(outputs["reconstruction"], np.exp(outputs["parameters"]), rtol=1e-6)


def test_an_entry_that_is_named_is_left_to_the_user():
    nll = NegativeLogLikelihood(10.0, "poisson", parameters="reconstruction")
    model = vae("poisson", 6, objective=tf_geco.GECO([nll]))
    assert model.likelihood is None
    assert "parameters" not in model(CASE.data())


class Meanless(tfd.Normal):
    """A distribution that does not know its mean."""

    def _mean(self):
        raise NotImplementedError


def two_likelihoods():
    two = [NegativeLogLikelihood(1.0, name, name=name) for name in ("poisson", "bernoulli")]
    return vae("poisson", 6, objective=tf_geco.GECO(two))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vae("poisson", 5), r"returns \(None, 5\), a likelihood of data of shape"),
        (lambda: vae("negative_binomial", 6), r"of shape \(None, 3\), data of shape \(None, 6\)"),
        (lambda: vae(lambda mean: Meanless(mean, 1.0), 6), "must have a mean"),
        (two_likelihoods, "what one likelihood needs.*'poisson', 'bernoulli'"),
        (lambda: MODELS["dense"].build().sample(2, draw="data"), "drawn from a likelihood"),
        (lambda: MODELS["dense"].build().sample(2, draw="noise"), "draw='noise'"),
        (
            lambda: tf_geco.VAE(
                CASE.build().encoder, CASE.build().decoder, DiagonalNormal(2), tf_geco.ELBO()
            ),
            "or else what the likelihood of a constraint.*log_mean",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_tolerances_are_met_within_the_band():
    x = np.random.default_rng(0).poisson(np.exp(CASE.data(256) / 4)).astype("float32")
    free = counts_vae(tolerance=0.0)  # out of reach: the best that the networks do
    model = counts_vae(tolerance=13.0)
    for trained in (free, model):
        trained.compile(keras.optimizers.Adam(1e-2))
        trained.fit(x, epochs=60, verbose=0)
    best = free.evaluate(x, verbose=0, return_dict=True)["negative_log_likelihood"]
    found = model.evaluate(x, verbose=0, return_dict=True)
    assert best < 12.5
    assert found["feasible"] == 1.0
    assert abs(found["negative_log_likelihood"] - 13.0) < 0.2
