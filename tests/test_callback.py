"""GECOCallback: what it logs, keeps, writes and says; and that it changes nothing."""

import csv
import sys
import warnings

import keras
import numpy as np
import pytest

import tf_geco
from tests.catalogue import MODELS, batches, train


def fit(callback, case=MODELS["dense"], epochs=3, **options):
    model = case.compiled(**options)
    history = model.fit(
        batches(case.data()), epochs=epochs, verbose=0, shuffle=False, callbacks=[callback]
    )
    return model, history.history


def test_history_holds_the_multiplier_and_feasibility():
    model, history = fit(tf_geco.GECOCallback())
    assert {"lambda", "beta", "C_ma", "feasible"} <= set(history)
    np.testing.assert_allclose(history["lambda"][-1], model.objective.multiplier[0])
    np.testing.assert_allclose(np.multiply(history["lambda"], history["beta"]), 1, rtol=1e-5)
    np.testing.assert_allclose(history["C_ma"][-1], model.objective.moving_average[0])


def test_it_only_observes():
    with_callback, _ = fit(tf_geco.GECOCallback(every=1, restore_best_weights=False))
    keras.utils.set_random_seed(7)
    without = MODELS["dense"].compiled()
    train(without, MODELS["dense"].data(), epochs=3)
    for a, b in zip(with_callback.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_trajectory_as_arrays_and_csv(tmp_path, steps_per_execution):
    path = tmp_path / "trajectory.csv"
    callback = tf_geco.GECOCallback(every=1, csv=str(path))
    model, _ = fit(callback, steps_per_execution=steps_per_execution)
    record = callback.trajectory.arrays()
    assert record["step"][-1] == 9
    assert len(np.unique(record["step"])) == len(record["step"]) >= 9 // steps_per_execution
    assert record["multiplier"].shape == record["violation"].shape == (len(record["step"]), 1)
    np.testing.assert_allclose(record["multiplier"][-1], model.objective.multiplier)
    rows = list(csv.reader(path.open()))
    assert rows[0][:3] == ["step", "cost", "C_ma_reconstruction_error"]
    np.testing.assert_allclose(float(rows[-1][-1]), record["multiplier"][-1, 0], rtol=1e-5)


def test_second_fit_continues_the_trajectory():
    callback = tf_geco.GECOCallback(every=1)
    model, _ = fit(callback)
    model.fit(batches(MODELS["dense"].data()), verbose=0, callbacks=[callback])
    assert callback.trajectory.arrays()["step"][-1] == 12


def feign(model, excess, cost):
    """Sets the moving averages as if training had brought them about."""
    scale = float(model.objective.constraints[0].scale)
    model.objective.averages.assign([excess * scale, cost])


def epochs_of(callback, model, pairs):
    """Calls the epoch hooks with feigned (excess, cost) and marked weights."""
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, (excess, cost) in enumerate(pairs):
        feign(model, excess, cost)
        model.decoder.weights[0].assign(np.full(model.decoder.weights[0].shape, float(epoch)))
        callback.on_epoch_end(epoch, {})
        if model.stop_training:
            break
    callback.on_train_end()
    return float(model.decoder.weights[0].numpy().flat[0])


@pytest.mark.parametrize(
    ("pairs", "best"),
    [
        ([(0.5, 1), (0.0, 9), (-0.1, 7), (0.4, 2), (0.04, 8)], 2),  # feasible first, then cost
        ([(0.5, 1), (0.3, 9), (0.4, 2)], 1),  # none feasible: the least violation
    ],
)
def test_best_weights_are_restored(pairs, best):
    callback = tf_geco.GECOCallback(restore_best_weights=True)
    assert epochs_of(callback, MODELS["dense"].compiled(), pairs) == best
    assert callback.best_epoch == best


def test_it_stops_when_feasible_and_the_cost_has_plateaued():
    pairs = [(0.5, 9)] * 5 + [(0, 9), (0, 7), (0, 6.95), (0, 7), (0, 6), (0, 5)]
    callback = tf_geco.GECOCallback(patience=2, min_delta=0.1)
    assert epochs_of(callback, MODELS["dense"].compiled(), pairs) == 8


def observe(callback, excess, growth=0.1):
    """Records 40 steps of a rising multiplier and an excess by step, then ends an epoch."""
    model = MODELS["dense"].compiled()
    callback.set_model(model)
    callback.on_train_begin()
    for step in range(40):
        model.objective.step.assign(step)
        model.objective.log_multiplier.assign([growth * step])
        feign(model, excess(step), cost=5.0)
        callback.trajectory.record()
    callback.on_epoch_end(0, {})


def test_it_says_at_the_end_which_wish_is_out_of_reach():
    callback = tf_geco.GECOCallback(every=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observe(callback, lambda step: 1.0)
    with pytest.warns(UserWarning, match="'reconstruction_error' looks out of reach: you asked"):
        callback.on_train_end()


@pytest.mark.parametrize(("power", "slow"), [(0.1, True), (1.0, False)])
def test_an_error_that_falls_too_slowly_looks_out_of_reach(power, slow):
    """Whether or not it answers: 40 (1 + step)^-0.1 would need 10^14 steps."""
    callback = tf_geco.GECOCallback(every=1)
    observe(callback, lambda step: 40 * (1.0 + step) ** -power - 1, growth=0.02)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback.on_train_end()
    assert any("its error fell by 6 %" in str(w.message) for w in caught) == slow


@pytest.mark.parametrize("verbose", [0, 1])
def test_an_error_that_answers_is_not_yet_met(verbose, capsys):
    callback = tf_geco.GECOCallback(every=1)
    callback.set_params({"verbose": verbose})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observe(callback, lambda step: 30 * np.exp(-0.06 * step) - 1)
        callback.on_train_end()
    said = "is not met yet: you asked for 0.1, the nearest seen is 0.1" in capsys.readouterr().out
    assert said == bool(verbose)


def test_a_wish_that_is_met_needs_no_words(capsys):
    callback = tf_geco.GECOCallback(every=1)
    callback.set_params({"verbose": 1})
    observe(callback, lambda step: 0.0)
    callback.on_train_end()
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("rises", "excess", "said"),
    [
        # Both rise and neither answers: the one furthest off, wherever it stands in the list.
        ((0.1, 0.1), (2.0, 0.1), "'first' looks out of reach together with 'second'"),
        ((0.1, 0.1), (0.1, 2.0), "'second' looks out of reach together with 'first'"),
        # The other holds, or is not pushed: it has no part in it.
        ((0.1, 0.1), (2.0, -0.1), "'first' looks out of reach: you asked"),
        ((0.1, 0.0), (2.0, 0.5), "'first' looks out of reach: you asked"),
    ],
)
def test_of_two_constraints_it_names_the_one_furthest_off(rises, excess, said):
    error = tf_geco.constraints.ReconstructionError
    objective = tf_geco.GECO([error(0.1, name="first"), error(0.1, name="second")])
    objective.build((None, 4), None, {"reconstruction": (None, 4)})
    callback = tf_geco.GECOCallback(every=1)
    model = keras.Sequential()
    model.objective = objective
    callback.set_model(model)
    callback.on_train_begin()
    scale = float(objective.constraints[0].scale)
    for step in range(40):
        objective.step.assign(step)
        objective.log_multiplier.assign([rise * step for rise in rises])
        objective.averages.assign([value * scale for value in excess] + [5.0])
        callback.trajectory.record()
    with pytest.warns(UserWarning, match="looks out of reach") as caught:
        callback.on_train_end()
    assert len(caught) == 1
    assert said in str(caught[0].message)


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


@pytest.mark.parametrize("bad", [{"every": 0}, {"patience": 1.5}, {"band": -1}, {"min_delta": -1}])
def test_bad_arguments_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}="):
        tf_geco.GECOCallback(**bad)


def test_models_without_an_objective_are_refused():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="of type Sequential"):
        model.fit(np.ones((4, 2)), np.ones(4), verbose=0, callbacks=[tf_geco.GECOCallback()])


def two_wishes(kappa, nats):
    """Trains a small dense VAE on digits, for RE at kappa and a KL of at most so many nats."""
    keras.utils.set_random_seed(0)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((28, 28, 1), latent_dim=16, hidden=(128,)),
        posterior=tf_geco.posteriors.DiagonalNormal(16),
        objective=tf_geco.GECO(
            [
                tf_geco.constraints.ReconstructionError(kappa),
                tf_geco.constraints.KLDivergence(nats),
            ]
        ),
    )
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    callback = tf_geco.GECOCallback()
    digits = tf_geco.datasets.load("mnist5k", batch_size=128, split="train")
    model.fit(digits, epochs=30, verbose=0, callbacks=[callback])
    return callback


def test_of_two_wishes_that_pull_apart_it_says_which_cannot_be_met():
    """Digits need more than 15 nats for RE 0.08; 15 nats alone are easily met, by sending none."""
    with pytest.warns(UserWarning, match="looks out of reach") as caught:
        callback = two_wishes(0.08, nats=15.0)
    (message,) = [str(w.message) for w in caught if "out of reach" in str(w.message)]
    assert message.startswith("Constraint 'reconstruction_error' looks out of reach together with")
    assert "'kl_divergence' (you asked for 15" in message
    rmse, nats = callback.trajectory.arrays()["measured"][-1]
    assert rmse > 1.5 * 0.08
    assert nats < 1.2 * 15
