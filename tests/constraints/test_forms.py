"""Forms, proxies, schedules: how an objective takes what constraints measure."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import line
from tests.constraints.cases import batch, brightness, values_of
from tf_geco.constraints import (
    KLDivergence,
    ReconstructionError,
    between,
    equal_to,
    from_function,
    straight_through,
)


def test_forms_are_signs_of_one_difference():
    x, y, outputs = batch()
    value = outputs["reconstruction"].mean(axis=(1, 2, 3))
    at_most = from_function(brightness, 0.4, "b")
    at_least = from_function(brightness, 0.4, "b", form=">=")
    for constraint, sign in ((at_most, 1), (at_least, -1)):
        found = values_of(constraint, x, y, outputs)
        np.testing.assert_allclose(found, value, atol=1e-6)
        np.testing.assert_allclose(constraint.violation(found), sign * (value - 0.4), atol=1e-6)
        assert float(constraint.reading(np.mean(found))) == pytest.approx(value.mean())
    low, high = between(brightness, 0.2, 0.4, "b")
    assert (low.name, high.name) == ("b_at_least", "b_at_most")
    found = values_of(low, x, y, outputs)
    np.testing.assert_allclose(low.violation(found), 0.2 - value, atol=1e-6)
    np.testing.assert_allclose(high.violation(found), value - 0.4, atol=1e-6)
    low, high = equal_to(brightness, 0.4, "b", width=0.05)
    assert (low.tolerance, high.tolerance) == pytest.approx((0.35, 0.45))


def test_a_proxy_gives_the_gradient_and_the_strict_value_the_value():
    value = tf.Variable([0.3, -0.2])
    with tf.GradientTape() as tape:
        found = straight_through(tf.cast(value > 0, tf.float32), tf.sigmoid(3 * value))
    np.testing.assert_array_equal(found, [1.0, 0.0])
    slope = tf.sigmoid(3 * value) * (1 - tf.sigmoid(3 * value)) * 3
    np.testing.assert_allclose(tape.gradient(found, value), slope, rtol=1e-6)


def test_a_scheduled_tolerance_follows_the_steps_of_its_objective():
    objective = tf_geco.GECO([ReconstructionError(line(0.5, 0.1, 4)), KLDivergence(15.0)])
    x, y, outputs = batch()
    error = np.mean((x - outputs["reconstruction"]) ** 2)
    for step in range(7):
        kappa = 0.5 - 0.4 * min(step / 4, 1)
        sums = objective(x, y=y, outputs=outputs)
        violations = objective.violations(sums)
        np.testing.assert_allclose(violations[0], error - kappa**2, rtol=1e-5, atol=1e-6)
        constraint = objective.constraints[0]
        assert float(constraint.tolerance_at(objective.step)) == pytest.approx(kappa)
        assert float(constraint.weight(objective.step)) == pytest.approx(120 / kappa**2, rel=1e-5)
        pull = [120 / kappa**2, 1.0] * objective.multiplier.numpy()
        assert float(objective.loss(sums)) == pytest.approx(pull @ violations.numpy(), rel=1e-4)
        objective.update(sums)
        # C_ma compares what was measured with the tolerance of now, not with those of then.
        kappa = 0.5 - 0.4 * min((step + 1) / 4, 1)
        np.testing.assert_allclose(
            objective.violations()[0], error - kappa**2, rtol=1e-4, atol=1e-6
        )
    copy = tf_geco.GECO.from_config(objective.get_config())
    copy(x, y=y, outputs=outputs)
    copy.set_weights(objective.get_weights())
    assert float(copy.constraints[0].tolerance_at(copy.step)) == pytest.approx(0.1)


def test_each_constraint_has_its_own_bounds():
    constraints = [ReconstructionError(0.01), KLDivergence(1.0)]
    rule = tf_geco.multipliers.Exponential(0.1)
    objective = tf_geco.GECO(constraints, rule=rule, bounds=[(0.1, 2.0), (0.5, 50.0)])
    x, y, outputs = batch()
    sums = objective(x, y=y, outputs=outputs)
    for _ in range(600):
        objective.update(sums)
    np.testing.assert_allclose(objective.multiplier, [2.0, 50.0], rtol=1e-5)
    assert tf_geco.GECO.from_config(objective.get_config()).bounds == [[0.1, 2.0], [0.5, 50.0]]


def test_a_cost_of_the_objectives_own_counts_in_nats():
    objective = tf_geco.GECO([KLDivergence(15.0)], cost=ReconstructionError(0.1))
    x, y, outputs = batch()
    sums = objective(x, y=y, outputs=outputs)
    error = np.mean((x - outputs["reconstruction"]) ** 2, axis=(1, 2, 3))
    cost = 120 * (error / 0.01 - 1)
    assert float(objective.cost_of(sums.means)) == pytest.approx(np.mean(cost), rel=1e-5)
    expected = np.mean(cost) + np.mean(outputs["kl"] - 15)
    assert float(objective.loss(sums)) == pytest.approx(expected, rel=1e-5)
    assert tf_geco.GECO.from_config(objective.get_config()).cost.tolerance == 0.1


def test_a_cost_of_the_objectives_own_leaves_out_missing_values():
    objective = tf_geco.GECO([KLDivergence(15.0)], cost=ReconstructionError(0.1))
    x, _, outputs = batch()
    mask = np.random.default_rng(1).uniform(size=x.shape) < 0.5
    mask[3] = False
    sums = objective(np.where(mask, x, np.nan), y={"mask": mask}, outputs=outputs)
    squares = np.where(mask, (x - outputs["reconstruction"]) ** 2, 0).sum((1, 2, 3))
    error = np.delete(squares, 3) / np.delete(mask.sum((1, 2, 3)), 3)
    np.testing.assert_array_equal(sums.counts, [6, 5])
    found = float(objective.cost_of(sums.means))
    assert found == pytest.approx(np.mean(120 * (error / 0.01 - 1)), rel=1e-5)


@pytest.mark.parametrize("shift", [0.0, 300.0, -40.0])
@pytest.mark.parametrize("mean", [0.17, 0.195, 0.3, 0.405, 0.43])
def test_a_band_is_as_wide_wherever_it_lies(shift, mean):
    """What counts as feasible goes 5 % of the width beyond it, not 5 % of the value."""
    x, y, outputs = batch()

    def values(x, y, outputs):
        return tf.fill([6], mean + shift)

    band = between(values, 0.2 + shift, 0.4 + shift, "b")
    same = equal_to(values, 0.3 + shift, "b", width=0.1)
    for constraints in (band, same):
        objective = tf_geco.GECO(constraints)
        found = objective.verdict(objective(x, y=y, outputs=outputs))["feasible"]
        assert float(found) == (0.19 <= mean <= 0.41)


def test_attributes_of_a_users_own_are_theirs(tmp_path):
    class Bytes(tf_geco.constraints.Constraint):
        """Whose unit and sign are nobody's business."""

        def __init__(self, tolerance, **options):
            super().__init__(tolerance, **options)
            self.unit, self.sign, self.form_of_mine = 255.0, -1.0, None

        def measure(self, x, y=None, outputs=None):
            return self.unit * tf.reduce_mean(tf.abs(x - outputs["reconstruction"]), -1)

    objective = tf_geco.GECO([Bytes(2.0, name="bytes")])
    x = tf.ones([4, 6])
    sums = objective(x, outputs={"reconstruction": 0.0 * x}, cost=tf.zeros([4]))
    assert float(objective.violations(sums)[0]) == 253.0
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.objective = objective
    model.save_weights(tmp_path / "a.weights.h5")
    model.load_weights(tmp_path / "a.weights.h5")
