"""The law of figures: what is logged is what a plain recomputation gives, or NaN."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, batches, every, mirrored
from tests.training.recomputed import (
    classifier,
    figures,
    measured,
    plain_vae,
    reading,
    recall,
    table,
)
from tf_geco.constraints import ReconstructionError, from_function

every_model = every(MODELS)
# With a range the figures of a training are of its ends (tests/objectives/test_every_tolerance.py).
ONE_TOLERANCE = {name: case for name, case in MODELS.items() if name != "range"}
RATE = 2e-4


def close(found, expected, rtol=RATE):
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=rtol), name


@every_model
def test_evaluate_is_numpy_over_the_whole_set(case, no_noise):
    """For any batch size, order and weights."""
    model, data = case.compiled(jit_compile=False), case.data()
    model.fit(batches(data), verbose=0)
    random = np.random.default_rng(0)
    weights = random.uniform(0, 2, 24).astype("float32")
    order = random.permutation(24)
    shuffled = keras.tree.map_structure(lambda part: part[order], data)
    for size in (5, 24):
        found = model.evaluate(data, batch_size=size, verbose=0, return_dict=True)
        close(found, figures(case, model, data))
        found = model.evaluate(
            shuffled, sample_weight=weights[order], batch_size=size, verbose=0, return_dict=True
        )
        close(found, figures(case, model, data, weights))


def test_evaluate_on_ragged_replicas_is_numpy(no_noise):
    """65 examples on two replicas leave one of them without any in the last batch."""
    case = MODELS["dense"]
    with mirrored().scope():
        model = case.compiled(jit_compile=False)
    data = case.data(65)
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(64)
    found = model.evaluate(dataset, verbose=0, return_dict=True)
    assert found["skipped"] == 0
    close(found, figures(case, model, data))
    history = model.fit(dataset, verbose=0).history
    assert history["skipped"] == [0]
    assert int(model.objective.step.numpy()) == 2


@every_model
def test_masks_count_in_training_and_evaluation(case, no_noise):
    """Half of the values are missing: networks see zeros there, figures leave them out."""
    model, data = case.compiled(jit_compile=False), case.data()
    target = np.asarray(model.target(data))
    mask = np.random.default_rng(0).uniform(size=target.shape) < 0.5
    mask[3] = False
    filled = model.with_target(data, np.where(mask, target, 0).astype("float32"))
    holes = model.with_target(data, np.where(mask, target, np.nan).astype("float32"))
    found = model.evaluate(holes, {"mask": mask}, batch_size=7, verbose=0, return_dict=True)
    close(found, figures(case, model, filled, mask=mask))
    history = model.fit(holes, {"mask": mask}, verbose=0).history
    assert history["skipped"] == [0]
    assert np.isfinite(history["loss"]).all()


@every(ONE_TOLERANCE)
def test_an_epoch_logs_what_its_accepted_batches_say(case, no_noise):
    """Each batch is recomputed from what the model returned for it; a bad batch counts nowhere."""
    data = case.data()
    bad = keras.tree.map_structure(np.array, data)
    for part in keras.tree.flatten(bad):
        part[8:16] = np.nan
    model = case.compiled(run_eagerly=True)
    seen, forward = [], model.forward

    def recorded(batch, training):
        terms = forward(batch, training=training)
        seen.append((terms, float(model.objective.loss(terms.sums) + terms.penalty)))
        return terms

    model.forward = recorded
    with pytest.warns(UserWarning, match="A batch was left out"):
        logs = model.fit(batches(bad), verbose=0).history
    accepted = [seen[0], seen[2]]
    kl = np.concatenate([terms.outputs["kl"] for terms, _ in accepted])
    target = np.asarray(model.target(data))[[*range(8), *range(16, 24)]]
    outputs = [
        {
            name: terms.outputs[name]
            for name in ("reconstruction", "parameters")
            if name in terms.outputs
        }
        for terms, _ in accepted
    ]
    outputs = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *outputs)
    error = measured(model, outputs, target, np.ones(target.shape)).mean()
    expected = {
        "kl": kl.mean(),
        **reading(model, error),
        "loss": np.mean([value for _, value in accepted]),
        "skipped": 1,
    }
    close({name: values[0] for name, values in logs.items()}, expected)


def test_rates_are_rates_whatever_the_batch_size():
    """Most batches hold no example of class 1, or one."""
    x, y, weights = table()
    model = classifier()
    model.fit(x, y, batch_size=8, verbose=0)
    right = recall(x, y, model(x)).numpy()
    for size in (4, 8, 32, 50):
        for weight in (None, weights):
            found = model.evaluate(
                x, y, sample_weight=weight, batch_size=size, verbose=0, return_dict=True
            )
            w = (np.ones(50) if weight is None else weight) * (y == 1)
            assert found["recall"] == pytest.approx(np.average(right, weights=w), rel=1e-5)


def test_c_ma_is_a_ratio_of_averages():
    """Batches without an example of class 1 say nothing of it."""
    x, y, _ = table()
    model = classifier()
    totals, counts = 0.0, 0.0
    for start in range(0, 50, 5):
        part = slice(start, start + 5)
        model.train_on_batch(x[part][:1], y[part][:1] * 0)  # none of class 1
        before = model.objective.violations().numpy()
        right = recall(x[part], y[part], model(x[part])).numpy()
        model.train_on_batch(x[part], y[part])
        total, count = (right * (y[part] == 1)).sum(), (y[part] == 1).sum()
        for t, c in ((0, 0), (total, count)):
            known = counts > 0
            totals = 0.99 * totals + 0.01 * t if known else t
            counts = 0.99 * counts + 0.01 * c if known else c
        if counts:
            expected = 0.9 - totals / counts
            np.testing.assert_allclose(model.objective.violations(), [expected], rtol=1e-4)
        else:
            assert np.isnan(before).all()


def test_a_scheduled_tolerance_leaves_the_figures_as_they_are(no_noise):
    """The error is measured, and not put together from yesterday's tolerances."""
    line = keras.optimizers.schedules.PolynomialDecay(0.5, 200, 0.1)
    model = plain_vae(tf_geco.GECO([ReconstructionError(line)]), keras.optimizers.SGD(0.0))
    data = MODELS["dense"].data()
    history = model.fit(batches(data, repeat=60), verbose=0).history
    expected = figures(None, model, data)
    assert history["reconstruction_error"][0] == pytest.approx(
        expected["reconstruction_error"], rel=1e-4
    )
    holds = expected["reconstruction_error"] < 0.1 * np.sqrt(1.05)
    assert history["feasible"][0] == holds


def test_a_schedule_moves_in_the_cost_too(no_noise):
    line = keras.optimizers.schedules.PolynomialDecay(0.5, 3, 0.1)
    objective = tf_geco.GECO(
        [tf_geco.constraints.KLDivergence(3.0)], cost=ReconstructionError(line)
    )
    model = plain_vae(objective, keras.optimizers.SGD(0.0))
    data = MODELS["dense"].data()
    costs = [model.train_on_batch(data, return_dict=True)["cost"] for _ in range(4)]
    kappas = np.maximum(0.5 - 0.4 * np.arange(1, 5) / 3, 0.1)  # logs follow the step
    error = np.mean((model(data)["reconstruction"] - data) ** 2)
    np.testing.assert_allclose(costs, 3 * (error / kappas**2 - 1), rtol=1e-4)


def test_nothing_learnt_is_nothing_known():
    model = plain_vae()
    data = np.full((24, 6), np.nan, "float32")
    with pytest.warns(
        UserWarning, match="48 values of its data, labels or weights are not finite"
    ) as caught:
        history = model.fit(data, batch_size=8, epochs=2, verbose=0).history
    assert len([w for w in caught if "left out" in str(w.message)]) == 1
    for name in ("loss", "kl", "reconstruction_error"):
        assert np.isnan(history[name]).all()
    assert history["feasible"] == [0, 0]
    assert history["skipped"] == [3, 3]
    with pytest.warns(UserWarning, match="3 batches were left out of the evaluation"):
        found = model.evaluate(data, batch_size=8, verbose=0, return_dict=True)
    assert np.isnan(found["loss"])
    assert found["feasible"] == 0


def test_training_stops_when_every_batch_is_left_out():
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,)),
        posterior=tf_geco.posteriors.DiagonalNormal(2),
        objective=tf_geco.GECO([ReconstructionError(0.1)]),
        max_skipped=5,
    )
    model.compile("sgd", jit_compile=False)
    data = np.full((80, 6), np.nan, "float32")
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(FloatingPointError, match=r"consecutive batches.*data"),
    ):
        model.fit(data, batch_size=8, verbose=0)


def test_the_warning_names_what_is_not_finite():
    def cost_of(y, outputs):
        return tf.reduce_sum(tf.math.log(outputs - 1e9), axis=-1)

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    bound = from_function(lambda x, y, o: o[:, 0], 1.0, "first")
    model = tf_geco.models.Constrained(network, cost_of, tf_geco.GECO([bound]))
    model.compile("sgd", jit_compile=False)
    with pytest.warns(UserWarning, match="the loss is not finite, although its data are"):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


def test_validation_has_a_loss_of_its_own(no_noise):
    """Not that of the training so far: noise is worse than what the model was trained on."""
    model, data = plain_vae(optimizer=keras.optimizers.Adam(1e-2)), MODELS["dense"].data()
    noise = np.random.default_rng(0).uniform(size=(24, 6)).astype("float32")
    logs = model.fit(data, epochs=60, validation_data=noise, verbose=0).history
    close({"loss": logs["val_loss"][-1]}, {"loss": figures(None, model, noise)["loss"]})
    assert logs["val_loss"][-1] > model.evaluate(data, verbose=0, return_dict=True)["loss"]
    assert logs["val_feasible"][-1] == 0


def test_compiled_metrics_leave_bad_batches_out():
    model = plain_vae(metrics=["mae"])
    data = MODELS["dense"].data()
    data[8:16] = np.nan
    with pytest.warns(UserWarning, match="left out"):
        logs = model.fit(batches(data), verbose=0).history
    assert np.isfinite(logs["mae"]).all()
