"""Weight 2 is twice the example, weight 0 is no example, k micro-batches are one batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS
from tests.training.recomputed import assert_same_weights, classifier, plain_vae, table, twins

DATA = MODELS["dense"].data()
WEIGHTS = np.tile([0, 1, 2], 8).astype("float32")
REPEATED = np.repeat(DATA, WEIGHTS.astype(int), axis=0)


def by_fit(model, x, **options):
    model.fit(x, batch_size=len(x), shuffle=False, verbose=0, **options)


def on_batch(model, x, **options):
    model.train_on_batch(x, **options)


@pytest.mark.parametrize("train", [by_fit, on_batch])
@pytest.mark.parametrize("y", [None, np.zeros(24), {"label": np.zeros(24)}])
def test_weights_without_labels_and_with(train, y, no_noise):
    weighted, repeated = twins(plain_vae)
    train(weighted, DATA, y=y, sample_weight=WEIGHTS)
    train(repeated, REPEATED)
    assert_same_weights(weighted, repeated)


def test_weights_in_data_sets_and_columns(no_noise):
    weighted, repeated = twins(plain_vae)
    dataset = tf.data.Dataset.from_tensors((DATA, np.zeros(24), WEIGHTS[:, np.newaxis]))
    weighted.fit(dataset, verbose=0)
    by_fit(repeated, REPEATED)
    assert_same_weights(weighted, repeated)


def test_weights_of_validation_data(no_noise):
    weighted, plain = twins(plain_vae)
    logs = weighted.fit(DATA, validation_data=(DATA, None, WEIGHTS), verbose=0).history
    expected = plain.fit(DATA, validation_data=REPEATED, verbose=0).history
    assert logs["val_kl"] == pytest.approx(expected["val_kl"], rel=1e-5)
    assert logs["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-5)
    first = weighted.evaluate(DATA, sample_weight=WEIGHTS, verbose=0, return_dict=True)
    again = weighted.test_on_batch(DATA, sample_weight=WEIGHTS, return_dict=True)
    assert first["kl"] == pytest.approx(again["kl"])


@pytest.mark.parametrize("anything", [np.nan, np.inf, 3e38, -1e30])
def test_an_example_of_weight_zero_may_hold_anything(anything, no_noise):
    weighted, repeated = twins(plain_vae)
    holes = DATA.copy()
    holes[WEIGHTS == 0] = anything
    by_fit(weighted, holes, sample_weight=WEIGHTS)
    by_fit(repeated, REPEATED)
    assert_same_weights(weighted, repeated)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_that_are_no_numbers_of_examples_are_refused(weight):
    weights = np.where(WEIGHTS == 0, weight, WEIGHTS)
    model = plain_vae()
    with pytest.raises(ValueError, match=r"Sample weights must be finite.*8 that are not"):
        model.fit(DATA, sample_weight=weights, verbose=0)
    with pytest.raises(ValueError, match="Sample weights must be finite"):
        model.evaluate(DATA, sample_weight=weights, verbose=0)
    dataset = tf.data.Dataset.from_tensors((DATA, np.zeros(24), weights))
    before = [variable.numpy() for variable in model.trainable_variables]
    with pytest.warns(UserWarning, match="8 values .* not finite, or are weights below zero"):
        logs = model.fit(dataset, verbose=0).history
    assert logs["skipped"] == [1]
    for old, variable in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_class_weights_are_sample_weights():
    x, y, _ = table(share=0.4)
    one, other = twins(classifier)
    one.fit(x, y, class_weight={0: 1.0, 1: 3.0}, shuffle=False, verbose=0)
    other.fit(x, y, sample_weight=np.where(y == 1, 3.0, 1.0), shuffle=False, verbose=0)
    assert_same_weights(one, other)


@pytest.mark.parametrize("bad", [np.ones((24, 6)), {"label": np.ones(24)}])
def test_other_shapes_of_weights_are_refused(bad):
    with pytest.raises(ValueError, match="sample_weight"):
        plain_vae().fit(DATA, {"label": np.zeros(24)}, sample_weight=bad, verbose=0)


@pytest.mark.parametrize("size", [1, 3])
def test_micro_batches_are_one_batch(size, no_noise):
    """One step of the objective for one of the optimizer, from all its micro-batches."""

    def make(number):
        optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=number)
        return plain_vae(optimizer=optimizer)

    keras.utils.set_random_seed(3)
    whole = plain_vae(optimizer=keras.optimizers.SGD(0.1))
    keras.utils.set_random_seed(3)
    parts = make(4)
    order = {"shuffle": False, "verbose": 0, "epochs": size}
    whole.fit(DATA, batch_size=24, **order)
    parts.fit(DATA, batch_size=6, **order)
    assert int(parts.objective.step) == int(whole.objective.step) == size
    assert int(parts.objective.planned_steps) == size
    assert_same_weights(whole, parts, rtol=1e-4)


def test_all_weights_zero_change_no_multiplier():
    model = plain_vae()
    model.train_on_batch(DATA)
    before = model.objective.violations().numpy()
    model.train_on_batch(DATA, sample_weight=np.zeros(24))
    np.testing.assert_array_equal(model.objective.violations(), before)


def test_masks_of_embeddings_and_columns_of_labels_are_keras_own():
    """`Constrained` costs what Keras's own loss does, over tokens that are not masked."""
    inputs = keras.Input((4,))
    embedded = keras.layers.Embedding(5, 3, mask_zero=True)(inputs)
    network = keras.Model(inputs, keras.layers.Dense(1)(embedded))
    x = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [1, 2, 3, 4]])
    y = np.random.default_rng(0).normal(size=(3, 4, 1)).astype("float32")
    bound = tf_geco.constraints.from_function(lambda x, y, o: o[:, 0, 0], 9.0, "first")
    model = tf_geco.models.Constrained(network, "mse", tf_geco.GECO([bound]))
    model.compile("sgd", jit_compile=False)
    found = model.evaluate(x, y, verbose=0, return_dict=True)["cost"]
    network.compile("sgd", keras.losses.MeanSquaredError())
    assert found == pytest.approx(network.evaluate(x, y, verbose=0), rel=1e-5)

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    bound = tf_geco.constraints.from_function(lambda x, y, o: o[:, 0], 9.0, "first")
    model = tf_geco.models.Constrained(network, "mse", tf_geco.GECO([bound]))
    model.compile("sgd", jit_compile=False)
    x, y = np.ones((3, 2), "float32"), np.array([0.0, 1.0, 2.0], "float32")
    found = model.evaluate(x, y, verbose=0, return_dict=True)["cost"]
    assert found == pytest.approx(np.mean((network(x).numpy()[:, 0] - y) ** 2), rel=1e-5)


@pytest.mark.parametrize("shape", [(6, 5), (6,)])
def test_labels_that_a_loss_ignores_do_not_count(shape):
    random = np.random.default_rng(0)
    network = keras.Sequential(
        [keras.Input((*shape[1:], 3)), keras.layers.Dense(4, activation="softmax")]
    )
    x, y = random.normal(size=(*shape, 3)).astype("float32"), random.integers(0, 4, shape)
    y[:3] = 0
    cost = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)
    bound = tf_geco.constraints.from_function(
        lambda x, y, o: tf.reduce_mean(o, range(1, o.shape.rank)), 9.0, "mean"
    )
    model = tf_geco.models.Constrained(network, cost, tf_geco.GECO([bound]))
    model.compile("sgd", jit_compile=False)
    chosen = np.take_along_axis(network.predict(x, verbose=0), y[..., np.newaxis], -1)[..., 0]
    found = model.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)["cost"]
    assert found == pytest.approx(-np.log(chosen)[y > 0].mean(), rel=1e-4)


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("labels", [np.ones(4, "float32"), np.ones((4, 1), "float32")])
def test_a_cost_function_sees_labels_as_the_compile_of_keras_gives_them(labels, reduced):
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    x = np.arange(12, dtype="float32").reshape(4, 3)

    def cost(y, outputs):
        values = (y - outputs) ** 2
        return tf.reduce_mean(values, axis=-1) if reduced else values

    network.compile(loss=cost)
    expected = network.evaluate(x, labels, verbose=0)
    model = costing(network, cost)
    found = model.evaluate(x, labels, verbose=0, return_dict=True)["cost"]
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("units", "cost"),
    [
        (1, lambda y, outputs: (y[:, np.newaxis] - outputs) ** 2),
        (3, lambda y, outputs: (y - outputs) ** 2),
    ],
    ids=["each with all", "labels of another width"],
)
@pytest.mark.parametrize("eager", [False, True])
def test_a_cost_function_that_does_not_fit_is_refused(units, cost, eager):
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    model = costing(network, cost, run_eagerly=eager)
    told = tf.errors.InvalidArgumentError  # of widths that are not known before the step runs
    with pytest.raises((ValueError, told), match=r"`cost`|shape"):
        model.evaluate(np.ones((4, 3), "float32"), np.ones(4, "float32"), verbose=0)


def costing(network, cost, **options):
    bound = tf_geco.constraints.from_function(lambda x, y, o: o[:, 0], 9.0, "first")
    model = tf_geco.models.Constrained(network, cost, tf_geco.GECO([bound]))
    model.compile("sgd", jit_compile=False, **options)
    return model


def test_a_cost_may_be_a_function_of_dictionaries():
    inputs = keras.Input((3,))
    network = keras.Model(inputs, {"a": keras.layers.Dense(1)(inputs)})
    bound = tf_geco.constraints.from_function(lambda x, y, o: o["a"][:, 0], 9.0, "first")
    model = tf_geco.models.Constrained(
        network, lambda y, o: (y["a"] - o["a"][:, 0]) ** 2, tf_geco.GECO([bound])
    )
    model.compile("sgd", jit_compile=False)
    x, y = np.ones((4, 3), "float32"), np.ones(4, "float32")
    found = model.evaluate(x, {"a": y}, verbose=0, return_dict=True)["cost"]
    assert found == pytest.approx(float((1 - network(x)["a"][0, 0]) ** 2), rel=1e-5)
