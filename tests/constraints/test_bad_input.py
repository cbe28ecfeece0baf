"""Mistakes are named, with what was received."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import line
from tests.constraints.cases import MAKE, SHAPE, batch, brightness, small_classifier
from tf_geco.constraints import (
    ClassificationAccuracy,
    Constraint,
    FeatureReconstructionError,
    KLDivergence,
    LocalStatistics,
    NegativeLogLikelihood,
    PatchNCC,
    ReconstructionError,
    between,
    equal_to,
    from_function,
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReconstructionError(-1), "`tolerance` must be a positive number"),
        (lambda: ReconstructionError(line(0.0, 1.0, 5)), "`tolerance` must be a positive number"),
        (lambda: ReconstructionError(0.1, form="="), "`form` must be '<=' or '>='"),
        (lambda: FeatureReconstructionError(0.1, "vgg"), "`features` must be a Keras model"),
        (lambda: ClassificationAccuracy(0.9, None), "`classifier` must be a Keras model"),
        (lambda: ClassificationAccuracy(1.5, small_classifier()), "between 0 and 1"),
        (lambda: ClassificationAccuracy(0.9, small_classifier(), proxy="p"), "`proxy` must be"),
        (lambda: PatchNCC(1.0), "is a correlation"),
        (lambda: PatchNCC(line(1.5, 0.5, 5)), "is a correlation"),
        (lambda: PatchNCC(0.9, patch_size=0), "`patch_size` must be a positive"),
        (lambda: LocalStatistics(0), "`patch_size` must be a positive integer"),
        (lambda: NegativeLogLikelihood(1.0, unit="bits"), "`unit` must be one of"),
        (lambda: NegativeLogLikelihood(1.0, "gamma"), "`likelihood` must be a function"),
        (lambda: NegativeLogLikelihood(np.nan), "`tolerance` must be a number"),
        (lambda: from_function(brightness, 0.0, "b"), "A tolerance of 0 needs a `scale`"),
        (lambda: from_function(brightness, 0.4, "b", form="=="), "`form` must be"),
        (lambda: from_function("mean", 0.4, "b"), "`fn` must be a function"),
        (lambda: from_function(None, 0.4, "b"), "`fn` must be a function"),
        (lambda: from_function(brightness, 0.4, "b", proxy=3), "`proxy` must be a function"),
        (lambda: from_function(brightness, 0.4, "b", where="all"), "`where` must be a function"),
        (lambda: between(brightness, 0.4, 0.4, "b"), "`low` must be below"),
        (lambda: equal_to(brightness, 0.0, "b"), "`width` must be given where `value` is 0"),
        (lambda: tf_geco.GECO([KLDivergence(1.0)], bounds=[(1, 2), (1, 2)]), "one for each of the"),
        (lambda: tf_geco.GECO([KLDivergence(1.0)], bounds=(2, 1)), "`bounds` must be two"),
        (lambda: tf_geco.GECO([KLDivergence(1.0)], cost="mse"), "`cost` must be a"),
        (
            lambda: tf_geco.GECO([KLDivergence(1.0)], cost=ReconstructionError(None)),
            "`cost` must be a.*with a tolerance",
        ),
        (
            lambda: tf_geco.GECO([ReconstructionError(None)]),
            "'reconstruction_error' needs a `tolerance`",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_tolerance_gives_way_to_one_of_its_kind_only():
    one, ranged = ReconstructionError(0.1), ReconstructionError(tf_geco.Range(0.1, 0.2))
    one.tolerance = line(0.2, 0.1, 10)
    one.tolerance = 0.3
    ranged.tolerance = ranged.tolerance
    others = [(one, None), (one, ranged.tolerance), (ranged, 0.1), (ranged, None)]
    others += [(ranged, tf_geco.Range(0.1, 0.3)), (ReconstructionError(None), 0.1)]
    for constraint, tolerance in others:
        before = constraint.tolerance
        with pytest.raises(ValueError, match=r"tolerances of one kind.*Received: tolerance="):
            constraint.tolerance = tolerance
        assert constraint.tolerance is before


def test_a_bound_needs_a_tolerance():
    with pytest.raises(ValueError, match="'reconstruction_error' needs a `tolerance`"):
        ReconstructionError(None).bound()


def test_bad_data_are_named():
    x, _, outputs = batch()
    with pytest.raises(ValueError, match="needs labels"):
        ClassificationAccuracy(0.9, small_classifier())(x, outputs=outputs)
    with pytest.raises(ValueError, match="at least the size of a patch"):
        PatchNCC(0.9, patch_size=11)(x, outputs=outputs)
    with pytest.raises(ValueError, match=r"needs `outputs\['kl'\]`"):
        KLDivergence(1.0)(x, outputs={"reconstruction": x})


PAIRED = {
    "reconstruction": MAKE["reconstruction"],
    "reconstruction_sum": MAKE["reconstruction_sum"],
    "features": lambda: FeatureReconstructionError(0.1, keras.layers.Flatten()),
    "patches": lambda: PatchNCC(0.9, patch_size=1),
    "likelihood": lambda: NegativeLogLikelihood(1.0),
}


@pytest.mark.parametrize("make", PAIRED.values(), ids=PAIRED)
@pytest.mark.parametrize("objective", [False, True])
def test_channels_on_different_sides_are_refused(make, objective):
    """[N, 1, 28, 28] against [N, 28, 28, 1] would broadcast to [N, 28, 28, 28]."""
    x = np.zeros((5, 1, 28, 28), "float32")
    measured = tf_geco.GECO([make()]) if objective else make()
    message = r"(must have the same shape|together are the data's).*28, 28"
    with pytest.raises(ValueError, match=message):
        measured(x, outputs={"reconstruction": tf.zeros([5, 28, 28, 1])})


def test_shapes_that_are_known_only_when_running_are_checked_then():
    constraint = ReconstructionError(0.1)

    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec([None, 28, 28, 1])])
    def values(x, g):
        return constraint.measure(x, None, {"reconstruction": g})

    np.testing.assert_allclose(values(tf.zeros([5, 28, 28, 1]), tf.ones([5, 28, 28, 1])), 1.0)
    with pytest.raises(tf.errors.InvalidArgumentError):
        values(tf.zeros([5, 1, 28, 28]), tf.ones([5, 28, 28, 1]))


@pytest.mark.parametrize("argument", ["fn", "proxy", "where"])
@pytest.mark.parametrize("shape", [(), (6, 1), (6, 12, 10, 2)], ids=["scalar", "column", "images"])
def test_functions_return_one_number_per_example(argument, shape):
    x, y, outputs = batch()
    functions = {"fn": brightness, argument: lambda x, y, outputs: tf.ones(shape)}
    constraint = from_function(functions.pop("fn"), 0.4, "mine", **functions)
    with pytest.raises(
        ValueError, match=r"'mine'.*one number per example, of shape \[B\]"
    ) as error:
        constraint(x, y=y, outputs=outputs)
    assert f"of shape {shape}" in str(error.value)


def test_a_constraint_of_ones_own_measures_one_number_per_example():
    class Wrong(Constraint):
        def measure(self, x, y=None, outputs=None):
            return tf.reduce_mean(x)

    with pytest.raises(ValueError, match=r"'wrong' must measure one number per example"):
        Wrong(0.1, name="wrong")(np.zeros((4, 2)))


def test_a_constraint_of_the_old_kind_is_refused():
    class Old(Constraint):
        def call(self, x, y=None, outputs=None):
            return x

    with pytest.raises(TypeError, match=r"defines `measure\(x, y, outputs\)`.*class Old"):
        Old(0.1)


def test_a_constraint_that_measures_nothing_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="Constraint must define `measure"):
        Constraint(0.1)(np.zeros((4, 2)))


def test_what_needs_data_says_so():
    for constraint in (ReconstructionError(0.1), PatchNCC(0.9), FeatureReconstructionError(0.1)):
        with pytest.raises(ValueError, match="is not built yet: call it on data first"):
            constraint.nats()


def test_data_of_an_unknown_shape_are_refused():
    with pytest.raises(ValueError, match="needs data of a fixed shape"):
        ReconstructionError(0.1)(
            keras.KerasTensor((None, None)),
            outputs={"reconstruction": keras.KerasTensor((None, None))},
        )


@pytest.mark.parametrize("strict", [False, True])
def test_logits_are_told_from_probabilities(strict):
    layers = [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(4)]
    constraint = ClassificationAccuracy(0.9, keras.Sequential(layers), strict=strict)
    x, y, outputs = batch()
    with pytest.raises(ValueError, match="if it returns logits, say `from_logits=True`"):
        constraint(x, y=y, outputs=outputs)
    network = keras.layers.Lambda(lambda x: {"reconstruction": x})
    lazily = tf_geco.models.Constrained(
        network, lambda y, outputs: tf.zeros(6), tf_geco.GECO([constraint])
    )
    lazily.compile("sgd")
    with pytest.raises(ValueError, match="if it returns logits"):
        lazily.fit(x, y, verbose=0)


def steps(x, y, outputs):
    return tf.cast(tf.reduce_mean(outputs["reconstruction"], (1, 2, 3)) > 0.5, tf.float32)


@pytest.mark.parametrize(("fn", "proxy"), [(steps, None), (steps, brightness), (brightness, None)])
def test_what_has_no_gradient_is_told(fn, proxy, recwarn):
    x, y, outputs = batch()
    measure = tf.function(lambda: from_function(fn, 0.4, "mine", proxy=proxy)(x, y, outputs))
    measure()
    told = [str(warning.message) for warning in recwarn if "no gradient" in str(warning.message)]
    assert bool(told) == (fn is steps and proxy is None)
