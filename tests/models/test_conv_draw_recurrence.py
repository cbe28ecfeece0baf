"""ConvDRAW: the recurrence as the papers write it, its prior, its noise."""

import numpy as np
import pytest
import tensorflow as tf

from tests.catalogue import conv_draw
from tests.models.transcription import Transcription, images, randomised


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
