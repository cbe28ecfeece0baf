"""The law of own loops: an objective says and does in any model what it does in ours."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, batches
from tf_geco.constraints import ReconstructionError

DATA = MODELS["dense"].data()


class Own(keras.Model):
    """A model with an objective under a name of its own, and the least `train_step`."""

    def __init__(self, with_latents=True):
        super().__init__()
        self.network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
        self.anything = tf_geco.GECO([ReconstructionError(0.1)])
        self.with_latents = with_latents

    def call(self, x):
        outputs = {"reconstruction": self.network(x)}
        return outputs | ({"latents": x} if self.with_latents else {})

    def train_step(self, x):
        with tf.GradientTape() as tape:
            outputs = self(x)
            sums = self.anything(x, outputs=outputs, cost=tf.zeros_like(x[:, 0]))
            loss = self.anything.loss(sums)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.anything.update(sums)
        return {"loss": loss}


def fitted(model, callback, plan=None):
    model.compile("adam")
    if plan:
        model.anything.plan(plan)
    model.fit(batches(DATA), epochs=2, verbose=0, callbacks=[callback])
    return model


def test_the_callback_finds_an_objective_of_any_name():
    callback = tf_geco.GECOCallback(every=1, restore_best_weights=True)
    model = fitted(Own(), callback, plan=6)
    assert callback.trajectory.arrays()["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert int(model.anything.planned_steps) == 6


def test_a_plan_that_is_missing_is_asked_for():
    with pytest.warns(UserWarning, match=r"call `geco\.plan\(6\)` before `fit`"):
        fitted(Own(), tf_geco.GECOCallback())


def test_without_latents_lambda_starts_low_all_the_same():
    model = fitted(Own(with_latents=False), tf_geco.GECOCallback(), plan=6)
    assert 0.02 < float(model.anything.multiplier[0]) < 0.2


def test_a_model_without_an_objective_is_refused():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"one objective.*Received: .* with 0"):
        model.fit(DATA, DATA, verbose=0, callbacks=[tf_geco.GECOCallback()])


def test_what_is_missing_is_named():
    geco = tf_geco.GECO([ReconstructionError(0.1)])
    with pytest.raises(ValueError, match="reconstruction"):
        geco(DATA, outputs={"latents": DATA}, cost=DATA[:, 0])
    with pytest.raises(ValueError, match="one number per example"):
        geco(DATA, outputs={"reconstruction": DATA}, cost=np.float32(1.0))


def test_the_example_of_an_own_train_step_learns(example, tmp_path):
    model = example("own_train_step", EPOCHS=2, TOLERANCE=0.3).model
    assert int(model.geco.step) == int(model.geco.planned_steps) == 2 * 70
    assert (tmp_path / "own_train_step.png").exists()
