"""What holds for every constraint."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import line
from tests.constraints.cases import MAKE, SHAPE, batch, every_constraint, values_of
from tf_geco.constraints import FeatureReconstructionError, KLDivergence, ReconstructionError
from tf_geco.objectives.sums import Sums

# Another tolerance for each, in its own unit.
OTHER = {
    "reconstruction": 0.7,
    "reconstruction_sum": 3.0,
    "features": 0.9,
    "statistics": 0.01,
    "accuracy": 0.1,
    "accuracy_strict": 0.2,
    "patches": 0.1,
    "bernoulli": 2.0,
    "normal": 3.0,
    "kl": 1.0,
    "function": -5.0,
}


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
            values = values_of(constraint, data, y, outputs)
        assert np.isfinite(values).all()
        gradient = tape.gradient(values, reconstruction)
        assert gradient is None or np.isfinite(gradient).all()
        assert (gradient is None) == isinstance(constraint, KLDivergence)


@every_constraint
def test_what_is_measured_is_what_was_asked_when_the_violation_is_zero(make):
    constraint = make()
    x, y, outputs = batch()
    constraint(x, y=y, outputs=outputs)
    bound = constraint.bound()
    assert float(constraint.violation(bound)) == float(constraint.error(bound)) == 0
    assert float(constraint.excess(bound)) == 0
    assert float(constraint.reading(bound)) == pytest.approx(constraint.tolerance)
    assert constraint.scale() > 0
    assert constraint.nats() > 0
    # The side that the form allows, and the other.
    signs = [np.sign(float(constraint.error(bound + d))) for d in (-0.005, 0.005)]
    assert signs == ([-1, 1] if constraint.form == "<=" else [1, -1])


@pytest.mark.parametrize("name", MAKE)
def test_what_is_measured_knows_no_tolerance_and_no_step(name):
    one = MAKE[name]()
    x, y, outputs = batch()
    expected = one(x, y=y, outputs=outputs)
    first, other = one.tolerance, OTHER[name]
    for given in (other, line(first, other, 10)):
        tolerance = keras.saving.serialize_keras_object(given)
        copy = type(one).from_config({**one.get_config(), "tolerance": tolerance})
        copy(x, y=y, outputs=outputs)
        copy.set_weights(one.get_weights())
        found = copy(x, y=y, outputs=outputs)
        np.testing.assert_array_equal(found.values, expected.values)
        assert (found.counts is None) == (expected.counts is None)
        if found.counts is not None:
            np.testing.assert_array_equal(found.counts, expected.counts)
        assert float(copy.tolerance_at(10)) == pytest.approx(other)
        assert float(copy.tolerance_at(99)) == pytest.approx(other)
    assert float(copy.tolerance_at(0)) == pytest.approx(first)
    assert float(copy.tolerance_at(5)) == pytest.approx((first + other) / 2, abs=1e-6)


@every_constraint
def test_the_whole_is_measured_as_its_examples_are(make):
    """No example sees another, so batches may be cut anywhere."""
    constraint = make()
    x, y, outputs = batch()

    def sums(rows):
        values, counts = constraint(
            x[rows], y=y[rows], outputs={key: part[rows] for key, part in outputs.items()}
        )
        return Sums.of([values, values], [counts, None]).stacked().numpy()

    whole = sums(slice(None))
    np.testing.assert_allclose(
        sum(sums(slice(i, i + 1)) for i in range(6)), whole, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(sums(slice(4)) + sums(slice(4, 6)), whole, rtol=1e-5, atol=1e-6)


@every_constraint
def test_configuration_and_values_survive_saving(make):
    constraint = make()
    x, y, outputs = batch()
    expected = constraint(x, y=y, outputs=outputs)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(constraint))
    assert type(copy) is type(constraint)
    assert copy.get_config() == constraint.get_config()
    copy(x, y=y, outputs=outputs)
    copy.set_weights(constraint.get_weights())
    np.testing.assert_allclose(values_of(copy, x, y, outputs), expected.values, rtol=1e-6)


@every_constraint
def test_a_model_does_not_train_what_it_is_measured_with(make):
    constraint = make()
    x, y, outputs = batch()
    constraint(x, y=y, outputs=outputs)
    images = keras.Input(SHAPE)
    network = keras.Model(images, {"reconstruction": keras.layers.Dense(2)(images)})
    model = tf_geco.models.Constrained(network, lambda y, _: y, tf_geco.GECO([constraint]))
    theirs = {id(weight) for weight in constraint.weights}
    for trained in (model.trainable_variables, model.trainable_weights):
        assert not theirs & {id(weight) for weight in trained}
        assert {id(w) for w in network.trainable_weights} == {id(w) for w in trained}


@pytest.mark.parametrize("name", sorted(set(MAKE) - {"function"}))
def test_form_and_schedule_survive_config_round_trips(name):
    first, other = MAKE[name]().tolerance, OTHER[name]
    form = "<=" if MAKE[name]().form == ">=" else ">="
    constraint = MAKE[name](line(first, other, 8), form=form)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(constraint))
    assert copy.get_config() == constraint.get_config()
    assert copy.form == form
    for step in (0, 3, 8, 20):
        expected = first + (other - first) * min(step / 8, 1)
        assert float(copy.tolerance_at(step)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@every_constraint
def test_xla_and_bfloat16_agree_with_eager(make):
    constraint = make()
    x, y, outputs = batch()
    expected = values_of(constraint, x, y, outputs)
    compiled = tf.function(lambda *a: values_of(constraint, *a), jit_compile=True)
    np.testing.assert_allclose(compiled(x, y, outputs), expected, rtol=1e-4, atol=1e-5)
    half = {"reconstruction": tf.cast(outputs["reconstruction"], tf.bfloat16), "kl": outputs["kl"]}
    found = values_of(constraint, x, y, half)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.05)


@every_constraint
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e3])
def test_errors_of_half_precision_are_measured_in_single(make, half, size):
    """Numbers are rounded by the model; their squares neither vanish nor overflow."""
    constraint = make()
    x, y, outputs = batch()
    x, g = (size * part for part in (x, outputs["reconstruction"]))
    rounded = tf.cast(g, half)
    single = tf.cast(rounded, "float32")
    expected = values_of(constraint, x, y, {**outputs, "reconstruction": single})
    found = values_of(constraint, x, y, {**outputs, "reconstruction": rounded})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)


def test_features_of_half_precision_are_compared_in_single():
    features = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Rescaling(1000.0, dtype="mixed_float16")]
    )
    x, _, outputs = batch()
    found = values_of(FeatureReconstructionError(0.1, features), x, None, outputs)
    expected = 1e6 * np.mean((x - outputs["reconstruction"]) ** 2, (1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-2)


# One constraint, several objectives.


def test_a_constraint_serves_several_objectives_for_data_of_one_shape():
    constraint = ReconstructionError(0.1)
    first, second = tf_geco.GECO([constraint]), tf_geco.GECO([constraint])
    for objective, size in ((first, 3), (second, 5)):  # the size of a batch may differ
        x = np.full((size, 4, 2), 0.5, "float32")
        sums = objective(x, outputs={"reconstruction": x + 0.1})
        np.testing.assert_allclose(objective.violations(sums), [0.0], atol=1e-7)
    assert constraint.size == 8


def test_a_constraint_that_two_objectives_share_for_data_of_two_shapes_is_refused():
    constraint = ReconstructionError(0.1)
    first, second = tf_geco.GECO([constraint]), tf_geco.GECO([constraint])
    small, large = np.zeros((2, 4, 2), "float32"), np.zeros((2, 4, 3), "float32")
    first(small, outputs={"reconstruction": small})
    with pytest.raises(ValueError, match=r"serves data of one shape, \(4, 2\).*shape \(4, 3\)"):
        second(large, outputs={"reconstruction": large})
    assert constraint.size == 8
