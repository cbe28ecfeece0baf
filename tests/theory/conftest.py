import numpy as np
import pytest


@pytest.fixture(scope="package")
def two_clusters():
    rng = np.random.default_rng(0)
    centers = np.array([[-0.3, -0.05], [0.3, 0.05]])
    return centers[np.arange(30) % 2] + 0.06 * rng.normal(size=(30, 2))


@pytest.fixture(autouse=True)
def _fresh():
    """The theory keeps no layers and no state, and clearing Keras's costs more than most tests."""
