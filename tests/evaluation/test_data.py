"""The data that measures read: blocks, seeds, forms, interruptions, and errors that help."""

import math

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests.catalogue import MODELS
from tests.evaluation.tables import RNG, Table, numerical_marginal_kl, table
from tf_geco import evaluation


@pytest.mark.parametrize("batch_size", [1, 7, 23, 100])
def test_blocks_do_not_change_what_a_model_is_measured_by(batch_size):
    """Batches of one, unequal batches, and batches larger than the data."""
    model = table(23, 1)
    result = evaluation.marginal_kl(model, model.indices, 5000, batch_size=batch_size)
    assert result.num_components == 23
    assert abs(result.value - numerical_marginal_kl(model)) < 4 * result.standard_error


def test_the_same_seed_is_the_same_number():
    model = table()
    first, second, other = (
        evaluation.marginal_kl(model, model.indices, 64, seed=seed) for seed in (1, 1, 2)
    )
    assert first == second
    assert first.value != other.value


class Frame:
    """A table with named columns, as pandas has: whoever iterates over it gets the names."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)

    def __iter__(self):
        return iter("abc")

    def __len__(self):
        return len(self.array)


@pytest.mark.parametrize("form", ["array", "pair", "frame", "dataset", "triples", "loader"])
def test_every_form_of_data_gives_the_same(form):
    model, y = table(), np.zeros(40)
    x = model.indices
    pairs = tf.data.Dataset.from_tensor_slices((x, y))
    data = {
        "array": x,
        "pair": (x, y),
        "frame": Frame(x),
        "dataset": tf.data.Dataset.from_tensor_slices(x).batch(9),
        "triples": pairs.map(lambda x, y: (x, y, 1.0)).batch(40),
        "loader": [(x[:1], y[:1]), (x[1:], y[1:])],
    }[form]
    expected = evaluation.marginal_kl(model, x, 64, batch_size=16)
    assert evaluation.marginal_kl(model, data, 64, batch_size=16) == expected


def interrupted(data, batches, reading=2):
    """Data that somebody interrupts in a reading, after some batches."""

    class Interrupted:
        readings = 0

        def __iter__(self):
            self.readings += 1
            for index, start in enumerate(range(0, len(data), 10)):
                if self.readings == reading and index == batches:
                    raise KeyboardInterrupt
                yield data[start : start + 10]

    return Interrupted()


def test_interrupted_marginal_kl_returns_what_it_has_an_upper_bound():
    model = Table(RNG.normal(size=(200, 2)), np.full((200, 2), 0.1))
    whole = evaluation.marginal_kl(model, model.indices, 2000, batch_size=10)
    part = evaluation.marginal_kl(model, interrupted(model.indices, 10), 2000, batch_size=10)
    assert part.num_components == 100
    assert part.num_samples == 2000
    assert math.isfinite(part.standard_error)
    slack = 4 * (whole.standard_error + part.standard_error)
    assert whole.value - slack <= part.value <= whole.value + math.log(2) + slack


def test_interruption_before_anything_is_known_passes_on():
    model = table()
    with pytest.raises(KeyboardInterrupt):
        evaluation.marginal_kl(model, interrupted(model.indices, 0), 8, batch_size=10)


SIZED = {
    "average_kl": lambda *a, **k: evaluation.average_kl(*a, **k).count,
    "check": lambda *a, **k: evaluation.check(*a, **k).findings[0].count,
    "plane": lambda *a, **k: evaluation.information_plane(*a, sigma=0.1, **k).count,
}
WHOLE = {
    "sigma": evaluation.optimal_sigma,
    "nll": lambda *a, **k: evaluation.quantized_nll(*a, 0.1, **k),
    "plane": evaluation.information_plane,  # it needs the optimal sigma first
    "rate_distortion": evaluation.rate_distortion,
}


@pytest.mark.parametrize("name", SIZED)
def test_what_says_of_how_many_it_is_may_be_interrupted(name):
    x = MODELS["range"].data()
    model = MODELS["range"].compiled()
    assert SIZED[name](model, interrupted(x, 2, reading=1), batch_size=10) == 20


@pytest.mark.parametrize("name", WHOLE)
def test_what_does_not_say_so_stops(name):
    x = MODELS["range"].data()
    model = MODELS["range"].compiled()
    before = model.tolerance
    with pytest.raises(KeyboardInterrupt):
        WHOLE[name](model, interrupted(x, 2, reading=1), batch_size=10)
    assert model.tolerance == before


def test_errors_say_what_is_wrong():
    model, marginal = table(), evaluation.marginal_kl
    x = model.indices
    cases = [
        (lambda: marginal(model, x[:0]), "The data are empty"),
        (lambda: marginal(model, tf.data.Dataset.from_tensors(x).repeat()), "never end"),
        (lambda: marginal(model, iter([x])), "can be read only once"),
        (lambda: marginal(model, x, 0), "`num_samples` must be a positive integer"),
        (lambda: marginal(model, x, batch_size=0), "`batch_size` must be a positive integer"),
        (lambda: marginal(object(), x), "no posterior and no prior"),
        (lambda: marginal(model, {"a": x, "b": x[1:]}), "must have one length"),
        (lambda: evaluation.quantized_nll(model, x, -1.0), "`sigma` must be a positive number"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_posterior_without_log_prob_is_refused():
    class NoDensity(tfd.Normal):
        def _log_prob(self, value):
            raise NotImplementedError("no density")

    model = table()
    model.posterior = lambda n: tfd.Independent(NoDensity(tf.gather(model.mean, n), 1.0), 1)
    with pytest.raises(ValueError, match="needs posteriors and a prior with `sample` and `log_p"):
        evaluation.marginal_kl(model, model.indices, 8)


def test_latents_of_different_sizes_are_refused():
    model = table(10, 3)
    model.prior = lambda: tfd.MultivariateNormalDiag(tf.zeros(2))
    with pytest.raises(ValueError, match=r"posterior over \[3\], a prior over \[2\]"):
        evaluation.marginal_kl(model, model.indices, 8)


def test_what_is_not_finite_is_named():
    model = table(10, 2)
    model.mean[6] = np.nan
    with pytest.raises(ValueError, match=r"not finite, first for example 6 of the data"):
        evaluation.marginal_kl(model, model.indices, 200)
    case = MODELS["users_networks"]
    vae, x = case.build(), case.data(20)
    vae(x)
    x[13] = np.nan
    with pytest.raises(ValueError, match=r"kl is not finite in batch 1 .* at example 5 of"):
        evaluation.average_kl(vae, x, batch_size=8)


def test_a_posterior_that_is_not_finite_but_was_not_drawn_is_named():
    model = table(2000, 2)
    model.mean[1500] = np.nan
    with pytest.raises(ValueError, match=r"batch 15 \(counted from 0, of 100 examples\)"):
        evaluation.marginal_kl(model, model.indices, 2, batch_size=100)


def test_float_precision_of_gpus_is_restored():
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    model = table()
    evaluation.marginal_kl(model, model.indices, 8)
    assert tf.config.experimental.tensor_float_32_execution_enabled() == before
