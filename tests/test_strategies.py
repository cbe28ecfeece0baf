"""A strategy's replicas, together, do what a single device does with the same global batch."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, batches, mirrored, train

every_model = pytest.mark.parametrize("case", MODELS.values(), ids=MODELS)
# The batch norm of a replica sees its own half of the batch, so it is no single device's.
COMPARABLE = [name for name in MODELS if name != "users_networks"]

# Keras's own `fit` fails on several workers unless a batch is a single tensor.
WORKERS = [name for name in COMPARABLE if MODELS[name].context_shape is None]


def compiled(case, strategy, **options):
    keras.utils.set_random_seed(7)
    with strategy.scope():
        return case.compiled(**options)


@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [*((name, False) for name in COMPARABLE), ("dense", True), ("flow", True)],
)
def test_mirrored_is_single(name, jit_compile, no_noise):
    case = MODELS[name]
    keras.utils.set_random_seed(7)
    expected = train(case.compiled(), case.data(), epochs=3)
    model = compiled(case, mirrored(), jit_compile=jit_compile)
    found = train(model, case.data(), epochs=3)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@every_model
def test_replicas_keep_one_state(case):
    model = compiled(case, mirrored())
    model.fit(batches(case.data(), repeat=2), verbose=0, callbacks=[tf_geco.GECOCallback()])
    for weight in model.objective.weights:
        first, second = (value.numpy() for value in weight.value.values)
        np.testing.assert_array_equal(first, second)
    assert int(model.objective.step.numpy()) == 6


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


def test_two_workers_are_a_single_device(tmp_path, no_noise):
    ports = [_free_port() for _ in range(2)]
    outputs = [tmp_path / f"{index}.json" for index in range(2)]
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.worker",
                str(i),
                *map(str, ports),
                outputs[i],
                *WORKERS,
            ],
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    logs = [worker.communicate(timeout=500)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], logs[0][-3000:] + logs[1][-3000:]
    first, second = (json.loads(output.read_text()) for output in outputs)
    for name in WORKERS:
        keras.utils.set_random_seed(7)
        expected = train(MODELS[name].compiled(), MODELS[name].data(), epochs=2)[-1]
        assert first[name]["multiplier"] == second[name]["multiplier"]
        np.testing.assert_allclose(first[name]["multiplier"], expected, rtol=1e-3)
        assert np.isfinite(first[name]["loss"]).all()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def test_models_of_a_strategy_are_saved_and_loaded(tmp_path):
    case = MODELS["dense"]
    model = compiled(case, mirrored())
    train(model, case.data())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.objective.multiplier, model.objective.multiplier)
