"""Arguments of objectives: mistakes are named, and all survive serialisation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import line
from tests.objectives.prepared import algorithm_1, geco, prepared
from tf_geco.constraints import KLDivergence, ReconstructionError
from tf_geco.multipliers import Exponential, PlannedPace
from tf_geco.objectives.arguments import RESERVED


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tf_geco.GECO([]), "at least one"),
        (lambda: tf_geco.GECO([3]), "Constraint` objects. Received: 3"),
        (lambda: tf_geco.GECO(ReconstructionError(0.1)), "must be a list of at least one"),
        (lambda: geco("aa"), r"same name.*Received: names=\['a', 'a'\]"),
        (lambda: geco(decay=1.0), "decay=1.0"),
        (lambda: geco(decay=-0.1), "decay=-0.1"),
        (lambda: geco(rule="fast"), "rule='fast'"),
        (lambda: geco(initial_multiplier=-1), "initial_multiplier=-1"),
        (lambda: geco(bounds=(2.0, 1.0)), "bounds="),
        (lambda: geco(band=-1), "band=-1"),
        (lambda: Exponential(0), "rate=0"),
        (lambda: algorithm_1(rate=0), "rate=0"),
        (lambda: PlannedPace(gain=-1), "gain=-1"),
        (lambda: ReconstructionError(-0.1), "tolerance=-0.1"),
        (lambda: ReconstructionError("0.1"), "tolerance='0.1'"),
        (lambda: ReconstructionError(0.1, reduction="max"), "reduction='max'"),
        (lambda: tf_geco.ELBO(sigma=0), "sigma=0"),
        (lambda: tf_geco.ELBO(beta="big"), "beta='big'"),
        (lambda: tf_geco.ELBO(beta=line(-1.0, 1.0, 5)), "beta=-1.0"),
        (lambda: geco().plan(0), "steps=0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", RESERVED)
def test_names_that_the_logs_use_are_refused(name):
    with pytest.raises(ValueError, match=f"the logs use these. Received: name='{name}'"):
        tf_geco.GECO([ReconstructionError(0.1, name=name), KLDivergence(1.0)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cost": tf.zeros([])}, r"The cost must hold one number per example.*shape \(\)"),
        ({"cost": tf.zeros([4, 1])}, r"The cost must hold .*shape \(4, 1\)"),
        ({"sample_weight": tf.ones([4, 1])}, r"`sample_weight` must hold .*shape \(4, 1\)"),
    ],
)
def test_what_is_not_one_number_per_example_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        geco()(tf.zeros([4, 1]), **given)


OBJECTIVES = {
    "geco": lambda: geco(
        "ab",
        rule=Exponential(0.3),
        decay=0.5,
        initial_multiplier=2.0,
        band=0.1,
        bounds=[(0.1, 2.0), (0.2, 5.0)],
        name="mine",
    ),
    "default": lambda: geco("ab"),
    "algorithm_1": lambda: algorithm_1("ab", 0.3, decay=0.5),
    "own_cost": lambda: tf_geco.GECO([KLDivergence(1.0)], cost=ReconstructionError(line(1, 2, 3))),
    "elbo": lambda: tf_geco.ELBO("optimal", 2.0),
    "annealed": lambda: tf_geco.ELBO(line(2.0, 0.7, 10), line(0.1, 1.0, 5), decay=0.9),
}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_objectives_survive_serialisation(objective):
    original = objective()
    config = keras.saving.serialize_keras_object(original)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == original.get_config()


def test_algorithm_1_asks_for_the_form_as_printed_of_the_given_constraints():
    given = prepared("ab")
    objective = tf_geco.GECO.algorithm_1(given, 0.3)
    assert objective.constraints == given
    assert not objective.scaled
    assert not tf_geco.GECO.from_config(objective.get_config()).scaled
    assert (objective.rule.rate, objective.initial_multiplier) == (0.3, 1.0)
    other = tf_geco.GECO.algorithm_1(given, initial_multiplier=5.0, band=0.0)
    assert (other.rule.rate, other.initial_multiplier, other.band) == (0.01, 5.0, 0.0)


def test_an_objective_keeps_no_trace_of_measuring():
    objective = geco("ab")
    objective.update(objective(tf.ones([4, 2])))
    before = [weight.numpy() for weight in objective.weights]
    objective.loss(objective(tf.zeros([7, 2])))
    objective.verdict(objective(tf.zeros([7, 2])))
    for old, new in zip(before, objective.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
