"""GECO against transcriptions in NumPy, inside and outside of our models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.objectives.prepared import Counted, algorithm_1, batches_of, geco
from tf_geco.constraints import KLDivergence, PatchNCC, ReconstructionError
from tf_geco.multipliers import Exponential
from tf_geco.objectives.sums import Sums


@pytest.mark.parametrize("size", [1, 3])
def test_algorithm_1_step_by_step(size):
    """The gradient is the batch's and the multiplier follows C_ma."""
    rate, decay = 0.05, 0.9
    objective = algorithm_1("abc"[:size], rate, decay=decay)
    multiplier, average, cost_average = np.ones(size), None, None
    for t, (cost, violations) in enumerate(zip(*batches_of(size), strict=True)):
        violation, mean_cost = violations.mean(0, dtype=np.float64), cost.mean(dtype=np.float64)
        average = violation if t == 0 else decay * average + (1 - decay) * violation
        cost_average = mean_cost if t == 0 else decay * cost_average + (1 - decay) * mean_cost
        measured, costs = tf.Variable(violations + 0.5), tf.Variable(cost)
        with tf.GradientTape() as tape:
            sums = objective(measured, cost=costs)
            loss = objective.loss(sums)
        gradient, cost_gradient = tape.gradient(loss, [measured, costs])
        np.testing.assert_allclose(loss, mean_cost + multiplier @ violation, rtol=1e-5)
        np.testing.assert_allclose(objective.violations(sums), violation, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(gradient, np.tile(multiplier / 16, (16, 1)), rtol=1e-5)
        np.testing.assert_allclose(cost_gradient, np.full(16, 1 / 16), rtol=1e-6)
        multiplier = multiplier * np.exp(rate * average)
        objective.update(sums)
        np.testing.assert_allclose(objective.violations(), average, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(objective.multiplier, multiplier, rtol=1e-5)
        np.testing.assert_allclose(objective.cost_average, cost_average, rtol=1e-5)
    assert int(objective.step) == 50


def test_the_loss_is_scaled_and_in_nats():
    kappa, nats = 0.2, 15.0
    constraints = [ReconstructionError(kappa), PatchNCC(0.8, patch_size=2), KLDivergence(nats)]
    objective = tf_geco.GECO(constraints, initial_multiplier=0.3)
    rng = np.random.default_rng(0)
    x, g = rng.random((2, 5, 4, 4, 1)).astype("float32")
    kl, cost = rng.random((2, 5)).astype("float32")
    sums = objective(x, outputs={"reconstruction": g, "kl": kl}, cost=cost)
    error, correlation = sums.means[0], sums.means[1]
    np.testing.assert_allclose(error, np.mean((x - g) ** 2), rtol=1e-5)
    pulls = [8 * (error / kappa**2 - 1), 8 * (0.8 - correlation) / 0.2, kl.mean() - nats]
    np.testing.assert_allclose(objective.loss(sums), cost.mean() + 0.3 * sum(pulls), rtol=1e-5)


def test_gradient_and_value_are_those_of_the_batch():
    objective = geco()
    objective.update(objective(tf.constant([[5.5]])))
    measured = tf.Variable([[1.5], [3.5]])
    with tf.GradientTape() as tape:
        loss = objective.loss(objective(measured, cost=tf.zeros(2)))
    weight = objective.multiplier[0] / 0.5
    np.testing.assert_allclose(loss, weight * 2, rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, measured), weight * np.full((2, 1), 0.5))


def test_sample_weights_count_in_cost_and_violations_alike():
    cost, violations = (batch[0] for batch in batches_of(2, steps=1))
    measured = violations + np.float32(0.5)
    weights = np.arange(16, dtype="float32")
    repeated = np.repeat(np.arange(16), weights.astype(int))
    weighted, plain = geco("ab"), geco("ab")
    one = weighted(measured, cost=cost, sample_weight=weights)
    other = plain(measured[repeated], cost=cost[repeated])
    np.testing.assert_allclose(weighted.loss(one), plain.loss(other), rtol=1e-5)
    weighted.update(one)
    plain.update(other)
    np.testing.assert_allclose(weighted.violations(), plain.violations(), rtol=1e-5)
    np.testing.assert_allclose(weighted.cost_average, plain.cost_average, rtol=1e-5)


def test_c_ma_of_batches_of_different_sizes_weighs_examples():
    """A ratio of moving averages: a last batch of one example counts a sixteenth of the others."""
    decay = 0.9
    objective = geco(decay=decay)
    rng, total, count = np.random.default_rng(0), 0.0, 0.0
    for t, size in enumerate([16, 16, 1, 16, 3]):
        measured = rng.normal(size=(size, 1)).astype("float32")
        objective.update(objective(measured))
        keep, new = (decay, 1 - decay) if t else (0.0, 1.0)
        total, count = keep * total + new * measured.sum(), keep * count + new * size
        np.testing.assert_allclose(objective.violations(), [total / count - 0.5], rtol=1e-5)


def test_micro_batches_make_one_step():
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(size, 1)).astype("float32") for size in (4, 4, 2, 6, 8, 8)]
    parts, whole = geco(), geco()
    for index, batch in enumerate(batches):
        parts.update(parts(batch, cost=batch[:, 0]), micro_batches=2)
        assert int(parts.step) == (index + 1) // 2
        if index % 2:
            joined = np.concatenate(batches[index - 1 : index + 1])
            whole.update(whole(joined, cost=joined[:, 0]))
            np.testing.assert_allclose(parts.averages, whole.averages, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(parts.multiplier, whole.multiplier, rtol=1e-5)
    # One that is left out does not count as one of them.
    parts.update(parts(tf.constant([[np.nan]])), micro_batches=2)
    parts.update(parts(batches[0]), accept=False, micro_batches=2)
    np.testing.assert_array_equal(parts.pending, np.zeros((2, 2)))
    assert int(parts.pending_batches) == 0


def test_scaled_loss_at_lambda_1_is_the_elbo():
    kappa = 0.3
    x, g = tf.random.uniform([4, 5, 2]), tf.random.uniform([4, 5, 2])
    kl = tf.random.uniform([4])
    objective = tf_geco.GECO([ReconstructionError(kappa)], initial_multiplier=1.0)
    elbo = tf_geco.ELBO(sigma=kappa)
    loss = objective.loss(objective(x, outputs={"reconstruction": g}, cost=kl))
    negative_elbo = elbo.loss(elbo(x, outputs={"reconstruction": g}, cost=kl))
    constant = 10 / 2 * (1 + np.log(2 * np.pi * kappa**2))
    np.testing.assert_allclose(negative_elbo - loss, constant, rtol=1e-5)


@pytest.mark.parametrize(
    ("latents", "constraint", "expected"),
    [
        (16, lambda: ReconstructionError(0.1), 16 / 64),
        (640, lambda: ReconstructionError(0.1), 0.05),  # more latents than values
        (10, lambda: KLDivergence(20.0), 10 / 40),
        (80, lambda: KLDivergence(20.0), 1.0),
        (None, lambda: ReconstructionError(0.1), 0.05),
        (None, lambda: KLDivergence(20.0), 1.0),
    ],
)
def test_multiplier_starts_at_latents_over_pixels(latents, constraint, expected):
    objective = tf_geco.GECO([constraint()])
    x = tf.zeros([2, 8, 8, 1])
    outputs = {"reconstruction": x, "kl": tf.zeros(2)}
    if latents:
        outputs["latents"] = tf.zeros([2, latents])
    objective(x, outputs=outputs)
    np.testing.assert_allclose(objective.multiplier, [expected])


@pytest.mark.parametrize("known", [True, False])
def test_fit_tells_how_many_steps_there_will_be(known):
    objective = tf_geco.GECO([ReconstructionError(0.1)])
    networks = tf_geco.models.dense_networks((4,), 2, hidden=(8,))
    model = tf_geco.VAE(*networks, tf_geco.posteriors.DiagonalNormal(2), objective)
    model.compile("adam")
    data = tf.data.Dataset.from_tensors(tf.zeros([2, 4])).repeat(5)
    data = data if known else data.filter(lambda _: True)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: seen.append(int(objective.planned_steps))
    )
    model.fit(data, epochs=3, verbose=0, callbacks=watch)
    model.fit(data, epochs=6, initial_epoch=4, verbose=0, callbacks=[watch])
    assert seen == ([15, 15, 15, 25, 25] if known else [0, 15, 15, 0, 25])


def test_multiplier_stays_within_its_bounds():
    objective = geco(rule=Exponential(10.0), bounds=(0.5, 2.0), decay=0.0)
    for violation, bound in ((1.0, 2.0), (-0.4, 0.5)):
        for _ in range(50):
            objective.update(objective(tf.fill([4, 1], 0.5 + violation)))
        np.testing.assert_allclose(objective.multiplier, [bound], rtol=1e-5)


def test_non_finite_batch_moves_nothing():
    objective = geco()
    objective.update(objective(tf.constant([[1.0]])))
    before = [weight.numpy() for weight in objective.weights]
    objective.update(objective(tf.constant([[np.nan]])))
    objective.update(objective(tf.constant([[3.0]]), cost=tf.constant([np.inf])))
    objective.update(objective(tf.constant([[3.0]])), accept=False)
    for old, new in zip(before, objective.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_what_no_example_counts_for_moves_nothing_of_its_own():
    """The other constraint goes on, and the first count starts the one that waited."""
    objective = geco("ab", Counted, decay=0.9, rule=Exponential(0.5))
    alone = geco("a", rule=Exponential(0.5), decay=0.9)

    def batch(a, b, counts):
        return tf.constant([[a, b, counts]] * 4, tf.float32)

    objective.constraints[0].measure = lambda x, y=None, outputs=None: x[:, 0]
    start = objective.multiplier.numpy()
    for value in (1.0, 3.0):
        sums = objective(batch(value, np.nan, 0.0), cost=tf.zeros(4))
        np.testing.assert_array_equal(sums.counts, [4, 0, 4])
        np.testing.assert_array_equal(objective.verdict(sums)["feasible"], 0.0)
        alone_sums = alone(tf.fill([4, 1], value))
        np.testing.assert_allclose(objective.loss(sums), alone.loss(alone_sums), rtol=1e-6)
        objective.update(sums)
        alone.update(alone_sums)
        np.testing.assert_allclose(objective.multiplier[0], alone.multiplier[0], rtol=1e-6)
        assert objective.multiplier[1] == start[1]
        assert np.isnan(objective.violations()[1])
    objective.update(objective(batch(1.0, 2.0, 1.0)))
    np.testing.assert_allclose(objective.violations()[1], 1.5, rtol=1e-6)
    assert objective.multiplier[1] > start[1]


def test_a_cost_that_is_not_given_is_unknown():
    objective = geco()
    sums = objective(tf.constant([[1.5], [3.5]]))
    np.testing.assert_array_equal(sums.counts, [2, 0])
    np.testing.assert_allclose(objective.loss(sums), objective.multiplier[0] / 0.5 * 2, rtol=1e-6)
    objective.update(sums)
    assert np.isnan(objective.cost_average)
    np.testing.assert_allclose(objective.violations(), [2.0], rtol=1e-6)


@pytest.mark.parametrize(("excess", "feasible"), [(0.0, 1), (0.0499, 1), (0.0501, 0), (-0.9, 1)])
def test_feasible_is_within_the_band(excess, feasible):
    objective = geco()
    sums = objective(tf.fill([4, 1], 0.5 * (1 + excess)))
    np.testing.assert_allclose(objective.excess(sums), [excess], atol=1e-6)
    assert float(objective.verdict(sums)["feasible"]) == feasible
    strict = geco(band=0.0)
    assert float(strict.verdict(sums)["feasible"]) == (excess <= 0)
    nothing = Sums(tf.zeros(2), tf.zeros(2))
    assert float(objective.verdict(nothing)["feasible"]) == 0
    assert np.isnan(objective.violations(nothing)).all()


def test_readings_are_in_the_unit_of_the_tolerance():
    objective = tf_geco.GECO([ReconstructionError(0.1), KLDivergence(3.0)])
    x = np.zeros((4, 5), "float32")
    sums = objective(x, outputs={"reconstruction": x + 0.2, "kl": np.full(4, 7.0, "float32")})
    readings = objective.readings(sums)
    assert list(readings) == ["reconstruction_error", "kl_divergence"]
    np.testing.assert_allclose(list(readings.values()), [0.2, 7.0], rtol=1e-6)


def test_logs_name_each_of_several_constraints():
    one, two = geco(initial_multiplier=0.5), geco("ab", initial_multiplier=0.5)
    for objective in (one, two):
        objective.update(objective(tf.constant([[1.0, 2.0]])[:, : len(objective.constraints)]))
    logs = {name: float(value) for name, value in one.logs().items()}
    multiplier = float(one.multiplier[0])
    assert logs == pytest.approx({"lambda": multiplier, "beta": 1 / multiplier, "C_ma": 0.5})
    assert list(two.logs()) == ["lambda_a", "C_ma_a", "lambda_b", "C_ma_b"]
    assert float(two.logs()["C_ma_b"]) == pytest.approx(1.5)
