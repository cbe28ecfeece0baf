"""The measures against naive NumPy in float64, closed forms, and their laws."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import logsumexp
from tensorflow_probability import distributions as tfd

import tf_geco
from tests.catalogue import MODELS, mirrored
from tf_geco import evaluation
from tf_geco.distributions import quantized_normal_log_prob
from tf_geco.evaluation.batches import Batches
from tf_geco.evaluation.coverage import draw, draw_examples
from tf_geco.evaluation.log_densities import log_sum_densities
from tf_geco.posteriors import RealNVP

RNG = np.random.default_rng(0)


class Table:
    """A model whose posterior of x = n is the n-th of a table of normals."""

    def __init__(self, mean, scale, dtype="float32"):
        self.mean, self.scale = np.asarray(mean, dtype), np.asarray(scale, dtype)

    def posterior(self, n):
        mean, scale = tf.gather(self.mean, n), tf.gather(self.scale, n)
        return tfd.Independent(tfd.Normal(mean, scale), 1)

    def prior(self):
        d = self.mean.shape[1]
        return tfd.MultivariateNormalDiag(tf.zeros(d, self.mean.dtype))

    @property
    def indices(self):
        return np.arange(len(self.mean))

    def average_kl(self):
        m, s = self.mean.astype(float), self.scale.astype(float)
        return (0.5 * (m**2 + s**2 - 1) - np.log(s)).sum(-1).mean()


class OddTable(Table):
    """The same, by a distribution that nobody knows a shortcut for."""

    def posterior(self, n):
        q = super().posterior(n).distribution
        return tfd.Independent(tfd.StudentT(1e6, q.loc, q.scale), 1)


class FlowTable(Table):
    """Flows, whose contexts are the rows of the means."""

    def __init__(self, mean, spread=0.3):
        super().__init__(mean, np.ones_like(mean))
        d = self.mean.shape[1]
        self.layer = RealNVP(d, 3, 8)
        self.layer.build((None, d))
        for index, weight in enumerate(self.layer.weights):
            weight.assign(keras.random.normal(weight.shape, stddev=spread, seed=index))

    def posterior(self, n):
        return self.layer(tf.gather(self.mean, n))


def table(n=40, d=3, scale=0.5):
    return Table(RNG.normal(size=(n, d)), scale * np.exp(0.3 * RNG.normal(size=(n, d))))


def numerical_marginal_kl(model, limit=8.0, points=401):
    """Integral of q log(q / pi) over a grid, float64."""
    d = model.mean.shape[1]
    axis = np.linspace(-limit, limit, points)
    z = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), -1).reshape(-1, d)
    parts = [
        stats.norm(m.astype(float), s.astype(float)).logpdf(z).sum(-1)
        for m, s in zip(model.mean, model.scale, strict=True)
    ]
    q = logsumexp(parts, axis=0) - math.log(len(parts))
    return (np.exp(q) * (q - stats.norm.logpdf(z).sum(-1))).sum() * (axis[1] - axis[0]) ** d


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("scale", [0.1, 0.6])
def test_marginal_kl_is_the_integral(d, scale):
    model = table(9, d, scale)
    result = evaluation.marginal_kl(model, model.indices, 10_000, batch_size=4)
    assert abs(result.value - numerical_marginal_kl(model)) < 4 * result.standard_error
    assert 0 < result.standard_error < 0.02
    assert (result.num_samples, result.num_components) == (10_000, 9)


@pytest.mark.parametrize("kind", [Table, OddTable, FlowTable])
def test_every_kind_of_posterior_against_a_naive_float64_sum(kind):
    means = RNG.normal(size=(23, 4)).astype("float32")
    model = kind(means, *([] if kind is FlowTable else [np.full_like(means, 0.4)]))
    draws = draw(model, Batches(model.indices, 7), 50, seed=0)
    densities = [
        model.posterior(np.full(50, n)).log_prob(draws.z).numpy().astype(float) for n in range(23)
    ]
    own = np.array(densities)[draws.position, np.arange(50)]
    np.testing.assert_allclose(draws.own, own, rtol=1e-4, atol=1e-4)
    expected = (logsumexp(densities, axis=0) - math.log(23) - draws.prior).mean()
    result = evaluation.marginal_kl(model, model.indices, 50, batch_size=7)
    np.testing.assert_allclose(result.value, expected, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 0.1, 1e-2, 1e-3])
def test_matrix_product_is_exact_even_where_float32_cancels(scale):
    model = table(200, 64, scale)
    i = RNG.integers(200, size=100)
    z = (model.mean[i] + model.scale[i] * RNG.normal(size=(100, 64))).astype("float32")
    mask = np.zeros(200, "float32")
    actual = log_sum_densities(model.posterior(model.indices), tf.constant(z), tf.constant(mask))
    pairs = stats.norm(model.mean.astype(float), model.scale.astype(float))
    expected = logsumexp([pairs.logpdf(row.astype(float)).sum(-1) for row in z], axis=1)
    np.testing.assert_allclose(actual, expected, atol=1e-3)


@pytest.mark.parametrize("scale", [0.05, 0.5, 2.0])
def test_marginal_kl_lies_between_average_kl_less_log_n_and_average_kl(scale):
    model = table(60, 3, scale)
    result, average = evaluation.marginal_kl(model, model.indices, 4096), model.average_kl()
    slack = 4 * result.standard_error
    assert average - math.log(60) - slack <= result.value <= average + slack


def test_separate_posteriors_reach_the_lower_bound_and_equal_ones_the_upper():
    apart = Table(np.arange(20)[:, np.newaxis] * [[5.0, 0.0]], np.full((20, 2), 0.1))
    alike = Table(np.full((20, 2), 0.7), np.full((20, 2), 0.3))
    for model, gap in ((apart, math.log(20)), (alike, 0.0)):
        result = evaluation.marginal_kl(model, model.indices, 20_000)
        assert abs(result.value - (model.average_kl() - gap)) < 4 * result.standard_error


def test_one_posterior_and_posteriors_equal_to_the_prior():
    one = Table([[0.5, -1.0]], [[0.3, 0.8]])
    result = evaluation.marginal_kl(one, one.indices, 20_000)
    assert abs(result.value - one.average_kl()) < 4 * result.standard_error
    prior = Table(np.zeros((5, 3)), np.ones((5, 3)))
    result = evaluation.marginal_kl(prior, prior.indices, 64)
    np.testing.assert_allclose([result.value, result.standard_error], 0.0, atol=1e-5)


def test_samples_come_from_all_examples_alike():
    examples, position, total = draw_examples(Batches(np.arange(50), 7), 100_000, seed=0)
    assert total == 50
    np.testing.assert_array_equal(examples, position)
    assert stats.chisquare(np.bincount(position, minlength=50)).pvalue > 1e-3


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


@pytest.mark.parametrize("form", ["array", "pair", "dataset", "triples", "loader"])
def test_every_form_of_data_gives_the_same(form):
    model, y = table(), np.zeros(40)
    x = model.indices
    pairs = tf.data.Dataset.from_tensor_slices((x, y))
    data = {
        "array": x,
        "pair": (x, y),
        "dataset": tf.data.Dataset.from_tensor_slices(x).batch(9),
        "triples": pairs.map(lambda x, y: (x, y, 1.0)).batch(40),
        "loader": [(x[:1], y[:1]), (x[1:], y[1:])],
    }[form]
    expected = evaluation.marginal_kl(model, x, 64, batch_size=16)
    assert evaluation.marginal_kl(model, data, 64, batch_size=16) == expected


def interrupted(data, batches):
    """Data that somebody interrupts in the second reading, after some batches."""

    class Interrupted:
        readings = 0

        def __iter__(self):
            self.readings += 1
            for index, start in enumerate(range(0, len(data), 10)):
                if self.readings == 2 and index == batches:
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


@pytest.mark.parametrize(
    "name", ["dense", "flow", "users_networks", "conv_draw", "conditional_conv_draw"]
)
def test_measures_of_models_against_numpy(name):
    case = MODELS[name]
    model, x = case.build(), case.data(30)
    model(x)
    parts = [keras.tree.map_structure(lambda a, i=i: a[i : i + 10], x) for i in range(0, 30, 10)]
    with evaluation.estimate.seeded(model, 5):
        outputs = [model(part, training=False) for part in parts]
    kl = np.concatenate([o["kl"] for o in outputs]).astype(float)
    target = np.concatenate([model.target(part) for part in parts])
    error = np.concatenate([o["reconstruction"] for o in outputs]).astype(float) - target
    average = evaluation.average_kl(model, x, batch_size=10, seed=5)
    np.testing.assert_allclose(average.value, kl.mean(), rtol=1e-5)
    np.testing.assert_allclose(average.standard_error, kl.std(ddof=1) / 30**0.5, rtol=1e-4)
    sigma = evaluation.optimal_sigma(model, x, batch_size=10, seed=5)
    np.testing.assert_allclose(sigma, np.sqrt((error**2).mean()), rtol=1e-5)
    nll = evaluation.quantized_nll(model, x, sigma, batch_size=10, seed=5)
    edges = [stats.norm.cdf((np.abs(error) + side / 510) / -sigma) for side in (-1, 1)]
    np.testing.assert_allclose(nll.nats, -np.log(edges[0] - edges[1]).mean(), rtol=1e-4)
    np.testing.assert_allclose(nll.bits, nll.nats / math.log(2), rtol=1e-6)
    plane = evaluation.information_plane(model, x, batch_size=10, seed=5)
    np.testing.assert_allclose(
        [plane.kl, plane.nll, plane.reconstruction_error, plane.sigma],
        [average.value, nll.nats, (error**2).mean(), sigma],
        rtol=1e-4,
    )


def test_optimal_sigma_is_optimal():
    case = MODELS["dense"]
    model, x = case.build(), case.data(30)
    sigma = evaluation.optimal_sigma(model, x)
    best, *others = (
        evaluation.quantized_nll(model, x, sigma * factor).nats for factor in (1, 0.95, 1.05)
    )
    assert best < min(others)


def test_evaluation_leaves_the_models_noise_as_it_was():
    case = MODELS["flow"]
    model, x = case.build(), case.data(8)
    model(x)
    state = model.seed_generator.state.numpy()
    evaluation.information_plane(model, x)
    evaluation.marginal_kl(model, x, 8)
    np.testing.assert_array_equal(model.seed_generator.state.numpy(), state)


@pytest.mark.parametrize("name", ["dense", "flow"])
def test_two_replicas_measure_what_one_device_does(name, no_noise):
    case = MODELS[name]
    keras.utils.set_random_seed(3)
    one, x = case.build(), case.data(21)
    one(x)
    with mirrored().scope():
        two = case.build()
        two.build((None, *case.shape))
    two.set_weights(one.get_weights())
    for measure in (evaluation.average_kl, evaluation.information_plane, evaluation.marginal_kl):
        expected, actual = (measure(model, x, batch_size=8) for model in (one, two))
        for key in ("value", "kl", "nll", "count", "num_components"):
            left, right = getattr(expected, key, 0.0), getattr(actual, key, 0.0)
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


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


def test_public_names():
    assert sorted(evaluation.__all__) == evaluation.__all__
    assert tf_geco.evaluation is evaluation


@pytest.mark.parametrize("bin_width", [1 / 255, 0.2])
def test_the_least_nll_is_that_of_equal_errors(bin_width):
    sigma = np.sqrt([1, 0.1])
    nll = evaluation.least_nll([1.0, 0.1, 0.0], bin_width)
    probability = stats.norm.cdf(1 + bin_width / 2 / sigma) - stats.norm.cdf(
        1 - bin_width / 2 / sigma
    )
    np.testing.assert_allclose(nll, [*-np.log(probability), 0], rtol=1e-6)
    gaussian = np.log(2 * np.pi * np.e * sigma**2) / 2 - np.log(bin_width)
    np.testing.assert_allclose(nll[:2], gaussian, rtol=0.01)
    with pytest.raises(ValueError, match=r"bin_width=0\.0"):
        evaluation.least_nll(0.1, bin_width=0.0)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0, 30.0])
def test_no_distribution_of_errors_has_a_lower_nll(ratio):
    """The quantized NLL at sigma_opt is convex in the squared error: equal errors cost least."""
    rng, width = np.random.default_rng(0), 1 / 255
    for shape in (0.2, 1.0, 5.0):
        residual = rng.gamma(shape, size=1000)
        residual *= ratio * width / np.sqrt((residual**2).mean())
        sigma = np.sqrt((residual**2).mean())
        log_prob = quantized_normal_log_prob(tf.constant(residual), 0.0, sigma, width)
        assert -np.mean(log_prob) >= evaluation.least_nll(sigma**2, width) - 1e-9
