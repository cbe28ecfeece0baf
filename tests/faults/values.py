"""What the fuzz gives as arguments: good values, and odd ones that a slip or a sweep gives."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

import tf_geco
from tests.constraints.cases import brightness, is_bright, normal
from tests.faults import made
from tf_geco import constraints, multipliers, posteriors


def fresh(*makers: Callable) -> st.SearchStrategy:
    """Returns a strategy of objects that are made anew, because they hold state."""
    return st.sampled_from(makers).map(lambda make: make())


def error(**given: Any) -> constraints.Constraint:
    return constraints.ReconstructionError(0.1, **given)


LINE = keras.optimizers.schedules.PolynomialDecay(0.5, 10, 0.2)
PLAIN = [None, "", "x", True, False, b"x", 1j, np.nan, np.inf, -np.inf]
ODD = st.sampled_from(PLAIN) | st.just(object) | fresh(list, dict, lambda: [1], lambda: np.zeros(2))
SOME_NUMBERS = [0, 1, -1, 0.1, 0.9, 1e-30, 1e30, np.float32(0.3), np.int64(2), LINE]
GOOD = st.floats(0.01, 0.99)
RATES = st.floats(1e-6, 0.1) | st.sampled_from([0, -1, LINE]) | ODD
NUMBERS = GOOD | st.sampled_from(SOME_NUMBERS) | st.floats() | fresh(lambda: tf.constant(0.4)) | ODD
# Small ones: a size beyond the memory of a machine is no fault of an argument.
FEW = st.integers(1, 5)
SIZES = FEW | st.integers(-1, 5) | st.sampled_from([2.0, 2.5, np.int32(3), np.float32(2)]) | ODD
WIDTHS = st.lists(FEW, min_size=1, max_size=3) | st.lists(SIZES, max_size=3) | SIZES
SHAPES = st.tuples(*[st.integers(1, 9)] * 3) | st.lists(SIZES, max_size=4) | SIZES
FLAGS = st.booleans() | ODD
FORMS = st.sampled_from(["<=", ">=", "=", "<"]) | ODD
NAMES = st.sampled_from(["mine", "kl", "loss", "a/b", "cost", "reconstruction_error", 3]) | ODD
SEEDS = st.integers(0, 99) | st.integers(-3, 2**40) | ODD
FUNCTIONS = st.sampled_from([brightness, is_bright, normal, len]) | ODD
LAYERS = fresh(
    lambda: keras.layers.Dense(3),
    keras.layers.Flatten,
    lambda: made.networks()[0],
    lambda: made.networks()[1],
    lambda: made.networks(2)[1],
    made.small_classifier,
    lambda: posteriors.StandardNormal(3),
    lambda: keras.layers.Dense,
)
LAYERS = LAYERS | FUNCTIONS | ODD
POSTERIORS = fresh(
    lambda: posteriors.DiagonalNormal(3),
    lambda: posteriors.RealNVP(3, 2, 4),
    lambda: posteriors.DiagonalNormal(2),
)
POSTERIORS = POSTERIORS | LAYERS
LISTS = fresh(
    lambda: [error()],
    lambda: (error(), constraints.KLDivergence(3.0)),
    lambda: [error(), error()],
    lambda: [constraints.ReconstructionError(None)],
    error,
    lambda: [3],
)
COSTS = fresh(lambda: constraints.KLDivergence(3.0), error) | ODD
RULES = fresh(multipliers.PlannedPace, multipliers.Exponential, lambda: multipliers.Exponential)
OBJECTIVES = fresh(made.geco, tf_geco.ELBO, lambda: tf_geco.GECO) | ODD
PAIRS = st.tuples(NUMBERS, NUMBERS) | st.lists(st.just((0.1, 2.0)), max_size=3) | NUMBERS
AXES = st.lists(st.integers(0, 3), max_size=3).map(tuple) | st.just(made.IMAGES)
KINDS = st.sampled_from(["float32", "float64", "float16", "uint8", "int64", "bool"])
DATA = st.builds(lambda axes, kind: np.ones((4, *axes), kind), AXES, KINDS) | ODD
MASKS = DATA.map(lambda mask: {"mask": mask})
ARRAYS = st.lists(st.integers(0, 4), max_size=4).map(np.ones)
ARRAYS = ARRAYS | fresh(lambda: np.ones((4, 2), "uint8"), lambda: {"a": np.ones(4)}) | ODD
