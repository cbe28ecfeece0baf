"""The law of own loops: an objective says and does in any model what it does in ours."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, batches
from tf_geco.constraints import ReconstructionError

DATA = MODELS["dense"].data()


@keras.saving.register_keras_serializable(package="tests")
class Own(keras.Model):
    """A model with an objective under a name of its own, and the least `train_step`."""

    def __init__(self, with_latents=True, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # the first batch builds the objective
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


def stepped(model, epochs=1, **options):
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=options.pop("eager", False))
    model.anything.plan(3 * epochs)
    model.fit(batches(DATA), epochs=epochs, verbose=0, **options)
    return model


def state(objective):
    return {weight.name: weight.numpy() for weight in objective.weights}


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("kind", ["model.keras", "model.weights.h5"])
def test_state_is_loaded_before_there_is_anything_to_hold_it(kind, eager, tmp_path):
    path, model = str(tmp_path / kind), stepped(Own(), 4)
    before = state(model.anything)
    if kind.endswith(".keras"):
        model.save(path)
        loaded = keras.models.load_model(path)
    else:
        model.save_weights(path)
        loaded = Own()
        loaded.load_weights(path)
    assert not loaded.anything.built
    loaded.save_weights(tmp_path / "again.weights.h5")
    loaded = Own()
    loaded.load_weights(tmp_path / "again.weights.h5")
    loaded.anything(DATA, outputs=loaded(DATA), cost=np.zeros(len(DATA), "float32"))
    np.testing.assert_equal(state(loaded.anything), before)
    again = keras.models.load_model(path) if kind.endswith(".keras") else Own()
    again.load_weights(path)
    for one in (model, again):
        stepped(one, 2, eager=eager)
    assert int(again.anything.step) == 12 + 6
    assert int(again.anything.planned_steps) == 12 + 6
    for name, value in state(model.anything).items():
        np.testing.assert_allclose(state(again.anything)[name], value, rtol=0.2, err_msg=name)


def test_the_backup_of_keras_keeps_the_multipliers_of_an_own_loop(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    def run(folder, *more):
        keras.utils.set_random_seed(0)
        backup = keras.callbacks.BackupAndRestore(tmp_path / folder)
        return stepped(Own(), 6, callbacks=[backup, *more])

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("killed", Stop())
    resumed = run("killed")
    for name, value in state(whole.anything).items():
        np.testing.assert_array_equal(state(resumed.anything)[name], value, err_msg=name)


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
