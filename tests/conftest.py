"""Two logical CPUs and a fresh start for every test; `--long`; noise and examples on demand."""

import importlib.util
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

# TensorFlow registers each gradient that is made in a graph, for good, and keeps the graph with it:
# a suite would grow to 10 GB. There is no public name for it.
GRADIENTS = ops.gradient_registry._registry

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="train as long as a user would")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: runs with --long alone; shorter cases stand for it")


def pytest_collection_modifyitems(config, items):
    """Leaves out what is long."""
    if not config.getoption("--long"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if not item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def long(request):
    """Whether to run the long form of a test."""
    return request.config.getoption("--long")


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Runs a script of examples/ in an empty folder, and returns it as a module.

    Settings, such as `EPOCHS=2`, are set in the environment.
    """

    def run(name, **settings):
        for setting, value in settings.items():
            monkeypatch.setenv(setting, str(value))
        monkeypatch.chdir(tmp_path)
        path = pathlib.Path(__file__).parents[1] / "examples" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return run


def sums_over_replicas(gradient):
    """Returns whether a gradient was made for the sum that an optimizer takes, once in each graph.

    Others must stay: functions of TensorFlow Probability that are traced only once need them.
    """
    closed_over = [cell.cell_contents for cell in gradient.__closure__ or ()]
    cells = [cell for part in closed_over for cell in getattr(part, "__closure__", None) or ()]
    names = [getattr(cell.cell_contents, "__qualname__", "") for cell in cells]
    return any("all_reduce" in name for name in names)


@pytest.fixture(autouse=True, scope="session")
def _no_autotuner():
    """Iterators of Keras's own data sets end at once, too: their autotuner may sleep a minute."""
    from tf_geco.datasets import without_autotuner  # noqa: PLC0415

    plain = tf.data.Dataset.__iter__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.data.Dataset, "__iter__", lambda data: plain(without_autotuner(data)))
        yield


@pytest.fixture(autouse=True)
def _fresh():
    """Every test starts with the same seed, the default precision, and no layers."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(7)
    yield
    keras.config.set_dtype_policy("float32")
    for name in [name for name in GRADIENTS if name.startswith("CustomGradient-")]:
        if sums_over_replicas(GRADIENTS[name]["type"]):
            del GRADIENTS[name]


@pytest.fixture
def no_noise(monkeypatch):
    """Sampling returns the mean, so that replicas can be compared with a single device."""
    from tests.catalogue import silence  # noqa: PLC0415

    silence(monkeypatch.setattr)
