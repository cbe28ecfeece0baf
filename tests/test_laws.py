"""What holds for every model of the catalogue."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.catalogue import MODELS, NETWORKS, Recorder, batches, every, train, warm

every_model = every(MODELS)
# Laws of networks alone; the models that differ only by their objective share the dense one's.
every_network = every(NETWORKS)


def state(model):
    return [variable.numpy() for variable in model.variables]


def assert_equal_state(one, other, **tolerance):
    for a, b in zip(state(one), state(other), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@every_model
def test_config_round_trip(case):
    model = case.build()
    copy = type(model).from_config(model.get_config())
    assert copy.get_config() == model.get_config()


@every_network
def test_outputs_have_the_promised_shapes(case):
    data = case.data()
    outputs = case.build()(data)
    assert outputs["reconstruction"].shape == (24, *case.shape)
    assert outputs["kl"].shape == (24,)
    assert all(value.dtype == tf.float32 for value in tf.nest.flatten(outputs))


@every_model
def test_save_load_continue_is_uninterrupted(case, tmp_path):
    data = case.data()
    # XLA adds the gradients of ConvDRAW's steps in one order.
    one_order = {"jit_compile": "draw" in case.build().name}
    model = case.compiled(**one_order)
    train(model, data, epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected, resumed = train(model, data, epochs=2), train(loaded, data, epochs=2)
    np.testing.assert_allclose(resumed, expected, rtol=1e-6)
    assert_equal_state(loaded, model, rtol=1e-5, atol=1e-6)


@every_model
def test_saved_weights_carry_the_multipliers(case, tmp_path):
    model, copy = warm(case), case.compiled()
    model.save_weights(tmp_path / "model.weights.h5")
    copy.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(copy.objective.averages, model.objective.averages)
    np.testing.assert_array_equal(copy.objective.multiplier, model.objective.multiplier)
    assert int(copy.objective.step) == int(model.objective.step) >= 3


@every_model
def test_every_way_of_running_gives_the_same_multipliers(case, no_noise):
    def last(weights, **options):
        model = case.compiled(**options)
        model.set_weights(weights)
        return train(model, case.data(), epochs=3)[-1]

    weights = case.compiled().get_weights()
    expected = last(weights, jit_compile=False)
    ways = [{"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 3}]
    for way in ways:
        np.testing.assert_allclose(last(weights, **way), expected, rtol=1e-3, err_msg=str(way))


@every_model
def test_seeds_determine_training(case):
    def run():
        keras.utils.set_random_seed(3)
        model = case.compiled()
        return train(model, case.data(), epochs=2), state(model), model.name

    (first, first_state, model_name), (second, second_state, _) = run(), run()
    np.testing.assert_array_equal(first, second)
    for a, b in zip(first_state, second_state, strict=True):
        # Threads add the gradients of ConvDRAW's steps in any order; of all others bit for bit.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 if "draw" in model_name else 0)


@every_network
def test_samples_follow_their_seed(case):
    model = case.build()
    model(case.data())
    given = case.given(3)
    first, again, other = (model.sample(**given, seed=seed) for seed in (1, 1, 2))
    assert first.shape == (3, *case.shape)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(model.sample(**given), model.sample(**given))


@every_model
def test_evaluation_moves_nothing(case):
    model, data = warm(case), case.data()
    weights = model.get_weights()
    model.evaluate(data, verbose=0)
    model.predict(data, verbose=0)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@every_model
def test_bad_batch_changes_nothing_and_is_counted(case):
    model, data = warm(case), case.data()
    model.objective.plan(3)  # which is all that the next fit may change
    weights = model.get_weights()
    slots = [variable.numpy() for variable in model.optimizer.variables]
    missing = keras.tree.map_structure(lambda part: np.full_like(part, np.nan), data)
    with pytest.warns(UserWarning, match="A batch was left out"):
        history = model.fit(batches(missing), verbose=0)
    assert history.history["skipped"] == [3.0]
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(slots, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, after)
    history = model.fit(batches(data), verbose=0)
    assert history.history["skipped"] == [0.0]
    assert np.isfinite(history.history["loss"]).all()


@every_network
@pytest.mark.filterwarnings("ignore:A batch was left out")  # by the loss scale of float16
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_with_float32_state(case, policy):
    keras.config.set_dtype_policy(policy)
    model = case.compiled()
    multipliers = train(model, case.data(), epochs=2)
    assert np.isfinite(multipliers).all()
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert model.objective.averages.dtype == "float32"
    outputs = model(case.data())
    assert outputs["kl"].dtype == outputs["reconstruction"].dtype == tf.float32


@every_network
def test_no_retracing_after_the_first_step(case):
    model = case.compiled()
    traces = []
    cost = model.cost

    def counted(*args):
        traces.append(1)
        return cost(*args)

    model.cost = counted
    train(model, case.data())
    first = len(traces)
    train(model, case.data(), epochs=3)
    assert len(traces) == first


@every_network
def test_backup_and_restore_resumes_after_an_interruption(case, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def run(model, *more):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        model.fit(batches(case.data()), epochs=4, verbose=0, callbacks=[backup, *more])

    interrupted, resumed = case.compiled(), case.compiled()
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, Interrupt())
    recorder = Recorder()
    run(resumed, recorder)
    assert len(recorder.multipliers) == 2 * 3
    assert int(resumed.objective.step) == 4 * 3
