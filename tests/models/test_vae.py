"""The VAE as its users meet it: any data, any networks, and errors that help."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import tf_geco
from tests.catalogue import MODELS, dense_vae, geco
from tf_geco.models import conv_networks, dense_networks
from tf_geco.posteriors import DiagonalNormal


@pytest.mark.parametrize("shape", [(5,), (4, 3), (6, 5, 1), (4, 3, 3, 2)])
def test_data_of_any_rank(shape):
    data = np.random.default_rng(0).random((8, *shape)).astype("float32")
    model = dense_vae(shape=shape)
    model.compile("adam")
    model.fit(data, batch_size=4, verbose=0)
    assert model.predict(data, verbose=0)["reconstruction"].shape == data.shape
    assert model.reconstruct(data).shape == data.shape
    assert model.encode(data).shape == (8, 2)
    assert model.sample(3).shape == (3, *shape)


def stream(kind, data):
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(8)
    return dataset if kind == "data set" else ((batch,) for batch in dataset)


@pytest.mark.parametrize("kind", ["data set", "generator"])
def test_a_stream_is_not_asked_to_shuffle(kind, recwarn):
    model, data = MODELS["dense"].compiled(), MODELS["dense"].data()
    model.fit(stream(kind, data), verbose=0)
    assert not [warning for warning in recwarn if "shuffle" in str(warning.message)]


def test_arrays_are_shuffled():
    seen, data = [], MODELS["dense"].data()
    model = MODELS["dense"].compiled(run_eagerly=True)
    cost = model.cost
    model.cost = lambda x, *rest: seen.append(x.numpy()) or cost(x, *rest)
    model.fit(data, batch_size=8, verbose=0)
    assert not np.array_equal(np.concatenate(seen), data)
    np.testing.assert_array_equal(np.sort(np.concatenate(seen), axis=0), np.sort(data, axis=0))


def test_kl_is_that_of_two_normals():
    model = dense_vae()
    x = MODELS["dense"].data()
    q = model.posterior(x).distribution
    mean, scale = q.loc.numpy().astype(float), q.scale.numpy().astype(float)
    expected = 0.5 * (scale**2 + mean**2 - 1 - 2 * np.log(scale)).sum(-1)
    np.testing.assert_allclose(model(x)["kl"], expected, rtol=1e-5)


def test_error_reported_is_the_error_of_the_data():
    model = MODELS["dense"].compiled()
    x = MODELS["dense"].data()
    tf_geco_error = model.evaluate(x, verbose=0, return_dict=True)["reconstruction_error"]
    errors = [np.mean((x - model.reconstruct(x).numpy()) ** 2) for _ in range(200)]
    np.testing.assert_allclose(tf_geco_error, np.sqrt(np.mean(errors)), rtol=0.1)


def test_users_metrics_compare_the_reconstruction():
    model = MODELS["dense"].build()
    x = MODELS["dense"].data()
    model.compile("adam", metrics=["mse"])
    logs = model.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["mse"], logs["reconstruction_error"] ** 2, rtol=1e-4)


def test_gradient_clipping_schedules_and_accumulation_of_the_optimizer_work():
    rate = keras.optimizers.schedules.ExponentialDecay(1e-2, 10, 0.9)
    optimizer = keras.optimizers.SGD(rate, clipnorm=1.0, gradient_accumulation_steps=2)
    model = MODELS["dense"].build()
    model.compile(optimizer)
    history = model.fit(MODELS["dense"].data(), epochs=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_regularization_counts_in_the_loss(no_noise):
    plain = MODELS["dense"].compiled()
    plain.objective.step.assign(1)
    x = MODELS["dense"].data()
    loss = float(plain.test_step((x,))["loss"])
    plain.decoder.layers[0].kernel_regularizer = keras.regularizers.L2(0.1)
    regular = type(plain).from_config(plain.get_config())
    regular.set_weights(plain.get_weights())
    regular.compile("adam")
    penalty = 0.1 * float(tf.reduce_sum(regular.decoder.layers[0].kernel ** 2))
    np.testing.assert_allclose(regular.test_step((x,))["loss"], loss + penalty, rtol=1e-4)


def test_learned_prior_trains():
    class LearnedPrior(keras.layers.Layer):
        def build(self, *_):
            self.mean = self.add_weight(shape=(2,), name="mean", initializer="zeros")

        def call(self, features=None):
            return tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.mean), tf.ones(2))

    model = tf_geco.VAE(*dense_networks((6,), 2, (8,)), DiagonalNormal(2), geco(), LearnedPrior())
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(MODELS["dense"].data(), epochs=2, verbose=0)
    assert np.abs(model.prior_layer.mean.numpy()).max() > 0


class LatePosterior(tf_geco.posteriors.Posterior):
    """A user's: its layer is there once it is built, with weights once it is called."""

    def build(self, features_shape):
        self.mean = keras.layers.Dense(self.latent_dim)

    def call(self, features):
        return tfd.MultivariateNormalDiag(self.mean(features), tf.fill([self.latent_dim], 0.1))


def test_all_weights_train_however_late_they_are_made_or_freed():
    encoder, decoder = dense_networks((6,), 2, (8,))
    model = tf_geco.VAE(encoder, decoder, LatePosterior(2), geco())
    decoder.trainable = False
    model.compile(keras.optimizers.Adam(0.1))
    free = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: setattr(decoder, "trainable", True)
    )
    before = decoder.get_weights()
    model.objective.plan(20)
    model.fit(MODELS["dense"].data(), epochs=3, verbose=0, callbacks=[free])
    start = model.posterior_layer.mean.get_weights()
    model.fit(MODELS["dense"].data(), epochs=3, verbose=0)
    assert not np.allclose(before[0], decoder.get_weights()[0])
    assert not np.allclose(start[0], model.posterior_layer.mean.get_weights()[0])


def test_images_outside_the_unit_range_are_warned_about_once():
    model = tf_geco.VAE(
        *conv_networks((4, 4, 1), 2, filters=(2,), hidden=4), DiagonalNormal(2), geco()
    )
    model.compile("adam")
    images = np.random.default_rng(0).random((8, 4, 4, 1)).astype("float32") * 255
    with pytest.warns(UserWarning, match=r"\[0, 1\].*Received: 1\d\d values outside of \[0, 1\]"):
        model.fit(images, verbose=0)
    model.fit(images, verbose=0)


def geometric(logits):
    return tfd.Geometric(probs=tf.clip_by_value(logits, 0.01, 0.99))


def rare():
    return tf_geco.GECO([tf_geco.constraints.NegativeLogLikelihood(9.0, geometric)])


def own_decoder(last):
    layers = keras.layers
    return keras.Sequential([keras.Sequential([layers.Dense(8), layers.Dense(6, last)])])


@pytest.mark.parametrize(
    ("decoder", "objective", "warned"),
    [
        (lambda: dense_networks((6,), 2, hidden=(8,))[1], geco, True),
        (lambda: own_decoder("sigmoid"), geco, True),
        (lambda: own_decoder(None), geco, False),
        (lambda: own_decoder("sigmoid"), rare, False),
    ],
    ids=["preset", "own_sigmoid", "own_line", "likelihood"],
)
def test_data_that_a_sigmoid_cannot_reach_are_warned_about(decoder, objective, warned):
    """Whatever their rank: standardised tables are the usual case."""
    encoder, _ = dense_networks((6,), 2, hidden=(8,))
    model = tf_geco.VAE(encoder, decoder(), DiagonalNormal(2), objective())
    model.compile("adam", jit_compile=False)
    data = np.random.default_rng(0).geometric(0.5, (24, 6)).astype("float32")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(data, verbose=0)
    assert any("not in [0, 1]" in str(w.message) for w in caught) == warned


def test_loss_in_compile_is_refused():
    model = MODELS["dense"].build()
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"without `loss`. Received: loss='mse'"):
        model.fit(MODELS["dense"].data(), verbose=0)
    model.compile("adam")
    model.fit(MODELS["dense"].data(), verbose=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda e, d: tf_geco.VAE(e, d, DiagonalNormal(3), geco()), "decoder for 2.*latent_dim=3"),
        (
            lambda e, d: tf_geco.VAE(e, dense_networks((7,), 2)[1], DiagonalNormal(2), geco()),
            r"returns \(None, 7\), data of shape \(None, 6\)",
        ),
        (lambda e, d: tf_geco.VAE("conv", d, DiagonalNormal(2), geco()), "encoder='conv'"),
        (lambda e, d: tf_geco.VAE(e, d, "normal", geco()), "posterior='normal'"),
        (lambda e, d: tf_geco.VAE(e, d, DiagonalNormal(2), "mse"), "objective='mse'"),
        (lambda e, d: DiagonalNormal(0), "latent_dim=0"),
        (lambda e, d: DiagonalNormal(2)(tf.zeros([2, 3, 4])), r"\(2, 3, 4\)"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(*dense_networks((6,), 2, (8,)))


def test_export_before_training_says_what_to_do(tmp_path):
    layers = keras.layers
    model = tf_geco.VAE(layers.Dense(3), layers.Dense(4), DiagonalNormal(2), geco())
    with pytest.raises(ValueError, match="Train it, or call it on a batch"):
        model.export(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["dense", "conv", "counts"])
def test_labels_like_the_data_are_not_ignored_in_silence(name):
    model, x = MODELS[name].compiled(), MODELS[name].data()
    with pytest.warns(UserWarning, match="`y` has the shape of the data, and is not used"):
        model.evaluate(x, x, verbose=0)


def test_something_asks_for_reconstructions():
    alone = tf_geco.constraints.KLDivergence(3.0)
    with pytest.raises(ValueError, match="Nothing asks for reconstructions"):
        dense_vae(tf_geco.GECO([alone]))
    error = tf_geco.constraints.ReconstructionError(0.1)
    dense_vae(tf_geco.GECO([alone], cost=error))
    dense_vae(tf_geco.GECO([tf_geco.constraints.KLDivergence(3.0), error]))
