"""Several workers, together, do what a single device does with the same global batches."""

import json
import time

import keras
import numpy as np
import pytest

from tests.workers import CASES, EPOCHS, measured, start

# The batch norm of a worker sees its own part of the batch, so it is no single device's.
COMPARABLE = [name for name in CASES if name != "users_networks"]


def run(directory, number, names):
    """Returns what each worker measured of each model."""
    workers, outputs = start(directory, number, names)
    logs = [worker.communicate(timeout=900)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * number, logs[0][-3000:]
    return [json.loads(output.read_text()) for output in outputs]


@pytest.mark.parametrize("number", [2, pytest.param(4, marks=pytest.mark.long)])
def test_workers_are_a_single_device(number, tmp_path, no_noise, long):
    names = COMPARABLE if long else ["constrained", "flow"]
    first, *others = run(tmp_path, number, names)
    for name in names:
        for other in others:
            keras.tree.map_structure(np.testing.assert_array_equal, first[name], other[name])
        expected = measured(name)
        for part, values in expected.items():
            for key, value in values.items():
                where = f"{name}: {part} {key}"
                np.testing.assert_allclose(
                    first[name][part][key], value, rtol=1e-3, atol=1e-6, err_msg=where
                )


def test_a_killed_worker_ends_the_others_by_name_and_a_restart_resumes(tmp_path):
    file = tmp_path / "backup.weights.h5"
    (chief, other), _ = start(tmp_path, 2, [f"backup {file}"])
    while not file.exists():
        assert chief.poll() is None
        assert other.poll() is None
        time.sleep(0.1)
    other.kill()
    log = chief.communicate(timeout=60)[0]  # the promise: within a minute
    assert chief.returncode != 0
    assert "task:1" in log
    resumed = run(tmp_path, 2, [f"backup {file}"])
    for worker in resumed:
        (found,) = worker.values()
        assert found["began"] > 0
        assert found["steps"] == 2 * EPOCHS


def test_keras_alone_still_fails(tmp_path):
    """Once plain Keras trains on pairs on several workers, `_maybe_symbolic_build` can go."""
    workers, _ = start(tmp_path, 2, ["keras alone"])
    logs = [worker.communicate(timeout=300)[0] for worker in workers]
    assert all(worker.returncode for worker in workers), "Remove `AsKeras._maybe_symbolic_build`."
    assert "PerReplica" in logs[0]
