"""ConvDRAW as its users meet it: its loop, its conditional form, its samples, its arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import NETWORKS, conv_draw, geco, train
from tests.models.transcription import images, randomised


def gradients_of(model, x, jit_compile=False):
    @tf.function(jit_compile=jit_compile)
    def gradients():
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = tf.reduce_sum(outputs["kl"]) + tf.reduce_sum(outputs["reconstruction"] ** 2)
        return tape.gradient(loss, model.trainable_variables)

    return gradients()


def keeping_and_recomputing(x, **options):
    """Returns two models of the same weights."""
    plain, other = conv_draw(**options), conv_draw(**options, rematerialize=True)
    plain(x), other(x)
    other.set_weights(plain.get_weights())
    return plain, other


@pytest.mark.parametrize("options", [{}, {"share_weights": False}, {"context_shape": (7, 6, 2)}])
def test_every_weight_gets_a_gradient(options):
    model = randomised(conv_draw(**options))
    context = {} if not options.get("context_shape") else {"context": images(3, (7, 6, 2))}
    x = {**context, "target": images()} if context else images()
    idle = {
        weight.path
        for weight, gradient in zip(model.trainable_variables, gradients_of(model, x), strict=True)
        if not float(tf.reduce_max(tf.abs(gradient))) > 0
    }
    # With weights of its own, the prior of the first step only ever sees a state of zeros.
    own = {model.network.cells[0].to_prior.kernel.path} if "share_weights" in options else set()
    assert idle == own


@pytest.mark.parametrize(
    ("options", "jit_compile"),
    [({}, True), ({"share_weights": False}, False), ({"context_shape": (7, 6, 2)}, False)],
)
def test_what_is_computed_again_has_the_same_gradients(options, jit_compile, no_noise):
    x = images(3)
    if "context_shape" in options:
        x = {"target": x, "context": images(3, (7, 6, 2))}
    models = keeping_and_recomputing(x, **options)
    expected, found = (gradients_of(model, x, jit_compile) for model in models)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-3 * np.abs(a).max())


def test_what_is_decoded_has_the_same_gradients_too():
    latents = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4, 3, 2)), tf.float32)
    found = []
    for model in keeping_and_recomputing(images(3)):
        with tf.GradientTape() as tape:
            tape.watch(latents)
            total = tf.reduce_sum(model.decode(latents) ** 2)
        found.append(tape.gradient(total, latents))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", [{"unroll": False}, {"rematerialize": True}])
def test_loops_and_recomputation_change_no_number(options):
    plain, other = conv_draw(), conv_draw(**options)
    other.set_weights(plain.get_weights())
    for model in (plain, other):
        model.compile("adam", jit_compile=False)
        model.seed_generator.state.assign([5, 0])
    np.testing.assert_allclose(
        train(other, images(16), epochs=2), train(plain, images(16), epochs=2), rtol=1e-4
    )
    for a, b in zip(plain.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_a_loop_leaves_xla_out_on_a_cpu():
    model = conv_draw(unroll=False)
    with pytest.warns(UserWarning, match="jit_compile"):
        model.compile("adam", jit_compile=True)
    model.fit(images(), verbose=0)


def test_reconstruction_is_decoded_latents():
    model = randomised(conv_draw())
    x = images()
    latents = model.encode(x, seed=3)
    assert latents.shape == (3, 3, 4, 3, 2)
    np.testing.assert_allclose(model.decode(latents), model.reconstruct(x, seed=3), atol=1e-6)


def test_steps_that_are_not_drawn_take_the_mean_of_their_prior():
    model = randomised(conv_draw())
    whole, first, none = (model.sample(5, seed=1, steps=k) for k in (3, 1, 0))
    np.testing.assert_array_equal(whole, model.sample(5, seed=1))
    assert not np.allclose(whole, first)
    np.testing.assert_allclose(none, np.broadcast_to(none[:1], none.shape), atol=1e-5)
    np.testing.assert_array_equal(none, model.sample(5, seed=2, steps=0))


def test_a_context_tells_what_to_draw():
    """Trained on pairs that are equal, the samples for a context are the context."""
    model = conv_draw((4, 4, 1), context_shape=(4, 4, 1), hidden_channels=8)
    bits = np.random.default_rng(0).integers(2, size=(256, 2, 2, 1))
    pairs = np.repeat(np.repeat(bits, 2, 1), 2, 2).astype("float32")
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit({"context": pairs, "target": pairs}, batch_size=32, epochs=12, verbose=0)
    drawn = model.sample(context=pairs[:32], seed=0)
    assert np.mean((drawn - pairs[:32]) ** 2) < 0.02


def test_contexts_that_are_no_images_take_a_representation_of_ones_own():
    layers = keras.layers
    representation = keras.Sequential([layers.Dense(4 * 3 * 2), layers.Reshape((4, 3, 2))])
    model = conv_draw(context_shape=(5,), representation=representation)
    context = np.ones((3, 5), "float32")
    assert model({"context": context, "target": images()})["kl"].shape == (3,)
    copy = type(model).from_config(model.get_config())
    assert copy.sample(context=context).shape == (3, 7, 6, 1)


def test_learned_sigma_gives_a_likelihood_as_a_constraint(tmp_path):
    likelihood = tf_geco.constraints.NegativeLogLikelihood(
        -10.0, "normal", parameters="mean_and_scale", scale=10.0
    )
    model = conv_draw(objective=tf_geco.GECO([likelihood]), learn_sigma=True)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(images(16), epochs=5, verbose=0)
    assert float(model.log_sigma) < 0
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.log_sigma) == float(model.log_sigma)


def test_trained_the_kl_is_spent_where_it_must_be():
    """Steps report their KL, and the sum is what the objective sees."""
    model = NETWORKS["conv_draw"].compiled()
    outputs = model.predict(NETWORKS["conv_draw"].data(), verbose=0)
    np.testing.assert_allclose(outputs["kl_per_step"].sum(1), outputs["kl"], rtol=1e-5)


def test_presets_can_be_changed():
    model = tf_geco.ConvDRAW.from_preset("small", (8, 8, 3), geco(), hidden_channels=5)
    assert (model.steps, model.sizes["hidden_channels"]) == (4, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "`steps` must be a positive integer"),
        ({"kernel_size": 2.5}, "`kernel_size` must be a positive integer"),
        ({"unroll": False, "share_weights": False}, "need `unroll=True`"),
        ({"unroll": False, "rematerialize": True}, "need `unroll=True`"),
        ({"context_shape": (5,)}, "need a `representation`"),
        ({"representation": keras.layers.Flatten()}, "`context_shape`"),
        (
            {"context_shape": (7, 6, 1), "representation": keras.layers.Flatten()},
            "half the resolution",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv_draw(**arguments)


def test_a_wrong_image_or_preset_or_context_is_named():
    with pytest.raises(ValueError, match="image_shape"):
        conv_draw((28, 28))
    with pytest.raises(ValueError, match="`preset` must be one of small, large"):
        tf_geco.ConvDRAW.from_preset("medium", (28, 28, 1), geco())
    with pytest.raises(ValueError, match="takes a context"):
        conv_draw(context_shape=(7, 6, 2)).sample(3)
    with pytest.raises(ValueError, match="takes no context"):
        conv_draw().sample(context=images())
    with pytest.raises(ValueError, match="Give either `n` or `context`"):
        conv_draw().sample()
    with pytest.raises(ValueError, match=r'takes {"context"'):
        conv_draw(context_shape=(7, 6, 2))(images())
