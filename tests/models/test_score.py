"""What a model makes of each example, against what it makes of all of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, NETWORKS, every, mirrored
from tf_geco.constraints import KLDivergence, ReconstructionError
from tf_geco.training.noise import seeded

every_network = every(NETWORKS)


@every_network
def test_scores_are_those_of_the_formula_and_of_evaluate(case, no_noise):
    model, x = case.compiled(), case.data()
    scores = model.score(x, batch_size=7)
    outputs = model(x, training=False)
    np.testing.assert_allclose(scores.pop("kl"), outputs["kl"], rtol=1e-4)
    logs = model.evaluate(x, verbose=0, return_dict=True)
    ((name, values),) = scores.items()
    if name == "reconstruction_error":
        squared = (model.target(x) - outputs["reconstruction"]) ** 2
        np.testing.assert_allclose(values**2, squared.numpy().reshape(24, -1).mean(1), rtol=1e-4)
        np.testing.assert_allclose(np.sqrt((values**2).mean()), logs[name], rtol=1e-4)
    else:
        np.testing.assert_allclose(values.mean(), logs[name], rtol=1e-4)


def test_scores_follow_their_seed_and_move_no_noise():
    model, x = MODELS["dense"].compiled(), MODELS["dense"].data()
    state = model.inference_seed_generator.state.numpy()
    first, again, other = (model.score(x, seed=seed)["reconstruction_error"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    np.testing.assert_array_equal(model.inference_seed_generator.state, state)


def test_missing_values_do_not_count_and_an_example_without_any_is_not_known():
    model, x = MODELS["dense"].compiled(), MODELS["dense"].data()
    mask = np.random.default_rng(0).random(x.shape) < 0.6
    mask[3], mask[4] = False, True
    filled, holes = np.where(mask, x, 0.0), np.where(mask, x, np.nan)
    found = model.score(holes.astype("float64"), {"mask": mask})
    with seeded(model, 0):
        outputs = model(filled)
    squared = (outputs["reconstruction"] - filled) ** 2
    seen = [i for i in range(24) if i != 3]
    expected = np.sum(squared * mask, axis=1)[seen] / mask.sum(axis=1)[seen]
    np.testing.assert_allclose(found["reconstruction_error"][seen] ** 2, expected, rtol=1e-4)
    np.testing.assert_allclose(found["kl"], outputs["kl"], rtol=1e-4)
    assert np.isnan(found["reconstruction_error"][3])


def test_a_data_set_gives_the_scores_of_its_arrays():
    model, x = MODELS["dense"].compiled(), MODELS["dense"].data()
    mask = np.random.default_rng(0).random(x.shape) < 0.6
    whole = model.score(x, {"mask": mask}, batch_size=8)
    batches = tf.data.Dataset.from_tensor_slices((x, {"mask": mask})).batch(8)
    for name, values in model.score(batches).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-6)
    with pytest.raises(ValueError, match="yields labels and masks itself"):
        model.score(batches, {"mask": mask})
    with pytest.raises(ValueError, match="empty"):
        model.score(batches.take(0))
    with pytest.raises(ValueError, match="built for data of shape"):
        model.score(np.zeros((3, 5), "float32"))


def test_a_cost_of_its_own_is_in_nats():
    error = ReconstructionError(0.1)
    objective = tf_geco.GECO([KLDivergence(2.0)], cost=error)
    encoder, decoder = tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,))
    model = tf_geco.VAE(encoder, decoder, tf_geco.posteriors.DiagonalNormal(2), objective)
    model.compile("adam")
    x = MODELS["dense"].data()
    scores = model.score(x)
    with seeded(model, 0):
        outputs = model(x)
    squared = np.mean((outputs["reconstruction"] - x) ** 2, axis=1)
    np.testing.assert_allclose(scores["cost"], 3 * (squared / 0.1**2 - 1), rtol=1e-4)
    np.testing.assert_allclose(scores["kl_divergence"], outputs["kl"], rtol=1e-4)


def test_any_network_is_scored_by_its_own_cost():
    network = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    hit = tf_geco.constraints.from_function(
        lambda x, y, outputs: tf.gather(outputs, y, batch_dims=1), 0.4, "hit", form=">="
    )
    cost = "sparse_categorical_crossentropy"
    model = tf_geco.models.Constrained(network, cost, tf_geco.GECO([hit]))
    x, y = np.random.default_rng(0).normal(size=(9, 4)), np.arange(9) % 3
    scores = model.score(x, y)
    chosen = np.take_along_axis(network(x).numpy(), y[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(scores["cost"], -np.log(chosen), rtol=1e-4)
    np.testing.assert_allclose(scores["hit"], chosen, rtol=1e-5)


def test_models_under_a_strategy_are_scored_alike():
    case = MODELS["dense"]
    alone, x = case.compiled(), case.data()
    with mirrored().scope():
        model = case.compiled()
    model.set_weights(alone.get_weights())
    for name, values in model.score(x).items():
        np.testing.assert_allclose(values, alone.score(x)[name], rtol=1e-5)
