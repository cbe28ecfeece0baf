"""Constraints: formulas against loops, gradients at extremes, forms, schedules, masks, saving."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import logistic
from tensorflow_probability import distributions as tfd

import tf_geco
from tf_geco.constraints import (
    ClassificationAccuracy,
    FeatureReconstructionError,
    KLDivergence,
    LocalStatistics,
    NegativeLogLikelihood,
    PatchNCC,
    ReconstructionError,
    between,
    equal_to,
    from_function,
    straight_through,
)

SHAPE = (12, 10, 2)


@keras.saving.register_keras_serializable(package="tests")
def categorical(logits):
    return tfd.Categorical(logits=logits, dtype=tf.float32)


@keras.saving.register_keras_serializable(package="tests")
def normal(mean):
    return tfd.Normal(mean, 0.5)


@keras.saving.register_keras_serializable(package="tests")
def brightness(x, y, outputs):
    return tf.reduce_mean(outputs["reconstruction"], axis=(1, 2, 3))


@keras.saving.register_keras_serializable(package="tests")
def is_bright(x, y, outputs):
    return brightness(x, y, {"reconstruction": tf.convert_to_tensor(x)}) > 0.5


def small_classifier():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )


def small_features():
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(3, 3, activation="tanh")])


MAKE = {
    "reconstruction": lambda: ReconstructionError(0.1),
    "reconstruction_sum": lambda: ReconstructionError(0.1, reduction="sum"),
    "features": lambda: FeatureReconstructionError(0.2, small_features()),
    "statistics": lambda: FeatureReconstructionError(0.2),
    "accuracy": lambda: ClassificationAccuracy(0.9, small_classifier()),
    "accuracy_strict": lambda: ClassificationAccuracy(0.9, small_classifier(), strict=True),
    "patches": lambda: PatchNCC(0.8, patch_size=4),
    "bernoulli": lambda: NegativeLogLikelihood(0.3, unit="nats_per_dim"),
    "normal": lambda: NegativeLogLikelihood(-0.2, normal, unit="bits_per_dim", scale=1.0),
    "kl": lambda: KLDivergence(15.0),
    "function": lambda: from_function(brightness, 0.4, "brightness", form=">=", where=is_bright),
}
every_constraint = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())


def batch(seed=0, n=6):
    random = np.random.default_rng(seed)
    x = random.uniform(size=(n, *SHAPE)).astype("float32")
    reconstruction = random.uniform(size=(n, *SHAPE)).astype("float32")
    y = random.integers(4, size=n)
    return x, y, {"reconstruction": reconstruction, "kl": random.uniform(1, 40, n).astype("f4")}


# Formulas against loops, one example and one patch at a time.


def loop_reconstruction(x, g, mask):
    total, number = 0.0, 0
    for a, b, seen in zip(x.ravel(), g.ravel(), mask.ravel(), strict=True):
        if seen:
            total += (a - b) ** 2
            number += 1
    return total / number - 0.1**2


def patches_of(image, size, strides):
    height, width = image.shape[:2]
    for i in range(0, height - size + 1, strides):
        for j in range(0, width - size + 1, strides):
            yield image[i : i + size, j : j + size].astype(np.float64)


def loop_patch_ncc(x, g, mask):
    tolerance, size, strides, floor, epsilon = 0.8, 4, 2, 0.02, 0.01
    terms = []
    groups = (patches_of(image, size, strides) for image in (x, g, mask))
    for p, q, seen in zip(*groups, strict=True):
        if p.std() < floor or not seen.all():
            continue
        psi_p, psi_q = (
            (patch - patch.mean()) / np.sqrt(np.sum((patch - patch.mean()) ** 2) + epsilon**2)
            for patch in (p, q)
        )
        terms.append(tolerance - np.sum(psi_p * psi_q))
    return np.mean(terms) if terms else 0.0


def loop_statistics(x, g, size=4, strides=2, epsilon=1e-2):
    errors = []
    for p, q in zip(patches_of(x, size, strides), patches_of(g, size, strides), strict=True):
        for c in range(p.shape[-1]):
            a, b = p[..., c], q[..., c]
            errors.append((a.mean() - b.mean()) ** 2)
            errors.append((np.sqrt(a.var() + epsilon**2) - np.sqrt(b.var() + epsilon**2)) ** 2)
    return np.mean(errors) - 0.2**2


def test_reconstruction_error_is_its_loop():
    x, _, outputs = batch()
    found = ReconstructionError(0.1)(x, outputs=outputs)
    everything = np.ones_like(x, bool)
    expected = [
        loop_reconstruction(*e) for e in zip(x, outputs["reconstruction"], everything, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    total = ReconstructionError(0.1, reduction="sum")(x, outputs=outputs)
    np.testing.assert_allclose(total, (np.array(expected) + 0.01) * 240 - 0.01, rtol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 100.0], ids=["unit_range", "far_from_zero"])
def test_patch_ncc_is_its_loop(offset):
    x, _, outputs = batch()
    g = outputs["reconstruction"]
    x[0, :7] = 0.3  # flat patches
    x[1] = 0.3
    everything = np.ones_like(x, bool)
    found = PatchNCC(0.8, patch_size=4)(x + offset, outputs={"reconstruction": g + offset})
    expected = [loop_patch_ncc(*example) for example in zip(x, g, everything, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-5 if offset == 0 else 2e-3)
    assert found[1] == 0


def test_local_statistics_are_their_loop():
    x, _, outputs = batch()
    found = FeatureReconstructionError(0.2)(x, outputs=outputs)
    expected = [loop_statistics(*e) for e in zip(x, outputs["reconstruction"], strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_features_of_several_layers_are_averaged():
    x, _, outputs = batch()
    inputs = keras.Input(SHAPE)
    first = keras.layers.Conv2D(3, 3)(inputs)
    second = keras.layers.Conv2D(2, 3)(first)
    network = keras.Model(inputs, [first, second])
    constraint = FeatureReconstructionError(0.2, network)
    found = constraint(x, outputs=outputs)
    pairs = zip(network(x), network(outputs["reconstruction"]), strict=True)
    errors = [np.mean((a - b).numpy() ** 2, axis=(1, 2, 3)) for a, b in pairs]
    np.testing.assert_allclose(found, np.mean(errors, axis=0) - 0.04, rtol=1e-4)
    assert constraint.nats == (10 * 8 * 3 + 8 * 6 * 2) / 2


@pytest.mark.parametrize("form", ["integers", "one_hot", "dictionary"])
def test_classification_accuracy_is_its_loop(form):
    x, y, outputs = batch()
    network = small_classifier()
    labels = {"integers": y, "one_hot": np.eye(4)[y], "dictionary": {"label": y}}[form]
    found = ClassificationAccuracy(0.9, network)(x, y=labels, outputs=outputs)
    strict = ClassificationAccuracy(0.9, network, strict=True)(x, y=labels, outputs=outputs)
    probabilities = network(outputs["reconstruction"]).numpy()
    for i, label in enumerate(y):
        assert float(found[i]) == pytest.approx(0.9 - probabilities[i, label], abs=1e-6)
        assert float(strict[i]) == pytest.approx(
            0.9 - (np.argmax(probabilities[i]) == label), abs=1e-6
        )


@pytest.mark.parametrize("strict", [False, True])
def test_the_gradient_of_classification_accuracy_is_that_of_its_proxy(strict):
    x, y, outputs = batch()
    network = small_classifier()
    images = tf.Variable(outputs["reconstruction"])
    options = {"log_probability": lambda p: -tf.math.log(p), "probability": lambda p: -p}
    for name, function in options.items():
        constraint = ClassificationAccuracy(0.9, network, strict=strict, proxy=name)
        with tf.GradientTape(persistent=True) as tape:
            found = constraint(x, y=y, outputs={"reconstruction": images})
            expected = function(tf.gather(network(images), y, batch_dims=1))
        np.testing.assert_allclose(
            tape.gradient(found, images), tape.gradient(expected, images), rtol=1e-4, atol=1e-7
        )


def test_logits_become_probabilities():
    x, y, outputs = batch()
    logits = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(4)])
    found = ClassificationAccuracy(0.9, logits, from_logits=True)(x, y=y, outputs=outputs)
    scores = np.exp(logits(outputs["reconstruction"]).numpy())
    expected = 0.9 - (scores / scores.sum(axis=1, keepdims=True))[np.arange(6), y]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_bernoulli_likelihood_is_its_formula():
    x, _, outputs = batch()
    g = outputs["reconstruction"].astype(np.float64)
    nats = -np.sum(x * np.log(g) + (1 - x) * np.log(1 - g), axis=(1, 2, 3))
    for unit, factor in {"nats": 1, "nats_per_dim": 240, "bits_per_dim": 240 * math.log(2)}.items():
        constraint = NegativeLogLikelihood(0.3, unit=unit)
        found = constraint(x, outputs=outputs)
        np.testing.assert_allclose(found, nats / factor - 0.3, rtol=1e-5)
        np.testing.assert_allclose(
            found * constraint.nats / constraint.scale, nats - 0.3 * factor, rtol=1e-5
        )


def test_categorical_and_logistic_mixture_likelihoods():
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (3, 4, 5)).astype("float32")
    logits = random.normal(size=(3, 4, 5, 256)).astype("float32")
    found = NegativeLogLikelihood(100.0, categorical)(x, outputs={"reconstruction": logits})
    chosen = np.take_along_axis(logits, x[..., None].astype(int), axis=-1)[..., 0]
    log_prob = chosen - np.log(np.sum(np.exp(logits), axis=-1))
    np.testing.assert_allclose(found, -log_prob.sum(axis=(1, 2)) - 100, rtol=1e-4)

    h = np.concatenate(
        [random.normal(size=(3, 4, 5, 2)), 128 + 40 * random.normal(size=(3, 4, 5, 2)),
         2 + random.normal(size=(3, 4, 5, 2))], axis=-1,
    ).astype("float32")  # fmt: skip
    constraint = NegativeLogLikelihood(8.0, mixture, unit="bits_per_dim")
    found = constraint(x, outputs={"reconstruction": h})
    weight, centre, width = np.split(h.astype(np.float64), 3, axis=-1)
    weight = np.exp(weight) / np.exp(weight).sum(axis=-1, keepdims=True)
    right = np.where(x[..., None] == 255, np.inf, x[..., None] + 0.5)
    left = np.where(x[..., None] == 0, -np.inf, x[..., None] - 0.5)
    mass = logistic.cdf(right, centre, np.exp(width)) - logistic.cdf(left, centre, np.exp(width))
    bits = -np.log2(np.sum(weight * mass, axis=-1)).mean(axis=(1, 2))
    np.testing.assert_allclose(found, bits - 8.0, rtol=1e-3, atol=1e-3)


@keras.saving.register_keras_serializable(package="tests")
def mixture(h):
    weight, centre, width = tf.split(h, 3, axis=-1)
    # Quantized by rounding up: a shift by half a bin centres the bins.
    bins = tfd.QuantizedDistribution(tfd.Logistic(centre - 0.5, tf.exp(width)), low=0, high=255)
    return tfd.MixtureSameFamily(tfd.Categorical(logits=weight), bins)


def test_kl_divergence_counts_nats():
    _, _, outputs = batch()
    constraint = KLDivergence(15.0)
    np.testing.assert_allclose(constraint(outputs["kl"], outputs=outputs), outputs["kl"] - 15)
    assert constraint.nats / constraint.scale == 1


# Laws of all constraints.


@every_constraint
@pytest.mark.parametrize("extreme", ["constant", "identical", "zeros", "ones"])
def test_gradients_are_finite(make, extreme):
    x, y, outputs = batch()
    g = {"constant": np.full_like(x, 0.4), "identical": x, "zeros": 0 * x, "ones": 0 * x + 1}
    constraint = make()
    for data in (x, np.full_like(x, 0.4), np.zeros_like(x), np.ones_like(x)):
        reconstruction = tf.Variable(g[extreme])
        with tf.GradientTape() as tape:
            outputs["reconstruction"] = reconstruction
            violation = constraint(data, y=y, outputs=outputs)
        assert np.isfinite(violation).all()
        gradient = tape.gradient(violation, reconstruction)
        assert gradient is None or np.isfinite(gradient).all()
        assert (gradient is None) == isinstance(constraint, KLDivergence)


@every_constraint
def test_what_is_measured_is_what_was_asked_when_the_violation_is_zero(make):
    constraint = make()
    x, y, outputs = batch()
    constraint(x, y=y, outputs=outputs)
    assert float(constraint.measure(0.0)) == pytest.approx(constraint.tolerance)
    assert constraint.scale > 0
    assert constraint.nats > 0


@every_constraint
def test_configuration_and_values_survive_saving(make):
    constraint = make()
    x, y, outputs = batch()
    expected = constraint(x, y=y, outputs=outputs)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(constraint))
    assert type(copy) is type(constraint)
    copy(x, y=y, outputs=outputs)
    copy.set_weights(constraint.get_weights())
    np.testing.assert_allclose(copy(x, y=y, outputs=outputs), expected, rtol=1e-6)
    assert not constraint.trainable_weights


@every_constraint
def test_xla_and_bfloat16_agree_with_eager(make):
    constraint = make()
    x, y, outputs = batch()
    expected = constraint(x, y=y, outputs=outputs)
    compiled = tf.function(lambda *a: constraint(a[0], y=a[1], outputs=a[2]), jit_compile=True)
    np.testing.assert_allclose(compiled(x, y, outputs), expected, rtol=1e-4, atol=1e-5)
    half = {"reconstruction": tf.cast(outputs["reconstruction"], tf.bfloat16), "kl": outputs["kl"]}
    found = constraint(x, y=y, outputs=half)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.05)


# Missing values.


@pytest.mark.parametrize("name", ["reconstruction", "reconstruction_sum", "patches", "bernoulli"])
def test_missing_values_do_not_count(name):
    x, _, outputs = batch()
    g = outputs["reconstruction"]
    mask = np.random.default_rng(1).uniform(size=x.shape) < 0.5
    mask[:, :, :5] = True
    holes = np.where(mask, x, np.nan)
    reconstruction = tf.Variable(g)
    constraint = MAKE[name]()
    with tf.GradientTape() as tape:
        outputs["reconstruction"] = reconstruction
        found = constraint(holes, y={"mask": mask}, outputs=outputs)
    expected = {
        "reconstruction": loop_reconstruction,
        "reconstruction_sum": lambda x, g, m: np.sum((x - g)[m] ** 2) - 0.01,
        "patches": loop_patch_ncc,
        "bernoulli": lambda x, g, m: (
            -np.sum((x * np.log(g) + (1 - x) * np.log(1 - g))[m]) / 240 - 0.3
        ),
    }[name]
    each = [expected(*example) for example in zip(x, g, mask, strict=True)]
    np.testing.assert_allclose(found, each, rtol=1e-4, atol=1e-5)
    gradient = tape.gradient(found, reconstruction).numpy()
    assert np.isfinite(gradient).all()
    if name != "patches":
        assert (gradient[~mask] == 0).all()
        assert (gradient[mask] != 0).all()


def test_features_take_missing_values_from_the_reconstruction():
    x, _, outputs = batch()
    g = outputs["reconstruction"]
    mask = np.random.default_rng(1).uniform(size=x.shape) < 0.5
    constraint = MAKE["features"]()
    found = constraint(np.where(mask, x, np.nan), y={"mask": mask}, outputs=outputs)
    np.testing.assert_allclose(found, constraint(np.where(mask, x, g), outputs=outputs), rtol=1e-5)


# Forms, proxies, schedules.


def test_forms_are_signs_of_one_difference():
    x, y, outputs = batch()
    value = outputs["reconstruction"].mean(axis=(1, 2, 3))
    at_most = from_function(brightness, 0.4, "b")
    at_least = from_function(brightness, 0.4, "b", form=">=")
    np.testing.assert_allclose(at_most(x, y=y, outputs=outputs), value - 0.4, atol=1e-6)
    np.testing.assert_allclose(at_least(x, y=y, outputs=outputs), 0.4 - value, atol=1e-6)
    for constraint in (at_most, at_least):
        violation = constraint(x, y=y, outputs=outputs)
        assert float(constraint.measure(np.mean(violation))) == pytest.approx(value.mean())
    low, high = between(brightness, 0.2, 0.4, "b")
    assert (low.name, high.name) == ("b_at_least", "b_at_most")
    np.testing.assert_allclose(low(x, y=y, outputs=outputs), 0.2 - value, atol=1e-6)
    low, high = equal_to(brightness, 0.4, "b", width=0.05)
    assert (low.tolerance, high.tolerance) == pytest.approx((0.35, 0.45))


def test_where_takes_the_mean_over_examples_that_count():
    x, y, outputs = batch(n=40)
    constraint = from_function(brightness, 0.4, "b", where=is_bright)
    violation = constraint(x, y=y, outputs=outputs)
    counts = x.mean(axis=(1, 2, 3)) > 0.5
    assert 0 < counts.sum() < 40
    expected = outputs["reconstruction"].mean(axis=(1, 2, 3))[counts].mean() - 0.4
    assert np.mean(violation) == pytest.approx(expected, abs=1e-6)
    assert (violation.numpy()[~counts] == 0).all()
    none = from_function(brightness, 0.4, "b", where=lambda x, y, outputs: np.zeros(40, bool))
    np.testing.assert_array_equal(none(x, y=y, outputs=outputs), np.zeros(40))


def test_a_proxy_gives_the_gradient_and_the_strict_value_the_value():
    value = tf.Variable([0.3, -0.2])
    with tf.GradientTape() as tape:
        found = straight_through(tf.cast(value > 0, tf.float32), tf.sigmoid(3 * value))
    np.testing.assert_array_equal(found, [1.0, 0.0])
    slope = tf.sigmoid(3 * value) * (1 - tf.sigmoid(3 * value)) * 3
    np.testing.assert_allclose(tape.gradient(found, value), slope, rtol=1e-6)


def test_a_scheduled_tolerance_follows_the_steps_of_its_objective(tmp_path):
    schedule = tf_geco.schedules.LinearAnneal(0.5, 0.1, 4)
    objective = tf_geco.GECO([ReconstructionError(schedule), KLDivergence(15.0)])
    x, y, outputs = batch()
    error = np.mean((x - outputs["reconstruction"]) ** 2, axis=(1, 2, 3))
    for step in range(7):
        kappa = 0.5 - 0.4 * min(step / 4, 1)
        violations = objective(x, y=y, outputs=outputs)
        np.testing.assert_allclose(violations[:, 0], error - kappa**2, rtol=1e-5, atol=1e-6)
        assert float(objective.constraints[0].tolerance) == pytest.approx(kappa)
        worth = objective.weights_of_violations()[0] / objective.multiplier[0]
        assert float(worth) == pytest.approx(120 / kappa**2, rel=1e-5)
        objective.update(violations)
    copy = tf_geco.GECO.from_config(objective.get_config())
    copy(x, y=y, outputs=outputs)
    copy.set_weights(objective.get_weights())
    assert float(copy.constraints[0].tolerance) == pytest.approx(0.1)


def test_each_constraint_has_its_own_bounds():
    constraints = [ReconstructionError(0.01), KLDivergence(1.0)]
    rule = tf_geco.multipliers.Exponential(0.1)
    objective = tf_geco.GECO(constraints, rule=rule, bounds=[(0.1, 2.0), (0.5, 50.0)])
    x, y, outputs = batch()
    for _ in range(600):
        violations = objective(x, y=y, outputs=outputs)
        objective.update(violations)
    np.testing.assert_allclose(objective.multiplier, [2.0, 50.0], rtol=1e-5)
    assert tf_geco.GECO.from_config(objective.get_config()).limits == [[0.1, 2.0], [0.5, 50.0]]


def test_a_cost_of_the_objectives_own_counts_in_nats():
    objective = tf_geco.GECO([KLDivergence(15.0)], cost=ReconstructionError(0.1))
    x, y, outputs = batch()
    violations = objective(x, y=y, outputs=outputs)
    cost = objective.own_cost(x, y, outputs)
    error = np.mean((x - outputs["reconstruction"]) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(cost, 120 * (error / 0.01 - 1), rtol=1e-5)
    expected = np.mean(cost) + np.mean(outputs["kl"] - 15)
    assert float(objective.loss(cost, violations)) == pytest.approx(expected, rel=1e-5)
    assert tf_geco.GECO.from_config(objective.get_config()).cost.tolerance == 0.1


# Bad input.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReconstructionError(-1), "`tolerance` must be a positive number"),
        (lambda: FeatureReconstructionError(0.1, "vgg"), "`features` must be a Keras model"),
        (lambda: ClassificationAccuracy(0.9, None), "`classifier` must be a Keras model"),
        (lambda: ClassificationAccuracy(1.5, small_classifier()), "between 0 and 1"),
        (lambda: ClassificationAccuracy(0.9, small_classifier(), proxy="p"), "`proxy` must be"),
        (lambda: PatchNCC(1.0), "is a correlation"),
        (lambda: PatchNCC(0.9, patch_size=0), "`patch_size` must be a positive"),
        (lambda: LocalStatistics(0), "`patch_size` and `strides`"),
        (lambda: NegativeLogLikelihood(1.0, unit="bits"), "`unit` must be one of"),
        (lambda: NegativeLogLikelihood(1.0, "poisson"), "`likelihood` must be a function"),
        (lambda: NegativeLogLikelihood(-1.0), "`tolerance` must be a positive"),
        (lambda: from_function(brightness, 0.0, "b"), "give `scale`"),
        (lambda: from_function(brightness, 0.4, "b", form="=="), "`form` must be"),
        (lambda: from_function("mean", 0.4, "b"), "`fn` must be a function"),
        (lambda: from_function(brightness, 0.4, "b", proxy=3), "`proxy` must be a function"),
        (lambda: between(brightness, 0.4, 0.4, "b"), "`low` must be below"),
        (lambda: equal_to(brightness, 0.0, "b"), "`width` must be a positive"),
        (lambda: tf_geco.GECO([KLDivergence(1.0)], bounds=[(1, 2), (1, 2)]), "one for each of the"),
        (lambda: tf_geco.GECO([KLDivergence(1.0)], bounds=(2, 1)), "`bounds` must be two"),
        (lambda: tf_geco.GECO([KLDivergence(1.0)], cost="mse"), "`cost` must be a"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_data_are_named():
    x, _, outputs = batch()
    with pytest.raises(ValueError, match="needs labels"):
        ClassificationAccuracy(0.9, small_classifier())(x, outputs=outputs)
    with pytest.raises(ValueError, match="at least the size of a patch"):
        PatchNCC(0.9, patch_size=11)(x, outputs=outputs)
    with pytest.raises(ValueError, match=r"needs `outputs\['kl'\]`"):
        KLDivergence(1.0)(x, outputs={"reconstruction": x})
    joint = NegativeLogLikelihood(1.0, lambda h: tfd.Independent(tfd.Normal(h, 1.0), 3))
    with pytest.raises(ValueError, match=r"without `tfd\.Independent`"):
        joint(x, y={"mask": x > 0.5}, outputs=outputs)
