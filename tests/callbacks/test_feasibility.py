"""What GECOCallback says at the end: out of reach, not yet, or nothing."""

import warnings

import keras
import numpy as np
import pytest

import tf_geco
from tests.callbacks.feigned import epochs_of, observe
from tests.catalogue import MODELS, dense_vae, geco
from tf_geco.callbacks.feasibility import _conflict


def dense():
    return MODELS["dense"].compiled()


def test_it_says_at_the_end_which_tolerance_is_out_of_reach():
    callback = tf_geco.GECOCallback(every=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observe(callback, dense(), lambda index: 1.0)
    with pytest.warns(UserWarning, match="'reconstruction_error' looks out of reach: you asked"):
        callback.on_train_end()


@pytest.mark.parametrize("apart", [1, 15, 16])
def test_too_short_a_record_says_nothing_is_out_of_reach(apart, capsys):
    """Half of 40 records spans 19 distances, which must be 3 memories of C_ma: 300 steps."""
    callback = tf_geco.GECOCallback(every=1)
    callback.set_params({"verbose": 1})
    observe(callback, dense(), lambda index: 1.0, apart=apart)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback.on_train_end()
    assert any("out of reach" in str(w.message) for w in caught) == (apart == 16)
    assert ("is not met yet" in capsys.readouterr().out) == (apart < 16)


@pytest.mark.parametrize(("power", "slow"), [(0.1, True), (1.0, False)])
def test_an_error_that_falls_too_slowly_looks_out_of_reach(power, slow):
    """Whether or not it answers: 40 (1 + t)^-0.1 would need 10^14 steps."""
    callback = tf_geco.GECOCallback(every=1)
    observe(callback, dense(), lambda index: 40 * (1.0 + index) ** -power - 1, growth=0.02)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback.on_train_end()
    assert any("its error fell by 6 %" in str(w.message) for w in caught) == slow


@pytest.mark.parametrize(("asked", "excess"), [(0.1, 0.5), (0.01, 500.0)])
def test_what_the_rule_does_not_press_for_looks_out_of_reach_too(asked, excess):
    """Far beyond the likeliest lambda the default rule holds back, whatever is asked for."""
    model = dense_vae(geco(asked))
    model.compile("adam", jit_compile=False)
    model(MODELS["dense"].data())
    for rule, said in ((model.objective.rule, True), (tf_geco.multipliers.Exponential(), False)):
        model.objective.rule = rule
        callback = tf_geco.GECOCallback(every=1)
        observe(callback, model, lambda index: excess, growth=0.004)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            callback.on_train_end()
        held_back = excess > 100  # lambda e^e is beyond 2 there
        assert any("out of reach" in str(w.message) for w in caught) == (said and held_back)


@pytest.mark.parametrize("verbose", [0, 1])
def test_an_error_that_answers_is_not_yet_met(verbose, capsys):
    callback = tf_geco.GECOCallback(every=1)
    callback.set_params({"verbose": verbose})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observe(callback, dense(), lambda index: 30 * np.exp(-0.06 * index) - 1)
        callback.on_train_end()
    said = "is not met yet: you asked for 0.1, the nearest epoch had 0.17. Train longer"
    assert (said in capsys.readouterr().out) == bool(verbose)


def test_the_nearest_epoch_is_that_of_this_fit_and_may_be_any(capsys):
    readings = [[0.15], [0.13, 0.121, 0.14, np.nan]]
    callback, model = tf_geco.GECOCallback(every=1), dense()
    callback.set_params({"verbose": 1})
    for values, nearest in zip(readings, ("0.15", "0.121"), strict=True):
        pairs = [(0.5, 9.0)] * len(values)
        epochs_of(
            callback, model, pairs, lambda epoch, v=values: {"reconstruction_error": v[epoch]}
        )
        assert f"the nearest epoch had {nearest}." in capsys.readouterr().out
    epochs_of(callback, model, [(0.5, 9.0)])
    assert "you asked for 0.1, nothing was measured." in capsys.readouterr().out


def test_a_tolerance_that_is_met_needs_no_words(capsys):
    callback = tf_geco.GECOCallback(every=1)
    callback.set_params({"verbose": 1})
    observe(callback, dense(), lambda index: 0.0)
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
    observe(callback, model, lambda index: excess, growth=rises)
    with pytest.warns(UserWarning, match="looks out of reach") as caught:
        callback.on_train_end()
    assert len(caught) == 1
    assert said in str(caught[0].message)


@pytest.mark.parametrize(("end", "other"), [("0.08", "0.2"), ("0.2", "0.08")])
def test_the_ends_of_a_range_are_named_as_in_the_logs(end, other):
    objective = geco(tf_geco.Range(0.08, 0.2))
    shapes = {"reconstruction": (None, 6), "kl": (None,), "latents": (None, 2)}
    objective.build((None, 6), None, shapes)
    furthest = objective.names.index(f"reconstruction_error_{end}")
    said = _conflict(objective, np.array([[0.1, 0.3]]), np.array([0, 1]), furthest)
    assert f"'reconstruction_error_{end}' looks out of reach together with" in said
    assert f"'reconstruction_error_{other}' (you asked for {other}" in said


@pytest.mark.parametrize(("scale", "smaller"), [(None, True), (2.0, False)])
def test_of_a_narrow_band_it_says_that_a_smaller_scale_may_help(scale, smaller):
    options = {} if scale is None else {"scale": scale}
    total = lambda x, y, outputs: outputs["kl"]  # noqa: E731
    objective = tf_geco.GECO(tf_geco.constraints.equal_to(total, 300, "n", width=1, **options))
    objective.build((None, 4), None, {"kl": (None,)})
    model = keras.Sequential()
    model.objective = objective
    callback = tf_geco.GECOCallback(every=1)
    observe(callback, model, lambda index: (-6.0, 6.0), growth=(-0.1, 0.1))
    with pytest.warns(UserWarning, match="'n_at_most' looks out of reach") as caught:
        callback.on_train_end()
    assert ("smaller `scale`, such as 2" in str(caught[0].message)) == smaller


def two_tolerances(kappa, nats):
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


def test_of_two_tolerances_that_pull_apart_it_says_which_cannot_be_met():
    """Digits need more than 15 nats for RE 0.08; 15 nats alone are easily met, by sending none."""
    with pytest.warns(UserWarning, match="looks out of reach") as caught:
        callback = two_tolerances(0.08, nats=15.0)
    (message,) = [str(w.message) for w in caught if "out of reach" in str(w.message)]
    rmse, nats = callback.trajectory.arrays()["measured"][-1]
    errors = {"reconstruction_error": 2 * np.log(rmse / 0.08), "kl_divergence": np.log(nats / 15)}
    furthest, other = sorted(errors, key=errors.get, reverse=True)
    assert message.startswith(f"Constraint '{furthest}' looks out of reach together with '{other}'")
    assert "you asked for 0.08" in message
    assert "you asked for 15" in message
    assert min(errors.values()) > np.log(1.05)


def held_on_validation():
    """Returns a model whose tolerance holds on validation data."""
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)], hold_on="validation")
    model = dense_vae(objective)
    model(MODELS["dense"].data())
    model.compile(keras.optimizers.Adam(1e-2))
    return model


def judged(model, readings, misses=0, **options):
    """Calls the epoch hooks with feigned validations, and returns the callback and what is said."""
    gap, callback = model.objective.gap, tf_geco.GECOCallback(**options)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, reading in enumerate(readings):
        logs = {"kl": 1.0, "feasible": 1.0}
        if reading is not None:
            gap.sums.assign([[reading**2, 9.0 - epoch], [1.0, 1.0]])
            held = float(reading <= 0.1 * 1.05**0.5)
            kl = 9.0 - epoch
            logs |= {"val_reconstruction_error": reading, "val_kl": kl, "val_feasible": held}
        callback.on_epoch_end(epoch, logs)
    gap.nearest.assign([[0.0], [0.0], [0.0], [float(misses)]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback.on_train_end()
    return callback, " ".join(str(w.message) for w in caught)


def test_what_holds_in_training_alone_is_judged_by_validation():
    callback, said = judged(held_on_validation(), [0.2, 0.12, 0.13], misses=3)
    assert "'reconstruction_error' does not hold on the validation data: you asked for 0.1" in said
    assert "the nearest epoch had 0.12." in said
    assert "More data or regularisation" in said
    assert callback.best_epoch == 1


def test_best_weights_are_those_of_the_best_validation():
    callback, said = judged(held_on_validation(), [0.2, 0.1, None, 0.1, 0.15], misses=3)
    assert callback.best_epoch == 3
    assert "does not hold" in said
    _, said = judged(held_on_validation(), [0.2, 0.1, 0.15], misses=3, restore_best_weights=True)
    assert not said
    _, said = judged(held_on_validation(), [0.2, 0.1], misses=3)
    assert not said
