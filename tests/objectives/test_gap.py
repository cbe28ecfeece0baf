"""Tolerances that hold on validation data: laws of `GECO(hold_on="validation")`."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import dense_vae, mirrored
from tests.training.recomputed import classifier, floor
from tf_geco.constraints import ReconstructionError, from_function

RNG = np.random.default_rng(0)
NOISE = RNG.uniform(size=(64, 6)).astype("float32")  # what only memory can compress
OTHER = RNG.uniform(size=(200, 6)).astype("float32")


def vae(tolerance=0.2, hold_on="validation", **options):
    keras.utils.set_random_seed(3)
    objective = tf_geco.GECO([ReconstructionError(tolerance)], hold_on=hold_on, **options)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((6,), latent_dim=4, hidden=(32,)),
        posterior=tf_geco.posteriors.DiagonalNormal(4),
        objective=objective,
    )
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    return model


def fit(model, x=NOISE, validation=OTHER, epochs=3, **options):
    callbacks = options.pop("callbacks", [tf_geco.GECOCallback()])
    return model.fit(
        x,
        validation_data=(validation,),
        epochs=epochs,
        batch_size=16,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
        **options,
    ).history


def state(model):
    return [variable.numpy() for variable in model.variables]


@keras.saving.register_keras_serializable(package="tests")
def error(x, y, outputs):
    return tf.reduce_mean(tf.square(x - outputs["reconstruction"]), 1)


@keras.saving.register_keras_serializable(package="tests")
def goodness(x, y, outputs):
    return 1.0 - error(x, y, outputs)


def noisy(n, seed):
    """Returns examples of three factors and of noise that only memory can compress."""
    rng, loadings = np.random.default_rng(seed), np.random.default_rng(9).normal(size=(3, 12))
    signal = 1 / (1 + np.exp(-rng.normal(size=(n, 3)) @ loadings))
    return np.clip(signal + 0.05 * rng.normal(size=(n, 12)), 0, 1).astype("float32")


def figures_of(hold_on, tolerance=0.06):
    """Trains on 128 examples and returns what was measured at the end, over the tolerance."""
    keras.utils.set_random_seed(3)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((12,), latent_dim=6, hidden=(64,)),
        posterior=tf_geco.posteriors.DiagonalNormal(6),
        objective=tf_geco.GECO([ReconstructionError(tolerance)], hold_on=hold_on),
    )
    model.compile(keras.optimizers.Adam(5e-3), jit_compile=False, steps_per_execution=8)
    history = model.fit(
        np.tile(noisy(128, 0), (8, 1)),
        validation_data=(noisy(500, 1),),
        epochs=60,
        batch_size=64,
        verbose=0,
    ).history
    names = ("reconstruction_error", "val_reconstruction_error")
    return [np.mean(history[name][-5:]) / tolerance for name in names]


def test_the_tolerance_holds_on_validation_data_of_a_model_that_overfits():
    training, unseen = figures_of("training")
    assert training == pytest.approx(1.0, rel=0.02)
    assert unseen > 1.1
    training, unseen = figures_of("validation")
    assert training < 0.9
    assert unseen == pytest.approx(1.0, rel=0.02)


def test_the_gap_is_what_numpy_makes_of_the_logs():
    model = vae()
    history = fit(model, epochs=6)
    c_ma, gap = np.array(history["C_ma"]), 0.0
    validation = np.square(history["val_reconstruction_error"]) - 0.2**2
    left = 0.9**4  # of four steps, an epoch; a training of 24 has a memory of 10
    errors = np.log(c_ma / 0.2**2 + 1)
    lags = np.append(np.inf, np.abs(np.diff(errors)))
    for epoch, (now, then) in enumerate(zip(c_ma, np.append(0, c_ma[:-1]), strict=True)):
        # All batches count alike, so that C follows totals over counts; the first step seeds them.
        recent = (now - left * then) / (1 - left) if epoch else now
        trusted = 1 / (1 + (lags[epoch] / 0.1) ** 2)
        gap += (1 - left) * trusted * (validation[epoch] - recent - gap)
        assert history["gap"][epoch] == pytest.approx(gap, rel=1e-3, abs=1e-5)


def test_the_rule_sees_training_moved_by_the_gap():
    """Of either form, the violation that it sees is C_ma + gap."""
    constraints = [
        from_function(error, 0.3, "error"),
        from_function(goodness, 0.7, "goodness", form=">="),
        ReconstructionError(0.5),
    ]
    objective = tf_geco.GECO(constraints, hold_on="validation", scaled=False)
    objective.build((None, 6), None, {"reconstruction": (None, 6)})
    means, gap = tf.constant([0.4, 0.6, 0.3]), tf.constant([0.05, 0.02, -0.01])
    objective.gap.value.assign(gap)
    seen = objective.gap.seen(constraints, means, 0)
    expected = [0.1 + 0.05, 0.1 + 0.02, 0.05 - 0.01]
    found = [float(c.violation(m)) for c, m in zip(constraints, seen, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    objective.gap.value.assign([0.0, 0.0, -9.0])
    least = objective.gap.seen(constraints, means, 0)[2]
    assert float(least) == pytest.approx(0.03)  # a ratio keeps a tenth


def test_both_forms_of_one_constraint_have_one_gap():
    gaps = []
    for constraint in (
        from_function(error, 0.3, "c", scale=0.3),
        from_function(goodness, 0.7, "c", form=">=", scale=0.3),
    ):
        keras.utils.set_random_seed(3)
        model = dense_vae(tf_geco.GECO([constraint], hold_on="validation"))
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
        gaps.append(fit(model)["gap"])
    np.testing.assert_allclose(*gaps, rtol=1e-3, atol=1e-5)


def test_several_constraints_have_a_gap_each():
    keras.utils.set_random_seed(3)
    constraints = [ReconstructionError(0.5), ReconstructionError(0.3, name="other")]
    model = dense_vae(tf_geco.GECO(constraints, hold_on="validation"))
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    callback = tf_geco.GECOCallback(every=1)
    history = fit(model, callbacks=[callback])
    assert {"gap_reconstruction_error", "gap_other"} <= set(history)
    np.testing.assert_allclose(
        history["gap_other"], history["gap_reconstruction_error"], rtol=1e-3, atol=1e-6
    )
    assert callback.trajectory.arrays()["gap"].shape[1] == 2


def test_training_is_as_it_was_and_validation_changes_nothing():
    one, other = vae(hold_on="training"), vae(hold_on="training")
    history = fit(one)
    assert "gap" not in history
    other.fit(NOISE, epochs=3, batch_size=16, shuffle=False, verbose=0)
    for a, b in zip(one.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.objective.multiplier, other.objective.multiplier)
    assert not any("gap" in weight.path for weight in one.weights)


def test_before_its_first_validation_it_is_training():
    one, other = vae(hold_on="training"), vae()
    fit(one, epochs=1)
    fit(other, epochs=1)
    np.testing.assert_array_equal(one.objective.multiplier, other.objective.multiplier)
    fit(one, epochs=3)
    fit(other, epochs=3)
    assert not np.array_equal(one.objective.memory, other.objective.memory)


@pytest.mark.parametrize("options", [{"validation_freq": 2}, {"steps_per_execution": 2}])
def test_rarer_validations_and_several_steps_at_once(options):
    model = vae()
    model.compile(
        keras.optimizers.Adam(1e-2),
        jit_compile=False,
        steps_per_execution=options.get("steps_per_execution", 1),
    )
    frequency = options.get("validation_freq", 1)
    history = fit(model, epochs=4, validation_freq=frequency)
    np.testing.assert_array_equal(np.isnan(history["gap"]), np.arange(4) < frequency - 1)
    if frequency == 2:
        assert history["gap"][1] == history["gap"][2] != history["gap"][3]
    assert int(model.objective.gap.step.numpy()) == 16


def test_saved_and_resumed_is_uninterrupted(tmp_path):
    whole, part = vae(), vae()
    for model in (whole, part):
        model.objective.plan(24)
    fit(whole, epochs=6)
    fit(part, epochs=3)
    part.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.objective.hold_on == "validation"
    np.testing.assert_array_equal(loaded.objective.gap.value, part.objective.gap.value)
    fit(loaded, epochs=3)
    assert float(whole.objective.gap.value[0]) != 0
    for a, b in zip(whole.objective.weights, loaded.objective.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(whole.trainable_weights, loaded.trainable_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_two_replicas_have_the_gap_of_one_device(no_noise):
    one = vae()
    fit(one, epochs=4)
    with mirrored().scope():
        two = vae()
    fit(two, epochs=4)
    for name in ("value", "nearest", "sums"):
        np.testing.assert_allclose(
            getattr(two.objective.gap, name), getattr(one.objective.gap, name), rtol=1e-3
        )
    np.testing.assert_allclose(two.objective.multiplier, one.objective.multiplier, rtol=1e-3)
    for weight in two.objective.gap.weights:
        first, second = (value.numpy() for value in weight.value.values)
        np.testing.assert_array_equal(first, second)


def test_a_validation_without_an_example_that_counts_leaves_the_gap():
    model = classifier(objective=tf_geco.GECO([floor()], hold_on="validation"))
    x = RNG.normal(size=(40, 3)).astype("float32")
    some, none = np.arange(40) % 2, np.zeros(40, int)
    gaps = []
    for labels in (some, none, some):
        model.fit(x, some, validation_data=(x, labels), batch_size=8, verbose=0)
        gaps.append(float(model.objective.gap.value[0]))
    assert np.isfinite(gaps).all()
    assert gaps[0] == gaps[1] != gaps[2]


def test_batches_that_are_left_out_count_in_no_gap():
    bad = OTHER.copy()
    bad[16:32] = np.nan
    good, model = vae(), vae()
    fit(good, validation=np.delete(OTHER, slice(16, 32), 0), epochs=1)
    with pytest.warns(UserWarning, match="left out of the evaluation"):
        fit(model, validation=bad, epochs=1)
    assert np.isfinite(model.objective.gap.value).all()
    counts = model.objective.gap.validated.counts
    np.testing.assert_array_equal(counts, good.objective.gap.validated.counts)
    before = model.objective.gap.value.numpy()
    with pytest.warns(UserWarning, match="A batch was left out"):
        fit(model, x=np.full_like(NOISE, np.nan), epochs=1)
    np.testing.assert_array_equal(model.objective.gap.value, before)


def test_a_training_loop_of_ones_own_measures_the_gap():
    objective = tf_geco.GECO([ReconstructionError(0.5)], hold_on="validation")
    x = tf.constant(NOISE)
    sums = objective(x, outputs={"reconstruction": 0.5 * x}, cost=tf.ones(64))
    objective.update(sums)
    held_out = objective(x, outputs={"reconstruction": 0.0 * x}, cost=tf.ones(64))
    objective.measure_gap(held_out)
    assert float(objective.gap.value[0]) == 0  # nobody knows yet whether training is at rest
    objective.update(sums)
    objective.measure_gap(held_out)
    difference = float(held_out.means[0] - sums.means[0])
    assert float(objective.gap.value[0]) == pytest.approx(0.01 * difference, rel=1e-3)


@pytest.mark.parametrize("form", ["fit", "empty split"])
def test_without_validation_data_it_says_so(form):
    options = {"validation_split": 0.0} if form == "empty split" else {}
    with pytest.raises(ValueError, match="hold_on='validation', validation_data=None"):
        vae().fit(NOISE, verbose=0, **options)


def test_a_split_is_validation_data_and_evaluation_is_none():
    model = vae()
    model.fit(NOISE, validation_split=0.5, epochs=3, verbose=0)
    before = state(model.objective)
    model.evaluate(OTHER, verbose=0)
    for a, b in zip(before, state(model.objective), strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(model.objective.gap.value[0]) != 0


def test_what_it_may_be():
    with pytest.raises(ValueError, match="hold_on='test'"):
        tf_geco.GECO([ReconstructionError(0.1)], hold_on="test")
    objective = tf_geco.GECO([ReconstructionError(0.1)], hold_on="validation")
    copy = tf_geco.GECO.from_config(objective.get_config())
    assert copy.hold_on == "validation"
    with pytest.raises(ValueError, match="must not be one of"):
        tf_geco.GECO([ReconstructionError(0.1, name="gap")])


def test_lambda_rises_no_further_than_its_ceiling():
    model = vae(0.1)
    fit(model, epochs=2)
    model.objective.gap.ceiling.assign([-3.0])
    fit(model, epochs=1, validation=OTHER[:1])
    assert model.objective.log_multiplier.numpy() <= -3.0


def test_averaged_weights_are_validated_or_it_says_so():
    def compiled():
        model = vae()
        model.compile(keras.optimizers.Adam(1e-2, use_ema=True), jit_compile=False)
        return model

    with pytest.warns(UserWarning, match="hold_on='validation', use_ema=True"):
        fit(compiled(), epochs=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Validation sees")
        fit(compiled(), epochs=1, callbacks=[keras.callbacks.SwapEMAWeights()])


def test_a_constraint_that_validation_never_sees_is_told_and_its_gap_is_not_known():
    seen = from_function(error, 0.3, "never", where=lambda x, y, o: x[:, 0] > 1e3)
    model = dense_vae(tf_geco.GECO([ReconstructionError(0.5), seen], hold_on="validation"))
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    with pytest.warns(UserWarning, match="say nothing of never"):
        history = fit(model, epochs=2, callbacks=[tf_geco.GECOCallback()])
    assert np.isnan(history["gap_never"]).all()
    assert np.isfinite(history["gap_reconstruction_error"]).all()


def test_a_scheduled_tolerance_has_a_gap():
    tolerance = keras.optimizers.schedules.PolynomialDecay(0.5, 12, 0.3)
    history = fit(vae(tolerance))
    assert np.isfinite(history["gap"]).all()


def test_fit_before_compile_says_so():
    model = dense_vae()
    with pytest.raises(ValueError, match="compile"):
        model.fit(NOISE, verbose=0)
