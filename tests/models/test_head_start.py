"""The law of the head start: the decoder learns before the encoder, and nothing else changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, dense_vae, every, geco

VAES = {n: case for n, case in MODELS.items() if hasattr(case.build(), "posterior_layer")}
LENGTH, HEAD_START = 80, 4  # steps: a twentieth


def encoding(model):
    """Returns what makes the latents: encoder, posterior, prior, gate."""
    parts = [model.encoder, model.posterior_layer, model.prior_layer, model.encoder_gate]
    return [v for part in parts if part is not None for v in part.trainable_variables]


def values(variables):
    return [variable.numpy() for variable in variables]


def moved(before, variables):
    return [not np.array_equal(old, new) for old, new in zip(before, variables, strict=True)]


def fitted(model, data, steps, **options):
    batches = tf.data.Dataset.from_tensor_slices(data).batch(8).repeat()
    model.fit(batches, steps_per_epoch=steps, verbose=0, **options)


@every(VAES)
def test_the_decoder_learns_first_then_all_do(case):
    model, data = case.compiled(jit_compile=False), case.data()
    model.objective.plan(LENGTH)
    encoder, decoder = encoding(model), model.decoder.trainable_variables
    before = values(encoder), values(decoder)
    fitted(model, data, HEAD_START)
    assert not any(moved(before[0], values(encoder)))
    assert any(moved(before[1], values(decoder)))
    fitted(model, data, 2)
    assert any(moved(before[0], values(encoder)))


@every(VAES)
def test_it_changes_no_value(case):
    model, data, found = case.build(), case.data(), []
    for counts_steps in (False, True):
        model.objective.counts_steps = counts_steps
        model.seed_generator.state.assign([1, 2])
        found.append(model(data, training=True))
    keras.tree.map_structure(np.testing.assert_array_equal, *found)


def test_a_loop_that_counts_no_steps_has_none():
    model, data = dense_vae(), MODELS["dense"].data()
    with tf.GradientTape() as tape:
        outputs = model(data, training=True)
        loss = tf.reduce_mean(outputs["kl"]) + tf.reduce_mean(outputs["reconstruction"])
    gradients = tape.gradient(loss, encoding(model))
    assert all(np.any(gradient.numpy() != 0) for gradient in gradients)


class OwnStep(tf_geco.VAE):
    """A user's model, whose step counts nothing."""

    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self(x, training=True)["kl"])
        gradients = tape.gradient(loss, self.trainable_variables)
        pairs = zip(gradients, self.trainable_variables, strict=True)
        self.optimizer.apply_gradients([pair for pair in pairs if pair[0] is not None])
        return {"loss": loss}


def test_nor_has_a_step_that_counts_none():
    networks = tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,))
    model = OwnStep(*networks, tf_geco.posteriors.DiagonalNormal(2), geco())
    model.compile("adam")
    before = values(encoding(model))
    fitted(model, MODELS["dense"].data(), 40)
    assert all(moved(before, values(encoding(model))))


def test_a_planned_loop_has_one():
    model, data = dense_vae(), MODELS["dense"].data()
    model.objective.plan(100)
    with tf.GradientTape() as tape:
        kl = tf.reduce_mean(model(data, training=True)["kl"])
    assert not any(np.any(g) for g in tape.gradient(kl, encoding(model)) if g is not None)


def test_training_goes_on_where_it_stopped_without_another():
    model, data = MODELS["dense"].compiled(jit_compile=False), MODELS["dense"].data()
    fitted(model, data, 40)
    before = values(encoding(model))
    fitted(model, data, 1)
    assert any(moved(before, values(encoding(model))))


@pytest.mark.parametrize(("planned", "alone"), [(0, 100), (19, 0), (20, 1), (600, 30), (9000, 100)])
def test_it_is_a_twentieth_of_the_training_and_100_steps_at_most(planned, alone):
    model, data = dense_vae(), MODELS["dense"].data()
    model.objective.counts_steps = True
    model.objective.planned_steps.assign(planned)
    learnt = []
    for step in (alone - 1, alone):
        model.objective.step.assign(max(step, 0))
        with tf.GradientTape() as tape:
            kl = tf.reduce_mean(model(data, training=True)["kl"])
        gradients = tape.gradient(kl, model.encoder.trainable_variables)
        learnt.append(any(np.any(g) for g in gradients if g is not None))
    assert learnt == [alone == 0, True]


def test_a_decoder_that_does_not_learn_needs_none():
    """A pretrained decoder is frozen: the encoder learns from the first step on."""
    model = MODELS["dense"].build()
    model(MODELS["dense"].data())
    model.decoder.trainable = False
    model.compile("adam", jit_compile=False)
    model.objective.plan(1000)
    before = model.encoder.get_weights()
    model.fit(MODELS["dense"].data(), verbose=0)
    assert not np.array_equal(model.encoder.get_weights()[0], before[0])
