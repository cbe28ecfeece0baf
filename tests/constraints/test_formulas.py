"""What constraints measure, against loops in NumPy; what they make of its mean."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.constraints.cases import (
    SHAPE,
    batch,
    brightness,
    loop_patch_ncc,
    loop_reconstruction,
    loop_statistics,
    small_classifier,
    values_of,
)
from tf_geco.constraints import (
    ClassificationAccuracy,
    FeatureReconstructionError,
    KLDivergence,
    PatchNCC,
    ReconstructionError,
    from_function,
)


def test_reconstruction_error_is_its_loop():
    x, _, outputs = batch()
    constraint = ReconstructionError(0.1)
    found = values_of(constraint, x, outputs=outputs)
    everything = np.ones_like(x, bool)
    expected = [
        loop_reconstruction(*e) for e in zip(x, outputs["reconstruction"], everything, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(constraint.violation(found), np.array(expected) - 0.01, rtol=1e-5)
    total = values_of(ReconstructionError(0.1, reduction="sum"), x, outputs=outputs)
    np.testing.assert_allclose(total, np.array(expected) * 240, rtol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 100.0], ids=["unit_range", "far_from_zero"])
def test_patch_ncc_is_its_loop(offset):
    x, _, outputs = batch()
    g = outputs["reconstruction"]
    x[0, :7] = 0.3  # flat patches
    x[1] = 0.3
    everything = np.ones_like(x, bool)
    constraint = PatchNCC(0.8, patch_size=4)
    found, counts = constraint(x + offset, outputs={"reconstruction": g + offset})
    loops = [loop_patch_ncc(*example) for example in zip(x, g, everything, strict=True)]
    expected, counted = map(np.array, zip(*loops, strict=True))
    np.testing.assert_array_equal(counts, counted)
    np.testing.assert_array_equal(counts, [1, 0, 1, 1, 1, 1])
    tolerance = 1e-5 if offset == 0 else 2e-3
    np.testing.assert_allclose(found[counted], expected[counted], atol=tolerance)
    np.testing.assert_allclose(
        constraint.violation(found[counted]), 0.8 - expected[counted], atol=tolerance
    )


def test_local_statistics_are_their_loop():
    x, _, outputs = batch()
    found = values_of(FeatureReconstructionError(0.2), x, outputs=outputs)
    expected = [loop_statistics(*e) for e in zip(x, outputs["reconstruction"], strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_features_of_several_layers_are_averaged():
    x, _, outputs = batch()
    inputs = keras.Input(SHAPE)
    first = keras.layers.Conv2D(3, 3)(inputs)
    second = keras.layers.Conv2D(2, 3)(first)
    network = keras.Model(inputs, [first, second])
    constraint = FeatureReconstructionError(0.2, network)
    found = values_of(constraint, x, outputs=outputs)
    pairs = zip(network(x), network(outputs["reconstruction"]), strict=True)
    errors = [np.mean((a - b).numpy() ** 2, axis=(1, 2, 3)) for a, b in pairs]
    np.testing.assert_allclose(found, np.mean(errors, axis=0), rtol=1e-4)
    assert constraint.nats() == (10 * 8 * 3 + 8 * 6 * 2) / 2


@pytest.mark.parametrize("form", ["integers", "one_hot", "dictionary"])
def test_classification_accuracy_is_its_loop(form):
    x, y, outputs = batch()
    network = small_classifier()
    labels = {"integers": y, "one_hot": np.eye(4)[y], "dictionary": {"label": y}}[form]
    found = values_of(ClassificationAccuracy(0.9, network), x, labels, outputs)
    strict = values_of(ClassificationAccuracy(0.9, network, strict=True), x, labels, outputs)
    probabilities = network(outputs["reconstruction"]).numpy()
    for i, label in enumerate(y):
        assert float(found[i]) == pytest.approx(probabilities[i, label], abs=1e-6)
        right = float(np.argmax(probabilities[i]) == label)
        assert float(strict[i]) == pytest.approx(right, abs=1e-6)


@pytest.mark.parametrize("strict", [False, True])
def test_the_gradient_of_classification_accuracy_is_that_of_its_proxy(strict):
    x, y, outputs = batch()
    network = small_classifier()
    images = tf.Variable(outputs["reconstruction"])
    options = {"log_probability": lambda p: -tf.math.log(p), "probability": lambda p: -p}
    for name, function in options.items():
        constraint = ClassificationAccuracy(0.9, network, strict=strict, proxy=name)
        with tf.GradientTape(persistent=True) as tape:
            found = constraint.violation(values_of(constraint, x, y, {"reconstruction": images}))
            expected = function(tf.gather(network(images), y, batch_dims=1))
        np.testing.assert_allclose(
            tape.gradient(found, images), tape.gradient(expected, images), rtol=1e-4, atol=1e-7
        )


def test_logits_become_probabilities():
    x, y, outputs = batch()
    logits = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(4)])
    found = values_of(ClassificationAccuracy(0.9, logits, from_logits=True), x, y, outputs)
    scores = np.exp(logits(outputs["reconstruction"]).numpy())
    expected = (scores / scores.sum(axis=1, keepdims=True))[np.arange(6), y]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_kl_divergence_counts_nats():
    _, _, outputs = batch()
    constraint = KLDivergence(15.0)
    found = values_of(constraint, outputs["kl"], outputs=outputs)
    np.testing.assert_allclose(found, outputs["kl"])
    np.testing.assert_allclose(constraint.violation(found), outputs["kl"] - 15)
    assert constraint.nats() / constraint.scale() == constraint.weight() == 1


# What a constraint makes of a mean: bound, scale, worth, violation, excess, error.

NUMBERS = {
    # make, mean: bound, scale, nats, violation
    "reconstruction": (lambda: ReconstructionError(0.1), 0.03, 0.01, 0.01, 120.0, 0.02),
    "accuracy": (lambda: ClassificationAccuracy(0.9, small_classifier()), 0.7, 0.9, 0.1, 1.0, 0.2),
    "patches": (lambda: PatchNCC(0.8, patch_size=4), 0.9, 0.8, 0.2, 120.0, -0.1),
    "kl": (lambda: KLDivergence(15.0), 18.0, 15.0, 15.0, 15.0, 3.0),
    "at_most": (lambda: from_function(brightness, -0.4, "b", nats=7.0), -0.3, -0.4, 0.4, 7.0, 0.1),
    "at_least": (
        lambda: from_function(brightness, 0.4, "b", form=">=", scale=0.5), 0.7, 0.4, 0.5, 1.0, -0.3
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NUMBERS.values(), ids=NUMBERS)
def test_the_numbers_that_a_constraint_makes_of_a_mean(case):
    make, mean, bound, scale, nats, violation = case
    constraint = make()
    constraint.build((None, *SHAPE), None, {"reconstruction": (None, *SHAPE)})
    relative = violation / scale
    function = isinstance(constraint, type(from_function(brightness, 1.0, "b")))
    log = math.copysign(math.log1p(abs(relative)), relative) if function else math.log1p(relative)
    found = [getattr(constraint, name)() for name in ("bound", "scale", "nats", "weight")]
    np.testing.assert_allclose(found, [bound, scale, nats, nats / scale], rtol=1e-6)
    found = [getattr(constraint, name)(mean) for name in ("violation", "excess", "error")]
    np.testing.assert_allclose(found, [violation, relative, log], rtol=1e-5)


def test_accuracy_at_lambda_one_is_an_exponential_likelihood_likeliest_at_its_tolerance():
    """lambda E / s - log lambda, of E = -log p with the mean s, is least at lambda = 1."""
    constraint = ClassificationAccuracy(0.95, small_classifier())
    assert constraint.is_likelihood
    assert not ClassificationAccuracy(0.9, small_classifier(), proxy="probability").is_likelihood
    grid = np.geomspace(0.1, 10.0, 201)
    for energy in (0.05, 0.1):
        loss = grid * constraint.weight() * energy - constraint.nats() * np.log(grid)
        excess = math.log(energy / constraint.scale())
        assert abs(math.log(grid[loss.argmin()]) + excess) < 0.03
