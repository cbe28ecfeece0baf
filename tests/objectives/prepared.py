"""A constraint whose values come ready in the data, and objectives of such."""

import keras
import numpy as np

import tf_geco
from tf_geco.constraints import Constraint


@keras.saving.register_keras_serializable(package="tests")
class Prepared(Constraint):
    """Measures a column of the data; what is measured and the tolerance are both around 0.5."""

    def __init__(self, tolerance=0.5, column=0, **kwargs):
        super().__init__(tolerance, **kwargs)
        self.column = column

    def measure(self, x, y=None, outputs=None):
        return x[:, self.column]

    def get_config(self):
        return {**super().get_config(), "column": self.column}


@keras.saving.register_keras_serializable(package="tests")
class Counted(Prepared):
    """The same, of the examples that another column counts."""

    def measure(self, x, y=None, outputs=None):
        return x[:, self.column], x[:, -1]


def prepared(names="a", kind=Prepared):
    return [kind(0.5, column, name=name) for column, name in enumerate(names)]


def geco(names="a", kind=Prepared, **options):
    objective = tf_geco.GECO(prepared(names, kind), **options)
    objective.build((None, len(names)), None, {})
    return objective


def algorithm_1(names="a", rate=0.01, **options):
    objective = tf_geco.GECO.algorithm_1(prepared(names), rate, **options)
    objective.build((None, len(names)), None, {})
    return objective


def batches_of(size, steps=50, batch=16):
    """Returns costs `[T, B]` and violations `[T, B, L]`; what is measured is 0.5 more."""
    rng = np.random.default_rng(1)
    cost = rng.gamma(2.0, size=(steps, batch)).astype("float32")
    violations = rng.normal(0.2, 1.0, size=(steps, batch, size)).astype("float32")
    return cost, violations
