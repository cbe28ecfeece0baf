"""What simple models reach of an NLL, against SciPy and data whose clusters are known."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize, stats

from tf_geco import evaluation

MEANS = np.array([[1.0, 9.0, 3.0], [8.0, 1.0, 3.0]])


def counts(n=400):
    """Returns negative binomial counts of two clusters, r = 2, and which one each is in."""
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=n)
    return rng.poisson(rng.gamma(2.0, MEANS[label] / 2.0)).astype("float32"), label


LAWS = {
    "bernoulli": lambda x: stats.bernoulli(x.mean()).logpmf(x),
    "poisson": lambda x: stats.poisson(x.mean()).logpmf(x),
    "normal": lambda x: stats.norm(x.mean(), x.std()).logpdf(x),
    "negative_binomial": lambda x: most_likely(x),  # noqa: PLW0108 (it is defined below)
}


def most_likely(x):
    law = lambda r: stats.nbinom(r, r / (r + x.mean())).logpmf(x)  # noqa: E731
    best = optimize.minimize_scalar(lambda a: -law(np.exp(a)).sum(), bounds=(-4, 8))
    return law(np.exp(best.x))


@pytest.mark.parametrize("likelihood", LAWS)
def test_all_alike_have_the_likelihood_of_each_values_own_law(likelihood):
    x, _ = counts()
    x = (x > 3).astype("float32") if likelihood == "bernoulli" else x
    guide = evaluation.nll_guide(x, likelihood)
    nll = -sum(LAWS[likelihood](column.astype(float)) for column in x.T)
    tolerance = 1e-3 if likelihood == "negative_binomial" else 1e-5
    np.testing.assert_allclose(guide.nll[0], nll.mean(), rtol=tolerance)
    np.testing.assert_allclose(guide.spread, nll.std(), rtol=0.02)
    assert guide.kl[0] == 0.0
    assert guide.count == 400
    assert all(np.diff(guide.kl) > -1e-6)
    assert guide.kl[1] > 0


def test_clusters_are_found_and_cost_their_entropy():
    x, label = counts(2000)
    far = np.where(label[:, np.newaxis] * [1, 0, 0] > 0, 300 * (x + 1), x)
    guide = evaluation.nll_guide(far, "negative_binomial")
    nll = 0.0
    for cluster in (0, 1):
        part = far[label == cluster].astype(float)
        nll -= sum(most_likely(column) for column in part.T).sum() / 2000
    np.testing.assert_allclose(guide.nll[1], nll, rtol=1e-3)
    np.testing.assert_allclose(guide.kl[1], stats.entropy(np.bincount(label)), rtol=1e-6)
    assert guide.nll[1] < guide.nll[0] - 1.0


def test_nothing_is_below_the_least():
    x, _ = counts()
    least = evaluation.nll_guide(x, "poisson").least
    np.testing.assert_allclose(least, -stats.poisson(x).logpmf(x).sum(axis=1).mean(), rtol=1e-4)
    assert evaluation.nll_guide(x, "negative_binomial").least == least
    own = [stats.nbinom(r, r / (r + x)).logpmf(x).sum(1).mean() for r in (0.5, 5.0, 500.0)]
    assert all(-nll > least for nll in own)
    assert evaluation.nll_guide((x > 3).astype("f4"), "bernoulli").least < 1e-4
    assert evaluation.nll_guide(x, "normal").least is None


def test_missing_values_do_not_count():
    x, _ = counts()
    mask = np.random.default_rng(1).random(x.shape) < 0.6
    mask[0] = False
    holes = np.where(mask, x, np.nan)
    guide = evaluation.nll_guide((holes, {"mask": mask}), "poisson")
    means = np.array([x[:, i][mask[:, i]].mean() for i in range(3)])
    some = mask.any(axis=1)
    terms = np.where(mask, -stats.poisson(means).logpmf(x), 0.0)[some]
    np.testing.assert_allclose(guide.nll[0], terms.sum(axis=1).mean(), rtol=1e-5)
    assert guide.count == some.sum() < 399


def test_whole_numbers_data_sets_and_samples_are_taken():
    x, _ = counts()
    whole = evaluation.nll_guide(x, "poisson")
    assert str(evaluation.nll_guide(x.astype("int64"), "poisson")) == str(whole)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(32)
    assert str(evaluation.nll_guide(batches, "poisson")) == str(whole)
    assert evaluation.nll_guide(x, "poisson", max_examples=100).count == 100
    few = evaluation.nll_guide(x[:50], "poisson")
    assert few.clusters == (1, 2)  # twenty examples for each


def test_the_table_says_what_each_row_means():
    x, _ = counts()
    guide = evaluation.nll_guide(x, "poisson")
    head, first, *_, last = str(guide).splitlines()
    assert "nats per example, on 400 examples" in head
    assert f"{guide.nll[0]:.4g}" in first
    assert "for a KL of 0" in first
    assert f"{guide.least:.4g}" in last


def test_unknown_likelihoods_are_named():
    with pytest.raises(ValueError, match=r"`likelihood` must be one of 'bernoulli'.*'gamma'"):
        evaluation.nll_guide(counts()[0], "gamma")
    with pytest.raises(ValueError, match="at least two examples"):
        evaluation.nll_guide(counts()[0][:1], "poisson")
