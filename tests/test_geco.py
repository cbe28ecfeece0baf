"""GECO and ELBO against transcriptions in NumPy, inside and outside of our models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tf_geco.constraints import Constraint, ReconstructionError
from tf_geco.multipliers import Exponential, ProportionalIntegral
from tf_geco.schedules import LinearAnneal


class Prepared(Constraint):
    """A constraint whose violations come ready in the data."""

    def call(self, x, y=None, outputs=None):
        return x


def geco(names=("a",), **options):
    objective = tf_geco.GECO([Prepared(0.5, name=name) for name in names], **options)
    objective.build((None,), None, {})
    return objective


def batches_of(size, steps=50, batch=16):
    rng = np.random.default_rng(1)
    cost = rng.gamma(2.0, size=(steps, batch)).astype("float32")
    violations = rng.normal(0.2, 1.0, size=(steps, batch, size)).astype("float32")
    return cost, violations


@pytest.mark.parametrize("size", [1, 3])
def test_algorithm_1_step_by_step(size):
    rate, decay = 0.05, 0.9
    objective = geco("abc"[:size], rule=Exponential(rate), scaled=False, decay=decay)
    multiplier, average = np.ones(size), None
    for t, (cost, violations) in enumerate(zip(*batches_of(size), strict=True)):
        violation = violations.mean(0, dtype=np.float64)
        average = violation if t == 0 else decay * average + (1 - decay) * violation
        expected = cost.mean(dtype=np.float64) + multiplier @ average
        multiplier = multiplier * np.exp(rate * average)
        np.testing.assert_allclose(objective.loss(cost, violations), expected, rtol=1e-5)
        objective.update(tf.constant(violations), cost=cost)
        np.testing.assert_allclose(objective.moving_average, average, rtol=1e-5)
        np.testing.assert_allclose(objective.multiplier, multiplier, rtol=1e-5)
    assert int(objective.step) == 50


def test_scaled_proportional_integral_step_by_step():
    integral, proportional, decay = 0.02, 1.5, 0.9
    off = dict.fromkeys(("periods", "knee", "hold", "reach"), np.inf)
    rule = ProportionalIntegral(integral, proportional, **off)
    objective = geco("ab", rule=rule, decay=decay, initial_multiplier=0.3)
    log_multiplier, average, last = np.log([0.3, 0.3]), None, None
    for t, (cost, violations) in enumerate(zip(*batches_of(2), strict=True)):
        violation = violations.mean(0, dtype=np.float64)
        average = violation if t == 0 else decay * average + (1 - decay) * violation
        expected = cost.mean(dtype=np.float64) + np.exp(log_multiplier) @ (average / 0.5)
        error = np.log(np.maximum(1 + average / 0.5, 1e-6))
        change = 0 if t == 0 else error - last
        log_multiplier += integral * error + proportional * change
        last = error
        np.testing.assert_allclose(objective.loss(cost, violations), expected, rtol=1e-5)
        objective.update(tf.constant(violations), cost=cost)
        np.testing.assert_allclose(objective.log_multiplier, log_multiplier, rtol=1e-4, atol=1e-5)


def test_gradient_is_that_of_the_batch():
    objective = geco()
    objective.update(tf.constant([[5.0]]))
    violations = tf.Variable([[1.0], [3.0]])
    with tf.GradientTape() as tape:
        loss = objective.loss(tf.zeros(2), violations)
    weight = objective.multiplier[0] / 0.5
    np.testing.assert_allclose(loss, weight * (0.99 * 5 + 0.01 * 2), rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, violations), weight * np.full((2, 1), 0.5))


def test_sample_weights_count_in_cost_and_violations_alike():
    cost, violations = (batch[0] for batch in batches_of(2, steps=1))
    weights = np.arange(16, dtype="float32")
    repeated = np.repeat(np.arange(16), weights.astype(int))
    weighted, plain = geco("ab"), geco("ab")
    np.testing.assert_allclose(
        weighted.loss(cost, violations, weights),
        plain.loss(cost[repeated], violations[repeated]),
        rtol=1e-5,
    )
    weighted.update(tf.constant(violations), cost=cost, sample_weight=weights)
    plain.update(tf.constant(violations[repeated]), cost=cost[repeated])
    np.testing.assert_allclose(weighted.moving_average, plain.moving_average, rtol=1e-5)
    np.testing.assert_allclose(weighted.cost_average, plain.cost_average, rtol=1e-5)


def test_scaled_loss_at_lambda_1_is_the_elbo():
    kappa = 0.3
    x, g = tf.random.uniform([4, 5, 2]), tf.random.uniform([4, 5, 2])
    kl = tf.random.uniform([4])
    objective = tf_geco.GECO([ReconstructionError(kappa)], initial_multiplier=1.0)
    elbo = tf_geco.ELBO(sigma=kappa)
    loss = objective.loss(kl, objective(x, outputs={"reconstruction": g}))
    negative_elbo = elbo.loss(kl, elbo(x, outputs={"reconstruction": g}))
    constant = 10 / 2 * (1 + np.log(2 * np.pi * kappa**2))
    np.testing.assert_allclose(negative_elbo - loss, constant, rtol=1e-5)


def test_elbo_against_the_normal_density():
    x = np.random.default_rng(0).random((4, 6)).astype("float32")
    g = np.random.default_rng(1).random((4, 6)).astype("float32")
    kl = np.arange(4.0, dtype="float32")

    def negative_elbo(sigma, beta):
        log_density = -0.5 * ((x - g) / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi))
        return (beta * kl - log_density.sum(1)).mean()

    best = np.sqrt(((x - g) ** 2).mean())
    cases = {(0.2, 1.0): (0.2, 1.0), (0.2, 4.0): (0.2, 4.0), ("optimal", 1.0): (best, 1.0)}
    for arguments, (sigma, beta) in cases.items():
        elbo = tf_geco.ELBO(*arguments)
        violations = elbo(x, outputs={"reconstruction": g})
        np.testing.assert_allclose(elbo.loss(kl, violations), negative_elbo(sigma, beta), rtol=1e-4)


def test_hand_annealing_follows_the_steps():
    elbo = tf_geco.ELBO(sigma=1.0, beta=LinearAnneal(2.0, 0.7, 10))
    elbo.build((None, 1), None, {"reconstruction": (None, 1)})
    betas = []
    for _ in range(12):
        betas.append(float(elbo.logs()["beta"]))
        elbo.update(tf.constant([[1.0]]))
    np.testing.assert_allclose(betas, np.maximum(2.0 - 0.13 * np.arange(12), 0.7), rtol=1e-5)


def test_multiplier_starts_at_latents_over_pixels():
    objective = tf_geco.GECO([ReconstructionError(0.1)])
    x = tf.zeros([2, 8, 8, 1])
    objective(x, outputs={"reconstruction": x, "latents": tf.zeros([2, 16])})
    np.testing.assert_allclose(objective.multiplier, [16 / 64])


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
    assert seen == ([15, 15, 15, 25, 25] if known else [0, 15, 15, 15, 25])


def test_multiplier_stays_within_its_bounds():
    objective = geco(rule=Exponential(10.0), bounds=(0.5, 2.0), decay=0.0)
    for violation, bound in ((1.0, 2.0), (-0.4, 0.5)):
        for _ in range(50):
            objective.update(tf.fill([4, 1], violation))
        np.testing.assert_allclose(objective.multiplier, [bound], rtol=1e-5)


def test_non_finite_batch_moves_nothing():
    objective = geco()
    objective.update(tf.constant([[1.0]]))
    before = [weight.numpy() for weight in objective.weights]
    objective.update(tf.constant([[np.nan]]))
    for old, new in zip(before, objective.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tf_geco.GECO([]), "at least one"),
        (lambda: tf_geco.GECO([3]), "Constraint` objects. Received: 3"),
        (lambda: geco("aa"), r"same name.*Received: names=\['a', 'a'\]"),
        (lambda: geco(decay=1.0), "decay=1.0"),
        (lambda: geco(rule="fast"), "rule='fast'"),
        (lambda: geco(initial_multiplier=-1), "initial_multiplier=-1"),
        (lambda: geco(bounds=(2.0, 1.0)), "bounds="),
        (lambda: Exponential(0), "rate=0"),
        (lambda: ProportionalIntegral(proportional=-1), "proportional=-1"),
        (lambda: ReconstructionError(-0.1), "tolerance=-0.1"),
        (lambda: ReconstructionError("0.1"), "tolerance='0.1'"),
        (lambda: ReconstructionError(0.1, reduction="max"), "reduction='max'"),
        (lambda: tf_geco.ELBO(sigma=0), "sigma=0"),
        (lambda: tf_geco.ELBO(beta="big"), "beta='big'"),
        (lambda: LinearAnneal(1, 0, 0), "steps=0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("objective", [lambda: geco("ab"), lambda: tf_geco.ELBO("optimal", 2.0)])
def test_objectives_survive_serialisation(objective):
    original = objective()
    config = keras.saving.serialize_keras_object(original)
    with keras.saving.custom_object_scope({"Prepared": Prepared}):
        copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == original.get_config()
