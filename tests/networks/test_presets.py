"""The preset networks of a VAE."""

import numpy as np
import pytest
import tensorflow as tf

from tf_geco.models import conv_networks, dense_networks


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (7, 13, 1), (1, 1, 2)])
@pytest.mark.parametrize("networks", [dense_networks, conv_networks])
def test_preset_networks_fit_any_image(shape, networks):
    encoder, decoder = networks(shape, 3)
    assert len(encoder(tf.zeros([2, *shape])).shape) == 2
    images = decoder(tf.random.normal([2, 3]))
    assert images.shape == (2, *shape)
    assert 0 <= float(tf.reduce_min(images)) <= float(tf.reduce_max(images)) <= 1


@pytest.mark.parametrize("kind", [tuple, list, np.array, tf.TensorShape])
@pytest.mark.parametrize("networks", [dense_networks, conv_networks])
def test_a_shape_is_whatever_data_say_it_is(kind, networks):
    encoder, decoder = networks(kind((8, 8, 1)), 3)
    assert encoder.input_shape == decoder.output_shape == (None, 8, 8, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dense_networks((0,), 2), r"image_shape=\(0,\)"),
        (lambda: conv_networks((28, 28), 2), r"image_shape=\(28, 28\)"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
