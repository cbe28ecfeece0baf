"""The marginal KL against naive NumPy in float64, closed forms, and its bounds."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import logsumexp

from tests.evaluation.tables import RNG, FlowTable, OddTable, Table, numerical_marginal_kl, table
from tf_geco import evaluation
from tf_geco.evaluation.batches import Batches
from tf_geco.evaluation.coverage import draw, draw_examples
from tf_geco.evaluation.log_densities import log_sum_densities


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
