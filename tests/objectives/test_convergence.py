"""A convex problem whose primal and dual solutions are known, in a train_step that is not ours."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tf_geco.constraints import Constraint
from tf_geco.multipliers import Exponential, PlannedPace

FLOORS = [0.5, 0.25, 1.0]


class AtLeast(Constraint):
    """x[index] >= tolerance."""

    def __init__(self, tolerance, index, **kwargs):
        super().__init__(tolerance, **{"form": ">=", **kwargs})
        self.index = index

    def measure(self, x, y=None, outputs=None):
        return outputs[:, self.index] - 0.1 * x[:, self.index]

    def get_config(self):
        return {**super().get_config(), "index": self.index}


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
            sums = self.objective(noise, outputs=outputs, cost=cost)
            loss = self.objective.loss(sums)
        self.optimizer.apply(tape.gradient(loss, [self.x]), [self.x])
        self.objective.update(sums)
        return {"loss": loss}


RULES = {
    "algorithm_1": lambda constraints: tf_geco.GECO.algorithm_1(constraints, 0.02),
    "exponential_scaled": lambda constraints: tf_geco.GECO(constraints, rule=Exponential(0.02)),
    "proportional_integral": lambda constraints: tf_geco.GECO(
        constraints, rule=PlannedPace(5.0, share=0.2)
    ),
    "default": tf_geco.GECO,
}


ONE = [pytest.param(rule, 1, marks=pytest.mark.long) for rule in RULES if rule != "default"]
THREE = [(rule, 3) for rule in RULES]


@pytest.mark.parametrize(("rule", "size"), [("default", 1), *ONE, *THREE])
def test_primal_and_dual_optimum_are_reached(rule, size):
    floors = FLOORS[:size]
    constraints = [AtLeast(floor, i, name=f"floor_{i}") for i, floor in enumerate(floors)]
    objective = RULES[rule](constraints)
    model = Toy(objective, size)
    model.compile(keras.optimizers.SGD(0.02))
    noise = np.random.default_rng(0).normal(size=(3000 * 8, size)).astype("float32")
    model.fit(noise, batch_size=8, epochs=1, verbose=0, shuffle=False)
    np.testing.assert_allclose(model.x, floors, atol=0.02)
    np.testing.assert_allclose(objective.pull, 2 * np.array(floors), rtol=0.15)
