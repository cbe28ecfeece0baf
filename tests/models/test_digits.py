"""The error that is asked for comes out, on real digits, with default settings."""

import keras
import pytest

import tf_geco
from tf_geco.constraints import ReconstructionError
from tf_geco.models import conv_networks, dense_networks


def relative_error(networks, tolerance, epochs):
    """Returns RE / kappa^2 over the last epoch, on training digits."""
    train = tf_geco.datasets.load("mnist5k", batch_size=64, split="train")
    model = tf_geco.VAE(
        *networks((28, 28, 1), 32),
        posterior=tf_geco.posteriors.DiagonalNormal(32),
        objective=tf_geco.GECO([ReconstructionError(tolerance)]),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(train, epochs=epochs, verbose=0).history
    return (history["reconstruction_error"][-1] / tolerance) ** 2


def test_the_error_comes_out_as_asked(long):
    """In short a loose tolerance and a dense network; with `--long` as a user would train."""
    cases = [(dense_networks, 0.2, 15)]
    if long:
        cases += [(conv_networks, 0.1, 40), (conv_networks, 0.15, 40)]
    for networks, tolerance, epochs in cases:
        assert relative_error(networks, tolerance, epochs) == pytest.approx(1.0, abs=0.05)
