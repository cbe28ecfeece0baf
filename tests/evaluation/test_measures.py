"""The measures of models against naive NumPy in float64, on one device and on two."""

import math

import keras
import numpy as np
import pytest
from scipy import stats

import tf_geco
from tests.catalogue import MODELS, mirrored
from tf_geco import evaluation


@pytest.mark.parametrize(
    "name", ["dense", "flow", "users_networks", "conv_draw", "conditional_conv_draw"]
)
def test_measures_of_models_against_numpy(name):
    case = MODELS[name]
    model, x = case.build(), case.data(30)
    model(x)
    parts = [keras.tree.map_structure(lambda a, i=i: a[i : i + 10], x) for i in range(0, 30, 10)]
    with evaluation.estimate.seeded(model, 5):
        outputs = [model(part, training=False) for part in parts]
    kl = np.concatenate([o["kl"] for o in outputs]).astype(float)
    target = np.concatenate([model.target(part) for part in parts])
    error = np.concatenate([o["reconstruction"] for o in outputs]).astype(float) - target
    average = evaluation.average_kl(model, x, batch_size=10, seed=5)
    np.testing.assert_allclose(average.value, kl.mean(), rtol=1e-5)
    np.testing.assert_allclose(average.standard_error, kl.std(ddof=1) / 30**0.5, rtol=1e-4)
    sigma = evaluation.optimal_sigma(model, x, batch_size=10, seed=5)
    np.testing.assert_allclose(sigma, np.sqrt((error**2).mean()), rtol=1e-5)
    nll = evaluation.quantized_nll(model, x, sigma, batch_size=10, seed=5)
    edges = [stats.norm.cdf((np.abs(error) + side / 510) / -sigma) for side in (-1, 1)]
    np.testing.assert_allclose(nll.nats, -np.log(edges[0] - edges[1]).mean(), rtol=1e-4)
    np.testing.assert_allclose(nll.bits, nll.nats / math.log(2), rtol=1e-6)
    plane = evaluation.information_plane(model, x, batch_size=10, seed=5)
    np.testing.assert_allclose(
        [plane.kl, plane.nll, plane.reconstruction_error, plane.sigma],
        [average.value, nll.nats, (error**2).mean(), sigma],
        rtol=1e-4,
    )


def test_optimal_sigma_is_optimal():
    case = MODELS["dense"]
    model, x = case.build(), case.data(30)
    sigma = evaluation.optimal_sigma(model, x)
    best, *others = (
        evaluation.quantized_nll(model, x, sigma * factor).nats for factor in (1, 0.95, 1.05)
    )
    assert best < min(others)


def test_evaluation_leaves_the_models_noise_as_it_was():
    case = MODELS["flow"]
    model, x = case.build(), case.data(8)
    model(x)
    generators = (model.seed_generator, model.inference_seed_generator)
    states = [generator.state.numpy() for generator in generators]
    evaluation.information_plane(model, x)
    evaluation.marginal_kl(model, x, 8)
    for generator, state in zip(generators, states, strict=True):
        np.testing.assert_array_equal(generator.state.numpy(), state)


def test_the_same_seed_is_the_same_number_and_another_is_another():
    case = MODELS["dense"]
    model, x = case.build(), case.data(8)
    first, second, other = (evaluation.average_kl(model, x, seed=seed) for seed in (1, 1, 2))
    assert first == second == other  # of normals it is exact
    first, second, other = (evaluation.optimal_sigma(model, x, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other


@pytest.mark.parametrize("name", ["dense", "flow"])
def test_two_replicas_measure_what_one_device_does(name, no_noise):
    case = MODELS[name]
    keras.utils.set_random_seed(3)
    one, x = case.build(), case.data(21)
    one(x)
    with mirrored().scope():
        two = case.build()
        two.build((None, *case.shape))
    two.set_weights(one.get_weights())
    for measure in (evaluation.average_kl, evaluation.information_plane, evaluation.marginal_kl):
        expected, actual = (measure(model, x, batch_size=8) for model in (one, two))
        for key in ("value", "kl", "nll", "count", "num_components"):
            left, right = getattr(expected, key, 0.0), getattr(actual, key, 0.0)
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def test_public_names():
    assert sorted(evaluation.__all__) == evaluation.__all__
    assert tf_geco.evaluation is evaluation
