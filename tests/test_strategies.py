"""A strategy's replicas, together, do what a single device does with the same global batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, batches, every, mirrored, train

every_model = every(MODELS)
# The batch norm of a replica sees its own half of the batch, so it is no single device's; and each
# replica draws levels of its own.
COMPARABLE = {n: case for n, case in MODELS.items() if n not in ("users_networks", "range")}


def compiled(case, strategy, **options):
    keras.utils.set_random_seed(7)
    with strategy.scope():
        return case.compiled(**options)


def compare(case, **options):
    keras.utils.set_random_seed(7)
    expected = train(case.compiled(), case.data(), epochs=3)
    found = train(compiled(case, mirrored(), **options), case.data(), epochs=3)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@every(COMPARABLE)
def test_mirrored_is_single(case, no_noise):
    compare(case, jit_compile=False)


@pytest.mark.parametrize("name", [pytest.param("dense", marks=pytest.mark.long), "flow"])
def test_mirrored_is_single_with_xla(name, no_noise):
    compare(MODELS[name], jit_compile=True)


@every_model
def test_replicas_keep_one_state(case):
    model = compiled(case, mirrored())
    model.fit(batches(case.data(), repeat=2), verbose=0, callbacks=[tf_geco.GECOCallback()])
    for weight in model.objective.weights:
        first, second = (value.numpy() for value in weight.value.values)
        np.testing.assert_array_equal(first, second)
    assert int(model.objective.step.numpy()) == 6


@every_model
def test_logs_are_of_all_replicas(case):
    """A batch that is left out is one batch, and no figure is the mean of two replicas' figures."""
    model, data = compiled(case, mirrored(), jit_compile=False), case.data()
    part = data["target"] if isinstance(data, dict) else data
    part[0] = np.nan
    with pytest.warns(UserWarning, match="left out"):
        logs = model.fit(batches(data), verbose=0).history
    assert logs["skipped"] == [1]
    sums = model.progress.seen
    for name, expected in model.objective.readings(sums).items():
        assert logs[name] == [pytest.approx(float(expected), rel=1e-5)]


@every_model
def test_a_replica_may_have_no_example(case, no_noise):
    """The last batch of nine examples, one, leaves the second replica none."""
    data = tf.data.Dataset.from_tensor_slices(case.data(9)).batch(8)
    keras.utils.set_random_seed(7)
    expected = case.compiled().evaluate(data, verbose=0, return_dict=True)
    model = compiled(case, mirrored())
    found = model.evaluate(data, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert model.fit(data, verbose=0).history["skipped"] == [0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_replicas_draw_different_noise():
    strategy = mirrored()
    model = compiled(MODELS["dense"], strategy)
    data = MODELS["dense"].data()
    latents = strategy.run(tf.function(lambda: model(data)["latents"]))
    first, second = strategy.experimental_local_results(latents)
    assert not np.allclose(first, second)


def test_bad_batch_on_one_replica_stops_the_step_on_all():
    case = MODELS["dense"]
    model = compiled(case, mirrored())
    train(model, case.data())
    model.objective.plan(1)  # which is all that the next fit may change
    weights = model.get_weights()
    bad = case.data(8)
    bad[6] = np.nan  # of the second replica's half
    with pytest.warns(UserWarning, match="A batch was left out"):
        history = model.fit(batches(bad), verbose=0)
    assert history.history["skipped"] == [1.0]
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_parameter_servers_are_refused(monkeypatch):
    class ParameterServers(tf.distribute.ParameterServerStrategy):
        def __init__(self):
            pass

    monkeypatch.setattr(tf.distribute, "get_strategy", ParameterServers)
    with pytest.raises(ValueError, match="ParameterServerStrategy` is not supported"):
        tf_geco.strategies.refuse_parameter_servers()


def test_the_first_batch_is_trained_on():
    """Keras takes it from the iterator to see its shape, and training then misses it."""
    case, seen = MODELS["dense"], []
    dataset = batches(
        np.linspace(0, 1, 24, dtype="float32")[:, None] * np.ones(6, "float32"), repeat=2
    )
    model = compiled(case, mirrored(), run_eagerly=True)
    step = model.train_step
    model.train_step = lambda data: seen.append(float(data[0, 0])) or step(data)
    model.fit(dataset, steps_per_epoch=3, verbose=0)
    assert min(seen) == 0.0


def test_models_of_a_strategy_are_saved_and_loaded(tmp_path):
    case = MODELS["dense"]
    model = compiled(case, mirrored())
    train(model, case.data())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.objective.multiplier, model.objective.multiplier)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_what_a_step_makes_lies_where_it_was_asked_for(policy):
    """The optimizer's variables are made in another thread, which begins without a device."""
    keras.config.set_dtype_policy(policy)
    with tf.device("CPU:1"):
        model = MODELS["dense"].compiled(jit_compile=False)
        model.fit(batches(MODELS["dense"].data()), verbose=0)
    for variable in [*model.variables, *model.optimizer.variables]:
        if variable.path.startswith(("geco", "loss_scale", "adam", "dense")):
            assert variable.value.device.endswith("CPU:1"), variable.path
