"""The gap and its stop rule on plants whose validation is a known function of training."""

import numpy as np
import pytest

from tf_geco.objectives.generalisation import (
    Nearest,
    ceiling,
    followed,
    in_vain,
    nearest_after,
    since,
    trust,
)

KAPPA = 1.0  # what may be measured; violations are measured - 1, errors its logarithm


def run(plant, *, epochs=400, noise=0.0, seed=0, rate=0.5, gain=0.2):
    """Trains a plant whose training is 1 / lambda; log lambda integrates the error that is seen.

    Returns training and validation by epoch, and whether lambda has met its ceiling at the end.
    """
    rng, effort, gap, top = np.random.default_rng(seed), np.full(1, -1.4), np.zeros(1), np.inf
    nearest, record = Nearest(*np.full((3, 1), np.nan), np.zeros(1)), []
    for _ in range(epochs):
        training = np.exp(-effort)
        validation = plant(training) * np.exp(noise * rng.normal(size=1))
        gap = followed(gap, training - KAPPA, validation - KAPPA, rate)
        now = Nearest(training + gap, training, effort, np.zeros(1))
        nearest = after(nearest, now, held=validation <= KAPPA)
        top = ceiling(nearest)
        seen = np.log(np.maximum(training + gap, 0.1 * training))
        effort = np.minimum(effort + gain * seen, top)
        record.append((training[0], plant(training)[0]))
    return *np.array(record).T, bool(in_vain(nearest)[0])


def after(nearest, now, known=True, held=False):
    """Returns the nearest validation after another, whose errors are logarithms."""
    parts = (nearest.validation, nearest.training, now.validation, now.training)
    errors = tuple(np.log(part) for part in parts)
    return nearest_after(nearest, now, errors, np.array([known]), np.atleast_1d(held))


def at(validation, training, effort=0.0, misses=0.0):
    return Nearest(*(np.array([value]) for value in (validation, training, effort, misses)))


REACHABLE = {
    "none": lambda t: t,
    "additive": lambda t: t + 0.5,
    "ratio": lambda t: 1.4 * t,
    "better": lambda t: 0.7 * t,
    "growing": lambda t: t + 0.15 / t,  # least at 0.39: 0.77
}


@pytest.mark.parametrize("name", REACHABLE)
@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("seed", range(3))
def test_a_reachable_tolerance_is_met_in_validation(name, noise, seed):
    _, validation, vain = run(REACHABLE[name], noise=noise, seed=seed)
    assert not vain
    assert validation[-50:].mean() == pytest.approx(KAPPA, rel=0.02)


@pytest.mark.parametrize("a", [0.3, 0.4, 0.6])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_out_of_reach_it_stops_near_the_best_validation(a, noise):
    """Validation is a / t + t, at least 2 sqrt(a) > 1, at t = sqrt(a)."""
    training, validation, vain = run(lambda t: t + a / t, noise=noise)
    assert vain
    assert validation[-50:].mean() < 2 * np.sqrt(a) * 1.05
    assert training[-1] > 0.6 * np.sqrt(a)


def test_it_stops_where_validation_no_longer_falls_at_all():
    training, _, vain = run(lambda t: np.maximum(t, 1.5))
    assert vain
    assert training[-1] > 0.6


def test_a_validation_that_answers_again_lifts_the_ceiling():
    nearest = at(1.5, 1.0, misses=3.0)
    assert ceiling(nearest) == 0.0
    now = at(1.4, 1.0)
    assert ceiling(after(nearest, now)) == np.inf
    unknown = after(nearest, now, known=False)
    np.testing.assert_array_equal(np.stack(unknown), np.stack(nearest))


@pytest.mark.parametrize(("training", "effort"), [(0.7, 0.0), (1.0, 0.5), (1.2, 2.0)])
def test_more_effort_without_an_answer_is_a_miss(training, effort):
    """Training fell, or lambda rose, even where training does not fall for it."""
    nearest, now = at(1.5, 1.0), at(1.51, training, effort)
    missed = after(nearest, now)
    assert (missed.misses, missed.validation, missed.effort) == (1, 1.5, 0)


@pytest.mark.parametrize(("training", "effort"), [(0.9, 0.3), (1.3, -2.0)])
def test_no_more_effort_is_no_miss(training, effort):
    assert after(at(1.5, 1.0), at(1.6, training, effort)).misses == 0


def test_a_constraint_that_holds_never_misses():
    """Training falls on by itself, validation stays where it may be."""
    nearest = at(0.99, 0.9)
    for training in np.geomspace(0.9, 0.1, 40):
        now = at(0.995, training, 1.0)
        nearest = after(nearest, now)
    assert not in_vain(nearest)


@pytest.mark.parametrize("lower", [False, True])
def test_what_held_in_one_validation_is_not_out_of_reach(lower):
    """Whether its average is the nearest or not: it oscillates, and that is no want of data."""
    nearest = after(at(1.2, 1.0), at(1.1 if lower else 1.3, 1.0), held=True)
    for _ in range(10):
        nearest = after(nearest, at(1.5, 0.5, 2.0))
    assert not in_vain(nearest)
    assert ceiling(nearest) == np.inf


def test_a_gap_is_trusted_as_training_comes_to_rest():
    """By the share of the lag of an average over M = 10 steps that lies within n."""
    errors = np.array([0.0, 0.1, 1.0, np.nan]), np.zeros(4)
    np.testing.assert_allclose(trust(*errors, 0.9, 10), [1, 1 / 2, 1 / 101, 0])
    np.testing.assert_allclose(trust(*errors, 0.9, 100), [1, 1 / 1.01, 1 / 2, 0])


def test_progress_within_an_epoch_is_no_gap():
    """Validation is as good as training, whose average lags, in an error that halves each epoch.

    Taken for a gap, the lag would be half of the error, 0.5 at first.
    """
    gap, before = np.zeros(1), np.full(1, np.nan)
    for epoch in range(6):
        validation = np.full(1, 0.5**epoch)
        lagging = 1.5 * validation
        rate = trust(before, np.log(lagging), 0.9, 10)
        gap, before = followed(gap, lagging, validation, rate), np.log(lagging)
        assert abs(gap) < 0.02


def test_since_leaves_the_past_out():
    rng = np.random.default_rng(0)
    sums, decay = rng.uniform(1, 2, (30, 2, 3)), 0.9
    averages, before = np.zeros((2, 3)), None
    for index, part in enumerate(sums):
        before = averages if index == 20 else before
        averages = decay * averages + (1 - decay) * part
    mean, known = since(averages, before, decay, 10)
    weights = decay ** np.arange(9, -1, -1)[:, np.newaxis, np.newaxis]
    totals, counts = (weights * sums[20:]).sum(0)
    assert known.all()
    np.testing.assert_allclose(mean, totals / counts, rtol=1e-12)


def test_since_knows_nothing_of_what_did_not_count():
    """Not even where float32 rounds."""
    averages = np.array([[2.0, 3.0], [1.0, 1.0]], "float32")
    later = averages.copy()
    for _ in range(200):
        later = np.float32(0.99) * later
    mean, known = since(later, averages, 0.99, 200)
    assert not known.any()
    assert np.isnan(mean).all()
    assert not since(averages, averages, 0.99, 0)[1].any()
