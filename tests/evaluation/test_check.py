"""`evaluation.check`: readings as `evaluate` has them, and verdicts that are rarely wrong."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import tf_geco
from tests.catalogue import MODELS, conv_draw, mirrored
from tests.training.recomputed import classifier, recall, table
from tf_geco import evaluation
from tf_geco.constraints import from_function
from tf_geco.evaluation.intervals import WeightedMean, clopper_pearson


def transcription(values, counts):
    """Mean, standard error by the delta method, effective number."""
    values, counts = np.asarray(values, float), np.asarray(counts, float)
    values, counts = values[counts > 0], counts[counts > 0]
    mean = np.average(values, weights=counts)
    n = len(values)
    error = np.sqrt(n / (n - 1) * np.sum((counts * (values - mean)) ** 2)) / counts.sum()
    return mean, error, counts.sum() ** 2 / (counts**2).sum()


@pytest.mark.parametrize("name", ["dense", "users_networks", "flow", "conditional_conv_draw"])
@pytest.mark.parametrize("weighted", [False, True])
def test_check_against_numpy_and_evaluate(name, weighted, no_noise):
    case = MODELS[name]
    model, x = case.compiled(jit_compile=False), case.data(25)
    weights = np.random.default_rng(0).uniform(0, 2, 25).astype("float32")
    weights[3] = 0.0
    weights = weights if weighted else np.ones(25, "float32")
    target = np.asarray(model.target(x), float)
    error = (target - np.asarray(model(x)["reconstruction"], float)) ** 2
    values = error.reshape(25, -1).mean(1)
    mean, standard_error, count = transcription(values, weights)
    data = (x, None, weights) if weighted else x
    found = evaluation.check(model, data, batch_size=7)["reconstruction_error"]
    expected = model.evaluate(x, sample_weight=weights, verbose=0, return_dict=True)
    assert found.reading == pytest.approx(expected["reconstruction_error"], rel=1e-5)
    assert found.reading == pytest.approx(np.sqrt(mean), rel=1e-5)
    assert found.standard_error == pytest.approx(standard_error / 2 / np.sqrt(mean), rel=0.05)
    assert found.count == pytest.approx(count, rel=1e-5)
    half = stats.t.ppf(0.975, np.floor(count - 1)) * standard_error
    np.testing.assert_allclose(
        found.interval, np.sqrt([max(mean - half, 0), mean + half]), rtol=1e-3
    )


def test_masks_labels_and_weights_in_every_form(no_noise):
    case = MODELS["dense"]
    model, x = case.compiled(jit_compile=False), case.data(24)
    mask = np.random.default_rng(0).uniform(size=x.shape) < 0.5
    mask[3] = False
    holes = np.where(mask, x, np.nan).astype("float32")
    weights = np.linspace(0, 2, 24).astype("float32")
    y = {"mask": mask, "label": np.arange(24)}
    expected = model.evaluate(
        holes, dict(y), sample_weight=weights, verbose=0, batch_size=24, return_dict=True
    )
    forms = [
        (holes, y, weights),
        tf.data.Dataset.from_tensor_slices((holes, y, weights)).batch(9),
        [
            (holes[part], {k: v[part] for k, v in y.items()}, weights[part, np.newaxis])
            for part in (slice(5), slice(5, None))
        ],
    ]
    for data in forms:
        found = evaluation.check(model, data, batch_size=7)["reconstruction_error"]
        assert found.reading == pytest.approx(expected["reconstruction_error"], rel=1e-5)
        assert found.count < 23


def test_rates_count_only_their_examples():
    x, y, weights = table(200)
    model = classifier()
    model.fit(x, y, batch_size=8, verbose=0)
    right = recall(x, y, model(x)).numpy()
    for data, weight in (((x, y), np.ones(200)), ((x, y, weights), weights)):
        found = evaluation.check(model, data, batch_size=64)["recall"]
        mean, _, count = transcription(right, weight * (y == 1))
        assert found.reading == pytest.approx(mean, rel=1e-5)
        assert found.count == pytest.approx(count, rel=1e-5)
        assert found.form == ">="


def test_what_nothing_counts_for_cannot_be_said():
    x, _, _ = table()
    found = evaluation.check(classifier(), (x, np.zeros(50, int)))["recall"]
    assert np.isnan(found.reading)
    assert (found.count, found.verdict) == (0, "cannot say")


def test_few_hits_without_a_miss_prove_little():
    """64 of 64: the standard error is zero, the interval is not."""
    estimate = WeightedMean.of(np.ones(64), np.ones(64))
    assert estimate.standard_error == 0
    low, high = estimate.interval(0.95)
    assert (round(low, 3), high) == (0.944, 1.0)


@pytest.mark.parametrize("hits", [0, 1, 7, 19, 20])
def test_limits_of_rates_are_those_of_scipy(hits):
    expected = stats.binomtest(hits, 20).proportion_ci(0.95, "exact")
    np.testing.assert_allclose(clopper_pearson(hits, 20, 0.95), expected, rtol=1e-9)


@pytest.mark.parametrize("size", [2, 6, 100])
def test_limits_of_means_are_students(size):
    values = np.random.default_rng(0).normal(size=size)
    expected = stats.t.interval(0.95, size - 1, values.mean(), stats.sem(values))
    found = WeightedMean.of(values, np.ones(size)).interval(0.95)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_single_example_says_nothing():
    assert WeightedMean.of(np.array([2.5]), np.ones(1)).interval(0.95) == (-np.inf, np.inf)


DRAWS = {
    "normal": lambda rng, n: (rng.normal(1.0, 0.5, n), np.ones(n)),
    "skewed": lambda rng, n: (rng.gamma(4.0, 0.25, n), np.ones(n)),
    "weighted": lambda rng, n: (rng.gamma(4.0, 0.25, n), rng.uniform(0.1, 2, n)),
    "some count": lambda rng, n: (rng.gamma(4.0, 0.25, n), 1.0 * (rng.uniform(size=n) < 0.5)),
    "rate": lambda rng, n: (1.0 * (rng.uniform(size=n) < 0.95), np.ones(n)),
    "weighted rate": lambda rng, n: (1.0 * (rng.uniform(size=n) < 0.9), rng.uniform(0.5, 1.5, n)),
}
TRUTH = {"rate": 0.95, "weighted rate": 0.9}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("n", [40, 200])
def test_the_interval_misses_the_truth_in_at_most_about_one_of_twenty(name, n, long):
    # Of a weighted rate each has limits of its own.
    draws = 3000 if name != "weighted rate" else 400 if long else 200
    rng, missed = np.random.default_rng(0), 0
    for _ in range(draws):
        values, counts = DRAWS[name](rng, n)
        low, high = WeightedMean.of(values[counts > 0], counts[counts > 0]).interval(0.95)
        missed += not low <= TRUTH.get(name, 1.0) <= high
    assert missed / draws < 0.06


BOUNDED = {  # what is nearly always the same: draws, truth, bounds
    "saturated": (lambda rng, n: np.where(rng.uniform(size=n) < 0.95, 1.0, 0.0), 0.95, (0, 1)),
    "nearly saturated": (
        lambda rng, n: np.where(rng.uniform(size=n) < 0.95, rng.uniform(0.999, 1, n), 0.0),
        0.95 * 0.9995,
        (0, 1),
    ),
    "a rate of twenty": (lambda rng, n: 20.0 * (rng.uniform(size=n) < 0.05), 1.0, None),
}


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("n", [20, 40])
def test_what_few_examples_did_not_show_may_still_happen(name, n):
    draw, truth, bounds = BOUNDED[name]
    rng, missed = np.random.default_rng(0), 0
    for _ in range(1000):
        values = draw(rng, n)
        estimate = WeightedMean.of(values, np.ones(n))
        if len(np.unique(values)) == 1 and bounds is None:
            continue  # of what was never seen nothing is known, not even its size
        low, high = estimate.interval(0.95, bounds)
        missed += not low <= truth <= high
    assert missed / 1000 < 0.06


@pytest.mark.parametrize("odd", [-0.9, np.nan, np.inf])
def test_weights_that_count_nothing_are_refused(odd):
    case = MODELS["dense"]
    model, x = case.build(), case.data(12)
    weights = np.where(np.arange(12) % 2, 1.0, odd).astype("float32")
    with pytest.raises(ValueError, match=r"zero or more. Received: 6 that are not"):
        evaluation.check(model, (x, None, weights))


@keras.saving.register_keras_serializable(package="tests")
def first_column(x, y, outputs):
    return x[:, 0] + 0.0 * outputs[:, 0]


@pytest.mark.parametrize(
    ("tolerance", "form", "verdict"),
    [
        (0.6, "<=", "holds"),
        (0.4, "<=", "does not hold"),
        (0.5, "<=", "cannot say"),
        (0.4, ">=", "holds"),
        (0.6, ">=", "does not hold"),
        (0.5, ">=", "cannot say"),
    ],
)
def test_verdicts_of_both_forms(tolerance, form, verdict):
    constraint = from_function(first_column, tolerance, "column", form=form)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model = tf_geco.models.Constrained(network, "mse", tf_geco.GECO([constraint]))
    x = np.random.default_rng(0).normal(0.5, 0.3, (200, 2)).astype("float32")
    found = evaluation.check(model, (x, x[:, :1]))
    assert found["column"].verdict == verdict
    assert str(found).splitlines()[1].endswith(verdict)
    assert [finding.name for finding in found] == ["column"]


def test_a_single_example_cannot_say():
    case = MODELS["dense"]
    model, x = case.build(), case.data(1)
    model(x)
    assert evaluation.check(model, x)["reconstruction_error"].verdict == "cannot say"


def test_conv_draw_and_seeds():
    model = conv_draw((7, 6, 1), steps=2)
    x = MODELS["conv_draw"].data(10)
    model(x)
    first, again, other = (evaluation.check(model, x, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_replicas_check_what_one_device_does(no_noise):
    case = MODELS["dense"]
    one, x = case.build(), case.data(21)
    one(x)
    with mirrored().scope():
        two = case.build()
        two.build((None, *case.shape))
    two.set_weights(one.get_weights())
    weights = np.linspace(0.5, 1, 21).astype("float32")
    data = (x, {"label": np.arange(21)}, weights)
    expected, found = (
        evaluation.check(model, data)["reconstruction_error"] for model in (one, two)
    )
    assert found.reading == pytest.approx(expected.reading, rel=1e-5)
    assert found.count == pytest.approx(expected.count, rel=1e-6)


def test_checking_changes_nothing_and_an_elbo_asks_for_nothing():
    case = MODELS["dense"]
    model, x = case.compiled(), case.data(12)
    before = [variable.numpy() for variable in model.variables]
    evaluation.check(model, x)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    elbo = MODELS["annealed_elbo"].build()
    with pytest.raises(ValueError, match="asks for something"):
        evaluation.check(elbo, x)
