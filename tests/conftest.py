"""Two logical CPUs for every test, and the noise of TensorFlow Probability on demand."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="train as long as a user would")


@pytest.fixture
def long(request):
    """Whether to run the long form of a test."""
    return request.config.getoption("--long")


@pytest.fixture(autouse=True)
def _fresh():
    """Every test starts with the same seed, the default precision, and no layers."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(7)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def no_noise(monkeypatch):
    """Sampling returns the mean, so that replicas can be compared with a single device."""
    from tests.catalogue import silence  # noqa: PLC0415

    silence(monkeypatch.setattr)
