"""The preset classifiers: what goes in and out, that they learn, and that they serve frozen."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tf_geco.constraints import ClassificationAccuracy, FeatureReconstructionError

PRESETS = {
    "classifier": lambda shape=(8, 8, 1), **options: tf_geco.models.classifier(
        shape, filters=(4,), hidden=8, **options
    ),
    "resnet": lambda shape=(8, 8, 3), **options: tf_geco.models.resnet(
        shape, filters=(4, 8), **options
    ),
}
LAYERS = [
    None,
    "stage_1",
    *(pytest.param(n, marks=pytest.mark.long) for n in ("stage_2", "features")),
]
every_preset = pytest.mark.parametrize("make", PRESETS.values(), ids=PRESETS.keys())


def images_of(network, n=16, seed=0):
    shape = (n, *network.input_shape[1:])
    return np.random.default_rng(seed).uniform(size=shape).astype("float32")


def small_vae(shape, constraint):
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks(shape, latent_dim=2, hidden=(16,)),
        posterior=tf_geco.posteriors.DiagonalNormal(2),
        objective=tf_geco.GECO([constraint]),
    )
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    return model


@every_preset
@pytest.mark.parametrize("shape", [(8, 8, 3), (9, 7, 1)])
def test_images_become_probabilities_of_classes(make, shape):
    network = make(shape, classes=4)
    found = network.predict(images_of(network), verbose=0)
    assert found.shape == (16, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_the_stages_of_a_resnet_halve_the_image():
    network = tf_geco.models.resnet()
    shapes = {
        name: network.get_layer(name).output.shape[1:]
        for name in ("stage_1", "stage_2", "stage_3", "features")
    }
    assert shapes == {
        "stage_1": (32, 32, 16),
        "stage_2": (16, 16, 32),
        "stage_3": (8, 8, 64),
        "features": (64,),
    }
    assert network.count_params() < 100_000


def test_three_blocks_a_stage_are_the_resnet_20_of_the_reference():
    network = tf_geco.models.resnet(blocks=3)
    names = {layer.name for layer in network.layers}
    assert {"stage_1_block_1", "stage_1_block_2", "stage_1", "stage_3"} <= names
    convolutions = [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    on_the_path = [x for x in convolutions if x.kernel_size == (3, 3)]
    assert len(on_the_path) + 1 == 20  # and the last, dense layer


@every_preset
def test_a_few_epochs_learn_what_is_easy_to_tell(make):
    keras.utils.set_random_seed(0)
    network = make(classes=2, learning_rate=1e-2)
    labels = np.arange(64) % 2
    images = images_of(network, 64) * np.where(labels == 1, 1.0, 0.3)[:, None, None, None]
    before = [w.numpy() for w in network.trainable_weights]
    history = network.fit(images, labels, batch_size=16, epochs=15, verbose=0).history
    assert all(np.any(a != b) for a, b in zip(before, network.trainable_weights, strict=True))
    assert history["loss"][-1] < history["loss"][0]
    assert network.evaluate(images, labels, verbose=0)[1] > 0.9


@every_preset
def test_they_come_back_from_a_file(make, tmp_path):
    network = make()
    images = images_of(network)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(
        again.predict(images, verbose=0), network.predict(images, verbose=0), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_a_resnet_serves_feature_reconstruction_frozen(layer):
    network = PRESETS["resnet"]()
    images = images_of(network)
    network.fit(images, np.arange(16) % 10, verbose=0)  # moves the statistics of batch norm
    features = keras.Model(network.inputs, network.get_layer(layer).output) if layer else network
    constraint = FeatureReconstructionError(0.1, features)
    before = [w.numpy() for w in network.weights]
    expected = features.predict(images, verbose=0) - features.predict(images[::-1], verbose=0)
    found = constraint(images, outputs={"reconstruction": tf.constant(images[::-1])}).values
    axes = tuple(range(1, expected.ndim))
    np.testing.assert_allclose(found, np.mean(expected**2, axes), rtol=1e-4, atol=1e-6)
    model = small_vae((8, 8, 3), constraint)
    history = model.fit(images, epochs=2, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["skipped"][-1] == 0
    for weight, old in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


@every_preset
def test_they_serve_classification_accuracy_frozen(make):
    network = make()
    images, labels = images_of(network), np.arange(16) % 10
    before = [w.numpy() for w in network.weights]
    model = small_vae(network.input_shape[1:], ClassificationAccuracy(0.9, network))
    start = [w.numpy() for w in model.trainable_weights]
    model.fit(images, labels, epochs=2, batch_size=8, verbose=0)
    assert any(np.any(a != b) for a, b in zip(start, model.trainable_weights, strict=True))
    for weight, old in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


@every_preset
def test_probabilities_are_float32_under_mixed_precision(make):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = make()
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.outputs[0].dtype == "float32"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tf_geco.models.classifier((28, 28)), "`image_shape` must be"),
        (
            lambda: tf_geco.models.classifier(classes=1),
            "`classes` must be an integer of at least 2",
        ),
        (lambda: tf_geco.models.resnet((32, 32)), "`image_shape` must be"),
        (lambda: tf_geco.models.resnet(classes=1), "`classes` must be an integer of at least 2"),
        (lambda: tf_geco.models.resnet(filters=()), "`filters` must be positive integers"),
        (lambda: tf_geco.models.resnet(blocks=0), "`blocks` must be a positive integer"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
