"""A convex problem whose primal and dual solutions are known, in a train_step that is not ours."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tf_geco.constraints import Constraint
from tf_geco.multipliers import Exponential, ProportionalIntegral

FLOORS = [0.5, 0.25, 1.0]


class AtLeast(Constraint):
    """x[index] >= tolerance."""

    def __init__(self, tolerance, index, **kwargs):
        super().__init__(tolerance, **kwargs)
        self.index = index

    def call(self, x, y=None, outputs=None):
        return self.tolerance - outputs[:, self.index] + 0.1 * x[:, self.index]


class Toy(keras.Model):
    """Minimise |x|^2 + noise subject to x_l >= floor_l, with a user's own train_step."""

    def __init__(self, objective, size):
        super().__init__()
        self.objective = objective
        self.x = self.add_weight(shape=(size,), initializer="zeros", name="x")

    def build(self, _):
        """Nothing to build."""

    def call(self, noise):
        return self.x + tf.zeros_like(noise)

    def train_step(self, noise):
        with tf.GradientTape() as tape:
            outputs = self(noise)
            cost = tf.reduce_sum(outputs**2 + 0.1 * noise * outputs, axis=1)
            violations = self.objective(noise, outputs=outputs)
            loss = self.objective.loss(cost, violations)
        self.optimizer.apply(tape.gradient(loss, [self.x]), [self.x])
        self.objective.update(violations)
        return {"loss": loss}


RULES = {
    "algorithm_1": {"rule": Exponential(0.02), "scaled": False},
    "exponential_scaled": {"rule": Exponential(0.02)},
    "proportional_integral": {"rule": ProportionalIntegral(0.02, 2.0)},
    "default": {},
}


@pytest.mark.parametrize("options", RULES.values(), ids=RULES)
@pytest.mark.parametrize("size", [1, 3])
def test_primal_and_dual_optimum_are_reached(options, size):
    floors = FLOORS[:size]
    constraints = [AtLeast(floor, i, name=f"floor_{i}") for i, floor in enumerate(floors)]
    objective = tf_geco.GECO(constraints, **options)
    model = Toy(objective, size)
    model.compile(keras.optimizers.SGD(0.02))
    noise = np.random.default_rng(0).normal(size=(3000 * 8, size)).astype("float32")
    model.fit(noise, batch_size=8, epochs=1, verbose=0, shuffle=False)
    np.testing.assert_allclose(model.x, floors, atol=0.02)
    np.testing.assert_allclose(objective.weights_of_violations(), 2 * np.array(floors), rtol=0.15)
