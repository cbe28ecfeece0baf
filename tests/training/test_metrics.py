"""Metrics given to `compile` are Keras's own: of all data as given, under their name."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, batches, every, mirrored
from tests.training.recomputed import classifier, plain_vae, table
from tf_geco.constraints import from_function

WEIGHTS = np.tile([0, 1, 2], 8).astype("float32")


def evaluated(model, *data, **options):
    return model.evaluate(*data, verbose=0, return_dict=True, **options)


def with_metrics(model):
    metrics = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}
    model.compile(keras.optimizers.SGD(0.0), **metrics)
    return model


@every(MODELS)
def test_weights_of_examples_change_no_plain_metric(case, no_noise):
    model, data = case.compiled(), case.data()
    model.compile(metrics=["mse"])
    weighted = evaluated(model, data, sample_weight=WEIGHTS)
    assert weighted["mse"] == pytest.approx(evaluated(model, data)["mse"], rel=1e-5)


@every(MODELS)
@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=pytest.mark.long)])
def test_metrics_change_no_other_figure(case, replicas):
    """Nor the names of any, in training and in the validations within it."""

    def history(**options):
        keras.utils.set_random_seed(3)
        with mirrored().scope() if replicas == 2 else contextlib.nullcontext():
            model = case.compiled(jit_compile=False, **options)
        data = batches(case.data())
        return model.fit(data, validation_data=data, epochs=2, verbose=0).history

    plain, measured = history(), history(metrics=["mse"])
    assert {*measured} - {*plain} == {"mse", "val_mse"}
    for name, values in plain.items():
        np.testing.assert_allclose(measured[name], values, rtol=1e-5, err_msg=name)


def test_metrics_of_a_classifier_are_those_of_keras():
    x, y, _ = table(share=0.4)
    weights = np.tile([0, 1, 2], len(x))[: len(x)]
    model = with_metrics(classifier())
    network = model.network
    network.compile(
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    expected = evaluated(network, x, y, sample_weight=weights)
    found = evaluated(model, x, y, sample_weight=weights)
    for name in ("accuracy", "weighted_accuracy"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
        logs = model.fit(x, y, sample_weight=weights, verbose=0).history
        assert logs[name][0] == pytest.approx(expected[name], rel=1e-5)


def test_a_metric_of_what_is_missing_is_unknown(no_noise):
    """As in Keras: it cannot leave an example out. What the constraints measure can."""
    data = MODELS["dense"].data()
    data[WEIGHTS == 0] = np.nan
    model = plain_vae()
    model.compile(metrics=["mse"])
    found = evaluated(model, data, sample_weight=WEIGHTS)
    assert np.isnan(found["mse"])
    assert np.isfinite(found["reconstruction_error"])


@pytest.mark.parametrize("size", [1, 3, 9])
def test_a_replica_without_examples_adds_none(size):
    x, y, _ = table(share=0.4)
    single = with_metrics(classifier())
    with mirrored().scope():
        model = with_metrics(classifier())
    model.set_weights(single.get_weights())
    data = tf.data.Dataset.from_tensor_slices((x[:size], y[:size], WEIGHTS[:size])).batch(4)
    expected, found = evaluated(single, data), evaluated(model, data)
    logs = model.fit(data, verbose=0).history
    for name in ("accuracy", "weighted_accuracy"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
        assert logs[name][0] == pytest.approx(expected[name], rel=1e-5)


def test_metrics_that_are_one_number_are_not_asked_of_no_example():
    x, y, _ = table(share=0.4)
    with mirrored().scope():
        model = classifier()
        model.compile(metrics=[lambda y, outputs: tf.reduce_mean(outputs[:, 0])])
    data = tf.data.Dataset.from_tensor_slices((x[:9], y[:9])).batch(4)
    assert all(np.isfinite(list(evaluated(model, data).values())))


def test_metrics_know_the_sizes_that_a_data_set_left_open():
    model, data = MODELS["dense"].compiled(), MODELS["dense"].data()

    def flat(y, outputs):
        return tf.reduce_sum(keras.layers.Flatten()(y - outputs), 1)

    model.compile(metrics=[flat])
    spec = tf.TensorSpec([None, None], tf.float32)
    dataset = tf.data.Dataset.from_generator(lambda: iter([data]), output_signature=spec)
    assert evaluated(model, dataset)


@pytest.mark.parametrize("name", ["accuracy", "cost"])
def test_no_figure_overwrites_a_metric(name):
    x, y, _ = table(share=0.4)
    metric = keras.metrics.SparseCategoricalAccuracy(name=name)
    floor = from_function(lambda x, y, outputs: outputs[:, 1], 0.9, "accuracy", form=">=")
    network = keras.Sequential([keras.Input((x.shape[1],)), keras.layers.Dense(2, "softmax")])
    loss = "sparse_categorical_crossentropy"
    model = tf_geco.models.Constrained(network, loss, tf_geco.GECO([floor]))
    model.compile("adam", metrics=[metric])
    with pytest.raises(ValueError, match=f"must not have the name.*{name}"):
        model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match=f"must not have the name.*{name}"):
        model.evaluate(x, y, verbose=0)


def test_a_name_of_validation_is_refused():
    with pytest.raises(ValueError, match="begin with 'val_'"):
        tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1, name="val_loss")])
