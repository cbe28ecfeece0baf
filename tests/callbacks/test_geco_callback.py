"""GECOCallback: what it logs, keeps, writes; when it stops; and that it changes nothing."""

import csv
import sys

import keras
import numpy as np
import pytest

import tf_geco
from tests.callbacks.feigned import epochs_of, fit
from tests.catalogue import MODELS, batches, dense_vae, geco, line, train


def test_history_holds_the_multiplier_and_feasibility():
    model, history = fit(tf_geco.GECOCallback())
    assert {"lambda", "beta", "C_ma", "feasible"} <= set(history)
    np.testing.assert_allclose(history["lambda"][-1], model.objective.multiplier[0])
    np.testing.assert_allclose(np.multiply(history["lambda"], history["beta"]), 1, rtol=1e-5)
    np.testing.assert_allclose(history["C_ma"][-1], model.objective.violations()[0])


def test_it_only_observes():
    with_callback, _ = fit(tf_geco.GECOCallback(every=1, restore_best_weights=False))
    keras.utils.set_random_seed(7)
    without = MODELS["dense"].compiled()
    train(without, MODELS["dense"].data(), epochs=3)
    for a, b in zip(with_callback.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_trajectory_as_arrays_and_csv(tmp_path, steps_per_execution):
    path = tmp_path / "new" / "trajectory.csv"
    callback = tf_geco.GECOCallback(every=1, csv=str(path))
    model, _ = fit(callback, steps_per_execution=steps_per_execution)
    record = callback.trajectory.arrays()
    assert record["step"][-1] == 9
    assert len(np.unique(record["step"])) == len(record["step"]) >= 9 // steps_per_execution
    assert record["multiplier"].shape == record["violation"].shape == (len(record["step"]), 1)
    np.testing.assert_allclose(record["multiplier"][-1], model.objective.multiplier)
    np.testing.assert_allclose(record["violation"][-1], model.objective.violations())
    np.testing.assert_allclose(record["mean"] - 0.1**2, record["violation"], atol=1e-7)
    np.testing.assert_allclose(record["measured"] ** 2, record["mean"], rtol=1e-5)
    rows = list(csv.reader(path.open()))
    assert rows[0][:3] == ["step", "cost", "C_ma_reconstruction_error"]
    np.testing.assert_allclose(float(rows[-1][-1]), record["multiplier"][-1, 0], rtol=1e-5)
    np.testing.assert_allclose(float(rows[-1][1]), model.objective.cost_average, rtol=1e-5)


def test_second_fit_continues_the_trajectory():
    callback = tf_geco.GECOCallback(every=1)
    model, _ = fit(callback)
    model.fit(batches(MODELS["dense"].data()), verbose=0, callbacks=[callback])
    assert callback.trajectory.arrays()["step"][-1] == 12
    assert len(callback.trajectory) == 12


def test_another_model_gets_a_trajectory_of_its_own():
    callback = tf_geco.GECOCallback(every=1)
    fit(callback)
    first = callback.trajectory
    other, _ = fit(callback, epochs=1)
    assert callback.trajectory is not first
    np.testing.assert_array_equal(callback.trajectory.arrays()["step"], [1, 2, 3])
    np.testing.assert_allclose(
        callback.trajectory.arrays()["multiplier"][-1], other.objective.multiplier
    )
    assert len(first) == 9


@pytest.mark.parametrize(
    ("pairs", "best"),
    [
        ([(0.5, 1), (0.0, 9), (-0.1, 7), (0.4, 2), (0.04, 8)], 2),  # feasible first, then cost
        ([(0.5, 1), (0.3, 9), (0.4, 2)], 1),  # none feasible: the least violation
        ([(0.0, 9), (np.nan, 1), (0.0, np.nan)], 0),  # what is unknown is not best
    ],
)
def test_best_weights_are_restored(pairs, best):
    callback = tf_geco.GECOCallback(restore_best_weights=True)
    assert epochs_of(callback, MODELS["dense"].compiled(), pairs) == best
    assert callback.best_epoch == best


def test_the_band_that_counts_as_feasible_is_the_objectives():
    model = MODELS["dense"].compiled()
    pairs = [(0.0, 9), (0.15, 1)]
    for band, best in ((0.1, 0), (0.2, 1)):
        model.objective.band = band
        callback = tf_geco.GECOCallback(restore_best_weights=True)
        assert epochs_of(callback, model, pairs) == best


def test_best_weights_start_anew_at_each_fit():
    """What an earlier fit found, perhaps of another tolerance, is not restored."""
    model = MODELS["dense"].compiled()
    callback = tf_geco.GECOCallback(restore_best_weights=True)
    assert epochs_of(callback, model, [(0.0, 1), (0.0, 5)]) == 0
    assert epochs_of(callback, model, [(0.5, 8), (0.3, 7), (0.4, 6)]) == 1
    assert callback.best_epoch == 1


def test_it_stops_when_feasible_and_the_cost_has_plateaued():
    pairs = [(0.5, 9)] * 5 + [(0, 9), (0, 7), (0, 6.95), (0, 7), (0, 6), (0, 5)]
    callback = tf_geco.GECOCallback(patience=2, min_delta=0.1)
    assert epochs_of(callback, MODELS["dense"].compiled(), pairs) == 8


def test_patience_starts_anew_at_each_fit():
    model = MODELS["dense"].compiled()
    callback = tf_geco.GECOCallback(patience=2, min_delta=0.1)
    assert epochs_of(callback, model, [(0, 3), (0, 3)]) == 1  # one epoch waited
    assert epochs_of(callback, model, [(0, 9), (0, 9), (0, 8), (0, 8), (0, 8), (0, 8)]) == 4


def test_the_cost_of_an_elbo_is_its_loss():
    """Its KL alone is least where nothing is sent."""
    losses = [30.0, 20.0, 22.0, 21.0, 10.0]
    model = MODELS["annealed_elbo"].compiled()

    def epochs(callback):
        model.stop_training = False
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, loss in enumerate(losses):
            model.objective.averages.assign([[0.1, epoch], [1.0, 1.0]])
            model.decoder.weights[0].assign(np.full(model.decoder.weights[0].shape, float(epoch)))
            callback.on_epoch_end(epoch, {"loss": loss, "kl": float(epoch)})
            if model.stop_training:
                break
        callback.on_train_end()
        return float(model.decoder.weights[0].numpy().flat[0])

    assert epochs(tf_geco.GECOCallback(patience=2)) == 3
    assert epochs(tf_geco.GECOCallback(patience=2, restore_best_weights=True)) == 1
    assert epochs(tf_geco.GECOCallback(restore_best_weights=True)) == 4


def test_of_an_optimizer_that_averages_the_best_weights_are_the_averaged_ones():
    case = MODELS["dense"]
    runs = {}
    for restore in (False, True):
        keras.utils.set_random_seed(7)
        model = case.compiled()
        model.compile(keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.5))
        # Of one epoch, the first is the best: the same weights as Keras leaves at the end.
        callback = tf_geco.GECOCallback(restore_best_weights=restore)
        model.fit(batches(case.data()), verbose=0, shuffle=False, callbacks=[callback])
        runs[restore] = [weight.numpy() for weight in model.trainable_weights]
    for kept, restored in zip(runs[False], runs[True], strict=True):
        np.testing.assert_allclose(restored, kept, rtol=1e-6)


def test_tensorboard_gets_scalars_and_images(tmp_path):
    case = MODELS["conv"]
    fit(tf_geco.GECOCallback(log_dir=str(tmp_path), images=case.data(2)), case, epochs=1)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("events*"))
    for tag in (b"lambda", b"C_ma", b"feasible", b"data_and_reconstruction"):
        assert tag in written


def test_without_tensorboard_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"tf_geco\[tensorboard\]"):
        tf_geco.GECOCallback(log_dir="logs")


def test_it_observes_the_baselines_too():
    _, history = fit(tf_geco.GECOCallback(), MODELS["annealed_elbo"])
    np.testing.assert_allclose(history["beta"], 2.0 - 0.13 * np.array([3, 6, 9]), rtol=1e-5)
    assert not {"feasible", "C_ma", "lambda"} & set(history)


@pytest.mark.parametrize("bad", [{"every": 0}, {"patience": 1.5}, {"min_delta": -1}])
def test_bad_arguments_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}="):
        tf_geco.GECOCallback(**bad)


def test_models_without_an_objective_are_refused():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="of type Sequential"):
        model.fit(np.ones((4, 2)), np.ones(4), verbose=0, callbacks=[tf_geco.GECOCallback()])


class Assign(keras.callbacks.Callback):
    """Assigns another tolerance when an epoch is over."""

    def __init__(self, epoch, tolerance):
        super().__init__()
        self.epoch, self.tolerance = epoch, tolerance

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            self.model.objective.constraints[0].tolerance = self.tolerance


@pytest.mark.parametrize("change", ["assigned", "scheduled"])
def test_best_is_of_the_tolerance_that_is_asked_for_last(change, tmp_path):
    """Whoever tightens a tolerance wants the best of the tight ones, not the cheapest of all."""
    tolerance = 0.5 if change == "assigned" else line(0.5, 0.2, 9)
    model, file = dense_vae(geco(tolerance)), str(tmp_path / "best.keras")
    model.compile("adam", jit_compile=False)
    patience = 1 if change == "scheduled" else None
    callback = tf_geco.GECOCallback(patience=patience, restore_best_weights=True, checkpoint=file)
    callbacks = [callback] if change == "scheduled" else [callback, Assign(1, 0.2)]
    data = batches(MODELS["dense"].data())
    history = model.fit(data, epochs=5, verbose=0, callbacks=callbacks).history
    assert len(history["loss"]) >= 3  # patience starts anew, too
    assert callback.best_epoch >= 2
    assert int(model.objective.step) == 3 * (callback.best_epoch + 1)
    assert float(model.objective.constraints[0].tolerance_at(model.objective.step)) < 0.21
    saved = keras.saving.load_model(file)
    for found, expected in zip(saved.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("validated", [False, True])
def test_ranks_of_epochs_that_do_not_hold_go_by_their_logs(validated):
    data, asked = MODELS["dense"].data(), 0.05
    model = dense_vae(geco(asked))
    model.compile(keras.optimizers.SGD(1e-3), jit_compile=False)
    data[:16] = 1.0  # so that C_ma, of the last batches, says something else than the epoch
    options = {"validation_data": (data[:8],)} if validated else {}
    callbacks = [tf_geco.GECOCallback()]
    history = model.fit(batches(data), epochs=3, verbose=0, callbacks=callbacks, **options).history
    expected = np.square(history["reconstruction_error"]) / asked**2
    np.testing.assert_allclose(history["rank"], expected, rtol=1e-4)
    assert history["rank"] != pytest.approx(1 + np.array(history["C_ma"]) / asked**2, rel=1e-3)


@pytest.mark.parametrize("name", ["rank", "lambda", "C_ma", "beta"])
@pytest.mark.parametrize("together", [1, 2])
def test_a_metric_with_a_name_of_its_logs_is_refused(name, together):
    metric = keras.metrics.MeanSquaredError(name=name)
    model = MODELS["dense"].compiled(metrics=[metric], steps_per_execution=together)
    with pytest.raises(ValueError, match=f"`GECOCallback` logs.*Received: {name}"):
        model.fit(batches(MODELS["dense"].data()), verbose=0, callbacks=[tf_geco.GECOCallback()])


def test_a_schedule_that_decays_for_ever_has_a_best_and_an_end():
    tolerance = keras.optimizers.schedules.ExponentialDecay(0.5, 300, 0.999)
    model = dense_vae(geco(tolerance))
    model.compile("adam", jit_compile=False)
    callback = tf_geco.GECOCallback(patience=2)
    data = batches(MODELS["dense"].data())
    history = model.fit(data, epochs=9, verbose=0, callbacks=[callback]).history
    assert len(history["loss"]) < 9
