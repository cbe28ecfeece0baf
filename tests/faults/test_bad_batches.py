"""A bad batch moves nothing and is counted, or is taken, or is refused with what was seen."""

import contextlib
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import NETWORKS, Case, every, geco, mirrored
from tests.faults.batches import (
    LEFT_OUT,
    REFUSED,
    SIZE,
    TAKEN,
    assert_unmoved,
    in_order,
    spoilt,
    state,
)


def batch_norm_vae():
    normalised = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization()])
    _, decoder = tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,))
    return tf_geco.VAE(normalised, decoder, tf_geco.posteriors.DiagonalNormal(2), geco())


# Convolutions of TensorFlow fail on an empty tensor, on CPUs; with one axis, where oneDNN has them.
CONVOLUTIONS = ("conv", "users_networks", "conv_draw", "conditional_conv_draw")
BEAR_NONE = {name: case for name, case in NETWORKS.items() if name not in CONVOLUTIONS}
BEAR_NONE["batch_norm"] = Case(batch_norm_vae, (6,))
every_network = every(NETWORKS)
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]


# The loss scale of float16 leaves batches out, too, until it is found.
quiet = pytest.mark.filterwarnings("ignore:A batch was left out")


def trained(case, strategy=contextlib.nullcontext, **options):
    """Returns a model that took good batches, and will take more."""
    with strategy():
        model = case.compiled(**options)
    model.fit(in_order(*[spoilt(np.array, case.data())] * 6), verbose=0)
    model.objective.plan(100)
    return model


def assert_bad_values_are_left_out(case, model):
    before = state(model)
    bad = [spoilt(spoil, case.data()) for spoil in LEFT_OUT.values()]
    assert model.fit(in_order(*bad), verbose=0).history["skipped"] == [len(bad)]
    assert_unmoved(model, before)
    logs = model.fit(in_order(*[spoilt(np.array, case.data())] * 2), verbose=0).history
    assert logs["skipped"] == [0]
    assert np.isfinite(logs["loss"]).all()


@quiet
@every_network
@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_not_finite_is_left_out_and_counted(case, policy):
    keras.config.set_dtype_policy(policy)
    assert_bad_values_are_left_out(case, trained(case, run_eagerly=True))


@quiet
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        *itertools.product(["dense"], POLICIES),
        *itertools.product(["users_networks", "flow"], POLICIES[:1]),
        *(
            pytest.param(*pair, marks=pytest.mark.long)
            for pair in itertools.product(["users_networks", "flow"], POLICIES[1:])
        ),
    ],
)
def test_what_is_not_finite_on_one_replica_is_left_out_on_all(name, policy):
    keras.config.set_dtype_policy(policy)
    model = trained(NETWORKS[name], mirrored().scope, jit_compile=False)
    assert_bad_values_are_left_out(NETWORKS[name], model)


@every_network
def test_what_is_odd_is_taken(case):
    model = trained(case, run_eagerly=True)
    for name, spoil in TAKEN.items():
        before = int(model.objective.step)
        logs = model.train_on_batch(spoilt(spoil, case.data()), return_dict=True)
        assert int(model.objective.step) == before + 1, name
        assert np.isfinite(logs["loss"]), name
    assert all(np.isfinite(value).all() for value in state(model).values())


@every_network
def test_what_does_not_fit_is_refused_with_what_was_seen(case):
    model = trained(case, run_eagerly=True)
    before = state(model)
    for spoil, seen in REFUSED.values():
        with pytest.raises((ValueError, TypeError), match=seen):
            model.train_on_batch(spoilt(spoil, case.data()))
        assert_unmoved(model, before)


@every_network
def test_a_change_of_shape_within_an_epoch_is_refused_with_both_shapes(case):
    model = trained(case, jit_compile=False)
    good = spoilt(np.array, case.data())
    wide = spoilt(REFUSED["wider"][0], case.data())
    before = int(model.objective.step)
    with pytest.raises(
        (ValueError, tf.errors.InvalidArgumentError), match=r"(?i)shape|size-incompatible"
    ):
        model.fit(in_order(good, wide), verbose=0)
    assert int(model.objective.step) == before + 1
    assert all(np.isfinite(value).all() for value in state(model).values())


@every_network
def test_batches_in_which_no_example_counts_move_nothing(case):
    model = trained(case, jit_compile=False)
    before = state(model)
    data = spoilt(np.array, case.data())
    logs = model.fit(data, sample_weight=np.zeros(SIZE), batch_size=SIZE, verbose=0).history
    assert logs["skipped"] == [0]
    assert_unmoved(model, before)


@every(BEAR_NONE)
def test_batches_without_examples_move_nothing(case):
    model = trained(case, jit_compile=False)
    before = state(model)
    empty = spoilt(lambda part: part[:0], case.data())
    assert model.fit(in_order(empty), verbose=0).history["skipped"] == [0]
    assert_unmoved(model, before)


@pytest.mark.parametrize("name", ["users_networks", "range", "conditional_conv_draw"])
def test_a_data_set_need_not_declare_its_shapes(name):
    case = NETWORKS[name]
    model = case.compiled(jit_compile=False)
    undeclared, seen = in_order(*[spoilt(np.array, case.data())] * 2), []
    checked = model.checked
    model.checked = lambda x: seen.extend(tf.nest.flatten(checked(x))) or checked(x)
    model.fit(undeclared, verbose=0)
    assert seen
    assert all(part.shape[1:].is_fully_defined() for part in seen)


@pytest.mark.parametrize("part", ["x", "mask", "weight"])
def test_a_data_set_must_declare_the_number_of_axes(part):
    case = NETWORKS["dense"]
    x = spoilt(np.array, case.data())
    parts = {"x": x, "mask": np.ones_like(x, bool), "weight": np.ones(SIZE, "float32")}
    specs = {key: tf.TensorSpec(value.shape, value.dtype) for key, value in parts.items()}
    specs[part] = tf.TensorSpec(None, parts[part].dtype)
    x, mask, weight = specs.values()
    signature = (x, {"mask": mask}, weight)
    batch = (parts["x"], {"mask": parts["mask"]}, parts["weight"])
    undeclared = tf.data.Dataset.from_generator(lambda: iter([batch]), output_signature=signature)
    with pytest.raises(ValueError, match=r"ensure_shape.*Received: a tensor of unknown rank at"):
        case.compiled(jit_compile=False).fit(undeclared, verbose=0)


@pytest.mark.parametrize("entry", ["context", "target"])
def test_an_entry_that_is_missing_is_named(entry):
    case = NETWORKS["conditional_conv_draw"]
    data = {key: part for key, part in case.data().items() if key != entry}
    with pytest.raises(ValueError, match=r'takes {"context": ..., "target": ...}. Received: \['):
        case.compiled(jit_compile=False).fit(data, verbose=0)
