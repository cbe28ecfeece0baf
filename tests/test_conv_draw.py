"""ConvDRAW: the recurrence as the papers write it, its prior, its loop, its conditional form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import NETWORKS, conv_draw, geco, train

SIZES = {"steps": 3, "latent_channels": 2, "hidden_channels": 4, "kernel_size": 3}


def images(n=3, shape=(7, 6, 1)):
    return np.random.default_rng(1).random((n, *shape)).astype("float32")


def randomised(model):
    """The model with weights large enough that every part of the recurrence matters."""
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    return model


class Transcription:
    """ConvDRAW in NumPy, float64, from the weights of a model and nothing else of it."""

    def __init__(self, model):
        cell = model.network.cells[0]
        self.hidden, self.shape = model.sizes["hidden_channels"], model.image_shape
        parts = {
            "encoder": cell.encoder.gates,
            "decoder": cell.decoder.gates,
            "posterior": cell.to_posterior,
            "prior": cell.to_prior,
            "write": cell.write,
            "image": cell.image_view,
        }
        self.weights = {k: [w.numpy().astype(float) for w in p.weights] for k, p in parts.items()}

    def conv(self, name, *inputs):
        x, (kernel, *bias) = np.concatenate(inputs, axis=-1), self.weights[name]
        size = len(kernel)
        low = (size - 1) // 2
        padded = np.pad(x, [(0, 0), (low, size - 1 - low), (low, size - 1 - low), (0, 0)])
        height, width = x.shape[1:3]
        shifts = [
            padded[:, i : i + height, j : j + width] @ kernel[i, j]
            for i in range(size)
            for j in range(size)
        ]
        return sum(shifts) + (bias[0] if bias else 0)

    def normal(self, *parameters):
        mean, raw = np.split(self.conv(*parameters), 2, axis=-1)
        return mean, np.exp(10 * np.tanh(raw / 10))

    def lstm(self, name, inputs, state, view=0.0):
        output, memory = state
        write, keep, show, new = np.split(self.conv(name, *inputs, output) + view, 4, axis=-1)
        memory = sigmoid(keep + 1) * memory + sigmoid(write) * np.tanh(new)
        return sigmoid(show) * np.tanh(memory), memory

    def fold(self, x):
        b, height, width, channels = x.shape
        x = np.pad(x, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)])
        blocks = x.reshape(b, (height + 1) // 2, 2, (width + 1) // 2, 2, channels)
        return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(b, *blocks.shape[1:4:2], 4 * channels)

    def unfold(self, canvas):
        b, height, width, channels = canvas.shape
        blocks = canvas.reshape(b, height, width, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(b, 2 * height, 2 * width, -1)[:, : self.shape[0], : self.shape[1]]

    def __call__(self, x, noise):
        x = self.fold(x.astype(float))
        zeros = np.zeros((*x.shape[:3], self.hidden))
        canvas, encoder, decoder, kls = np.zeros_like(x), (zeros, zeros), (zeros, zeros), []
        for eps in noise:
            error = x - sigmoid(canvas)
            view = self.conv("image", x)
            encoder = self.lstm("encoder", [error, decoder[0]], encoder, view)
            mean, scale = self.normal("posterior", encoder[0])
            prior_mean, prior_scale = self.normal("prior", decoder[0])
            ratio = scale / prior_scale
            gap = (mean - prior_mean) / prior_scale
            kls.append((0.5 * (ratio**2 + gap**2 - 1) - np.log(ratio)).sum((1, 2, 3)))
            decoder = self.lstm("decoder", [mean + scale * eps, canvas], decoder)
            canvas = canvas + self.conv("write", decoder[0])
        return sigmoid(self.unfold(canvas)), np.stack(kls, axis=1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("kernel_size", [1, 3, 4])
@pytest.mark.parametrize("shape", [(7, 6, 1), (4, 5, 3)])
def test_the_recurrence_is_that_of_a_transcription(shape, kernel_size):
    model = randomised(conv_draw(shape, kernel_size=kernel_size))
    x = images(3, shape)
    noise = np.random.default_rng(2).normal(size=(3, *model.latents_shape[1:]))
    noise = noise.transpose(1, 0, 2, 3, 4)
    expected, kl = Transcription(model)(x, noise)
    found = model.network.infer(tf.constant(x), None, tf.constant(noise, tf.float32))
    np.testing.assert_allclose(found["reconstruction"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["kl_per_step"], kl, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found["kl"], kl.sum(1), rtol=1e-4, atol=1e-3)


def test_the_prior_depends_on_what_was_drawn_before_and_not_on_its_own_latents():
    model = randomised(conv_draw())
    cell, views = model.network.cells[0], model.network.cells[0].views(None, None)
    state = cell.first(tf.constant(2), *model.network.maps)
    drawn = tf.random.normal([2, *model.latents_shape[2:]])
    before = [cell.prior(state, views).loc]
    states = [cell.generate(state, views, z) for z in (drawn, drawn + 1.0)]
    one, other = (cell.prior(state, views).loc for state in states)
    np.testing.assert_array_equal(cell.prior(state, views).loc, before[0])
    assert not np.allclose(one, before[0])
    assert not np.allclose(one, other)


def test_the_kl_of_a_step_does_not_see_its_own_noise_but_that_of_the_steps_before():
    model = randomised(conv_draw())
    x = tf.constant(images())
    noise = np.random.default_rng(2).normal(size=(3, 3, 4, 3, 2)).astype("float32")
    perturbed = noise.copy()
    perturbed[1] += 1.0
    kl, moved = (model.network.infer(x, None, n)["kl_per_step"].numpy() for n in (noise, perturbed))
    np.testing.assert_array_equal(moved[:, :2], kl[:, :2])
    assert (np.abs(moved[:, 2] - kl[:, 2]) > 1e-3).all()


def test_every_step_has_its_own_noise():
    model = conv_draw()
    noise = model._noise(4, seed=1).numpy()
    flat = noise.reshape(3, -1)
    assert abs(np.corrcoef(flat) - np.eye(3)).max() < 0.5
    assert not np.allclose(noise, model._noise(4, seed=2))


def test_no_information_where_the_posterior_is_the_prior():
    model = randomised(conv_draw())
    for layer in (model.network.cells[0].to_prior, model.network.cells[0].to_posterior):
        for weight in layer.weights:
            weight.assign(tf.zeros_like(weight))
    np.testing.assert_allclose(model(images())["kl_per_step"], 0.0, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"share_weights": False}, {"context_shape": (7, 6, 2)}])
def test_every_weight_gets_a_gradient(options):
    model = randomised(conv_draw(**options))
    context = {} if not options.get("context_shape") else {"context": images(3, (7, 6, 2))}
    x = {**context, "target": images()} if context else images()
    with tf.GradientTape() as tape:
        outputs = model(x)
        loss = tf.reduce_sum(outputs["kl"]) + tf.reduce_sum(outputs["reconstruction"] ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    idle = {
        weight.path
        for weight, gradient in zip(model.trainable_variables, gradients, strict=True)
        if not float(tf.reduce_max(tf.abs(gradient))) > 0
    }
    # With weights of its own, the prior of the first step only ever sees a state of zeros.
    own = {model.network.cells[0].to_prior.kernel.path} if "share_weights" in options else set()
    assert idle == own


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
