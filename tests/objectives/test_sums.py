"""Sums against NumPy, and what makes them sums."""

import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.objectives.prepared import batches_of
from tf_geco.objectives.sums import Sums

ENTRIES = 3


def random_batch(seed=0, n=8, counted=(True, False, True), weighted=True):
    """Returns values, counts (`None` for those that count all alike), and weights."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=n).astype("float32") for _ in range(ENTRIES)]
    counts = [rng.integers(0, 3, n).astype("float32") if c else None for c in counted]
    return values, counts, rng.uniform(0, 2, n).astype("float32") if weighted else None


def cut(batch, rows):
    values, counts, weights = batch
    part = [None if c is None else c[rows] for c in counts]
    return [v[rows] for v in values], part, None if weights is None else weights[rows]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("counted", [(False,) * 3, (True, False, True)])
def test_they_are_those_of_numpy(counted, weighted):
    values, counts, weights = random_batch(counted=counted, weighted=weighted)
    found = Sums.of(values, counts, weights)
    for index in range(ENTRIES):
        v, n, w = (np.asarray(a, float) for a in (values[index], counts[index], weights))
        n = np.ones(8) if counts[index] is None else n
        n = n * (w if weighted else 1)
        np.testing.assert_allclose(found.totals[index], (n * v).sum(), rtol=1e-5)
        np.testing.assert_allclose(found.counts[index], n.sum(), rtol=1e-5)
        np.testing.assert_allclose(found.means[index], (n * v).sum() / n.sum(), rtol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("counted", [(False,) * 3, (True, False, True)])
@pytest.mark.parametrize("cuts", [[3], [1, 2, 7], [0, 4]])
def test_those_of_a_whole_are_the_sum_of_those_of_its_parts(cuts, counted, weighted):
    batch = random_batch(counted=counted, weighted=weighted)
    edges = zip([0, *cuts], [*cuts, 8], strict=True)
    parts = [Sums.of(*cut(batch, slice(start, stop))).stacked() for start, stop in edges]
    np.testing.assert_allclose(sum(parts), Sums.of(*batch).stacked(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("by", ["counts", "weights"])
def test_what_does_not_count_may_hold_anything(bad, by):
    """Neither totals nor gradients change."""
    values, counts, weights = random_batch()
    if by == "weights":
        weights[[2, 5]] = 0.0
        entries = range(ENTRIES)
    else:
        counts[0][[2, 5]] = 0.0
        entries = [0]

    def sums_and_gradients(values):
        values = [tf.Variable(v) for v in values]
        with tf.GradientTape() as tape:
            sums = Sums.of([tf.identity(v) for v in values], counts, weights)
            total = tf.reduce_sum(sums.safe_means)
        return sums, tape.gradient(total, values)

    expected, expected_gradients = sums_and_gradients(values)
    for index in entries:
        values[index][[2, 5]] = bad
    found, gradients = sums_and_gradients(values)
    np.testing.assert_array_equal(found.stacked(), expected.stacked())
    for one, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_array_equal(one, other)
    for index in entries:
        np.testing.assert_array_equal(gradients[index].numpy()[[2, 5]], 0.0)


def test_what_counts_and_is_not_finite_is_not_hidden():
    values, counts, weights = random_batch()
    weights[2] = 1.0
    counts[0][2] = 1.0
    values[0][2] = np.nan
    sums = Sums.of(values, counts, weights)
    np.testing.assert_array_equal(np.isnan(sums.totals), [True, False, False])
    np.testing.assert_array_equal(np.isnan(sums.safe_means), [True, False, False])


def test_where_nothing_counts_the_mean_is_unknown():
    values, counts, _ = random_batch()
    counts[2] = np.zeros(8, "float32")
    sums = Sums.of(values, counts)
    np.testing.assert_array_equal(sums.known, [True, True, False])
    np.testing.assert_array_equal(np.isnan(sums.means), [False, False, True])
    assert float(sums.safe_means[2]) == float(sums.totals[2]) == 0.0


def test_the_gradient_of_a_mean_is_a_share_of_each_example():
    values, counts, weights = random_batch()
    values = [tf.Variable(v) for v in values]
    with tf.GradientTape() as tape:
        mean = Sums.of(values, counts, weights).means[0]
    shares = counts[0] * weights
    np.testing.assert_allclose(tape.gradient(mean, values[0]), shares / shares.sum(), rtol=1e-5)


def test_stacking_comes_undone():
    sums = Sums.of(*random_batch())
    again = Sums.unstacked(sums.stacked())
    np.testing.assert_array_equal(again.totals, sums.totals)
    np.testing.assert_array_equal(again.counts, sums.counts)


# Moving averages.


def of_means(*means, count=8.0):
    """Returns the sums of a batch of equal examples."""
    means = tf.constant(means, tf.float32)
    return Sums(means * count, tf.fill(means.shape, count))


NOTHING = Sums(tf.zeros(2), tf.zeros(2))


def test_the_first_sums_seed_the_average():
    first = of_means(3.0, -1.0)
    np.testing.assert_array_equal(first.averaged_into(NOTHING, 0.99).stacked(), first.stacked())


def test_equal_batches_give_the_moving_average_of_algorithm_1():
    decay, average, expected = 0.9, NOTHING, None
    for t, violations in enumerate(batches_of(2)[1]):
        mean = violations.mean(0, dtype=np.float64)
        expected = mean if t == 0 else decay * expected + (1 - decay) * mean
        sums = Sums.of([violations[:, 0], violations[:, 1]], [None, None])
        average = sums.averaged_into(average, decay)
        np.testing.assert_allclose(average.means, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(average.counts, 16.0, rtol=1e-6)


def test_what_is_unknown_leaves_the_ratio_and_waits_for_its_first_count():
    half = Sums(tf.constant([12.0, 0.0]), tf.constant([4.0, 0.0]))
    average = half.averaged_into(NOTHING, 0.9)
    for _ in range(5):
        average = half.averaged_into(average, 0.9)
        np.testing.assert_allclose(average.safe_means, [3.0, 0.0], rtol=1e-6)
        np.testing.assert_array_equal(average.known, [True, False])
    other = Sums(tf.constant([0.0, 20.0]), tf.constant([0.0, 4.0]))
    average = other.averaged_into(average, 0.9)
    # The first keeps its ratio with a smaller count; the second is seeded, not mixed with zero.
    np.testing.assert_allclose(average.means, [3.0, 5.0], rtol=1e-6)
    np.testing.assert_allclose(average.counts, [3.6, 4.0], rtol=1e-6)


def test_rare_counts_weigh_by_their_number():
    average = Sums(tf.constant([10.0]), tf.constant([10.0]))
    rare = Sums(tf.constant([2.0]), tf.constant([1.0]))
    found = rare.averaged_into(average, 0.9)
    np.testing.assert_allclose(found.means, [(0.9 * 10 + 0.1 * 2) / (0.9 * 10 + 0.1)], rtol=1e-6)


@pytest.mark.parametrize("kind", ["bool", "int64", "float16", "float32", "float64"])
def test_a_cost_may_count_by_numbers_of_any_kind(kind):
    cost, counts = tf.constant([1.0, 2.0, 4.0, 8.0]), tf.cast([1, 0, 1, 0], kind)
    x = tf.ones([4, 6])
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    given = {"outputs": {"reconstruction": x}, "cost": (cost, counts)}
    assert float(objective(x, **given).means[-1]) == 2.5
    scores = objective.scores(x, None, given["outputs"], given["cost"])
    np.testing.assert_array_equal(scores["cost"], [1.0, np.nan, 4.0, np.nan])


def test_how_much_a_cost_counts_is_one_number_per_example():
    x = tf.ones([4, 6])
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    with pytest.raises(ValueError, match=r"one number per example.*\(4, 1\)"):
        objective(x, outputs={"reconstruction": x}, cost=(tf.ones([4]), tf.ones([4, 1])))
