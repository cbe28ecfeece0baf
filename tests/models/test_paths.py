"""Paths through a latent space, and many samples."""

import keras
import numpy as np
import pytest
from tensorflow_probability import distributions as tfd

import tf_geco
from tests.catalogue import MODELS, NETWORKS, dense_vae, every
from tf_geco.models.paths import along_axes, spherical, straight
from tf_geco.training import bar

every_network = every(NETWORKS)


def test_arcs_keep_the_distance_and_turn_evenly():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 7))
    a, b = (3 * part / np.linalg.norm(part, axis=1, keepdims=True) for part in (a, b))
    path = spherical(a, b, 9)
    np.testing.assert_allclose(np.linalg.norm(path, axis=-1), 3.0)
    np.testing.assert_allclose([path[:, 0], path[:, -1]], [a, b], atol=1e-12)
    cosines = np.sum(path[:, 1:] * path[:, :-1], axis=-1) / 9
    np.testing.assert_allclose(cosines, np.broadcast_to(cosines[:, :1], cosines.shape))


def test_between_draws_of_the_prior_arcs_stay_among_its_draws_and_lines_do_not():
    a, b = np.random.default_rng(0).normal(size=(2, 2000, 64))
    for path, middle in ((spherical, 64.0), (straight, 32.0)):
        squares = np.sum(path(a, b, 3)[:, 1] ** 2, axis=-1)
        np.testing.assert_allclose(squares.mean(), middle, rtol=0.02)


def test_without_an_arc_the_path_is_straight():
    a = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1e-5]])
    b = np.array([[2.0, 0.0], [-1.0, 0.0], [3.0, 4.0], [2.0, 0.0]])
    np.testing.assert_allclose(spherical(a, b, 5), straight(a, b, 5))


def test_along_an_axis_only_that_coordinate_moves():
    point, values = np.array([0.1, 0.2, 0.3]), np.array([-1.0, 0.0, 1.0, 2.0])
    moved = along_axes(point, [2, 0], values)
    assert moved.shape == (2, 4, 3)
    np.testing.assert_array_equal(moved[0, :, 2], values)
    np.testing.assert_array_equal(moved[1, :, 0], values)
    np.testing.assert_array_equal(moved[0, :, :2], np.tile([0.1, 0.2], (4, 1)))


@pytest.mark.parametrize("name", ["dense", "conv", "users_networks", "flow", "counts"])
def test_interpolations_lead_from_one_reconstruction_to_the_other(name):
    case = MODELS[name]
    model, x = case.compiled(), case.data()
    found = model.interpolate(x[:3], x[3:6], steps=5)
    assert found.shape == (3, 5, *case.shape)
    ends = [model.decode(model.encode_mean(part)) for part in (x[:3], x[3:6])]
    np.testing.assert_allclose([found[:, 0], found[:, -1]], ends, rtol=1e-4, atol=1e-5)
    zeros = np.zeros(model.latents_shape[1])
    assert model.traverse(zeros, [1], values=[0.0, 1.0]).shape == (1, 2, *case.shape)
    moved = model.traverse(zeros)
    assert moved.shape == (model.latents_shape[1], 11, *case.shape)
    np.testing.assert_allclose(moved[:, 5], np.broadcast_to(moved[0, 5], moved[:, 5].shape), 1e-5)


def test_under_another_prior_the_path_is_straight():
    class Wide(keras.layers.Layer):
        def call(self, features=None):
            return tfd.MultivariateNormalDiag(np.zeros(2, "f4"), np.full(2, 3.0, "f4"))

    plain, x = dense_vae(), MODELS["dense"].data()
    parts = plain.encoder, plain.decoder, plain.posterior_layer
    model = tf_geco.VAE(
        *parts, tf_geco.GECO([tf_geco.constraints.ReconstructionError(1.0)]), Wide()
    )
    middle = (model.encode_mean(x[:1]) + model.encode_mean(x[1:2])) / 2
    found = model.interpolate(x[:1], x[1:2], steps=3)[:, 1]
    np.testing.assert_allclose(found, model.decode(middle), rtol=1e-5)


def test_mean_latents_of_normals_are_their_means_and_of_flows_carry_no_noise():
    model, x = MODELS["dense"].build(), MODELS["dense"].data()
    np.testing.assert_array_equal(model.encode_mean(x), model.posterior(x).distribution.loc)
    for name in ("flow", "conv_draw", "conditional_conv_draw"):
        model, x = MODELS[name].build(), MODELS[name].data()
        np.testing.assert_array_equal(model.encode_mean(x), model.encode_mean(x))


def test_conv_draw_says_that_it_has_no_paths():
    model, x = MODELS["conv_draw"].build(), MODELS["conv_draw"].data()
    with pytest.raises(ValueError, match=r"vectors, \[B, d\].*ConvDRAW"):
        model.interpolate(x[:2], x[2:4])
    with pytest.raises(ValueError, match=r"vectors, \[B, d\].*ConvDRAW"):
        model.traverse(np.zeros(4))


@every_network
def test_many_samples_follow_their_seed_and_are_all_different(case):
    model = case.compiled()
    given = {"n": 10} if case.context_shape is None else case.given(10)
    first, again, other = (model.generate(**given, seed=s, batch_size=4) for s in (1, 1, 2))
    assert first.shape == (10, *case.shape)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(first[:4], first[4:8])
    assert not np.allclose(model.generate(**given), model.generate(**given))


def test_options_of_sample_reach_it():
    counts = MODELS["counts"].compiled().generate(10, batch_size=4, draw="data")
    np.testing.assert_array_equal(counts, np.round(counts))
    model = MODELS["conv_draw"].compiled()
    means = model.generate(5, steps=0, batch_size=2)
    np.testing.assert_allclose(means, np.broadcast_to(means[:1], means.shape), atol=1e-5)


def test_contexts_are_answered_in_their_order(no_noise):
    case = MODELS["conditional_conv_draw"]
    model, contexts = case.compiled(), case.data(10)["context"]
    found = model.generate(context=contexts, batch_size=4)
    np.testing.assert_allclose(found, model.sample(context=contexts), rtol=1e-4, atol=1e-5)


def test_what_is_missing_is_named():
    model = MODELS["dense"].compiled()
    with pytest.raises(ValueError, match="Give either `n` or `context`"):
        model.generate()
    with pytest.raises(ValueError, match="`n` must be a positive integer"):
        model.generate(0)
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
        model.generate(3, batch_size=0)


@pytest.mark.parametrize(
    ("verbose", "patience", "shown"),
    [("auto", 5.0, False), ("auto", 0.0, True), (True, 5.0, True), (False, 0.0, False)],
)
def test_the_bar_is_shown_once_it_takes_long(verbose, patience, shown, monkeypatch, capsys):
    monkeypatch.setattr(bar, "PATIENCE", patience)
    MODELS["dense"].compiled().generate(10, batch_size=4, verbose=verbose)
    printed = capsys.readouterr().out
    assert ("10/10" in printed) == shown
    assert bool(printed) == shown
