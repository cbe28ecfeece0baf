"""Rules and their parts: against NumPy and closed forms, and what they do after slack times."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_geco.multipliers import Exponential, PlannedPace, Rule
from tf_geco.multipliers.pace import (
    led_back,
    pace,
    planned_decay,
    rate_limited,
    remaining,
    saturated,
    scheduled,
)

LOW, HIGH = np.log(1e-6), np.log(1e6)
START = np.log(0.04)
FACTOR_3 = np.log(3.0)
HARD, REST, HALF = 2.5, 0.2, 0.02  # see `closed`


def needed(difficulty):
    """Returns the log lambda at which the error of the plant is the tolerance."""
    share = (1.0 / difficulty - REST) / (1.0 - REST)
    return np.log(HALF * (1.0 / share - 1.0))


def run(inputs, respond, state, *, planned=0, start=START, rule=None):
    """Returns error and log lambda of each step, `[steps, L]`.

    Args:
        inputs: One for each step, `[steps, L]`.
        respond: (state, log lambda, input) -> (next state, error).
        state: Of `respond`.
        planned: The step at which training is planned to end.
        start: log lambda_0.
        rule: `PlannedPace()` if not given.
    """
    rule = rule or PlannedPace()
    inputs = np.asarray(inputs, "float32")
    u = np.full(inputs.shape[1:], start, "float32")
    bounds = {"low": np.full_like(u, LOW), "high": np.full_like(u, HIGH)}

    def step(carried, one):
        state, _, u, memory, t = carried
        state, error = respond(state, u, one)
        first = tf.fill(u.shape, tf.equal(t, 0))
        plan = {"step": t, "steps": tf.constant(planned, tf.int64)}
        u, memory = rule(u, error, memory, first=first, **plan, **bounds)
        return state, error, u, memory, t + 1

    memory = np.zeros((rule.memory_size, *u.shape), "float32")
    record = tf.function(tf.scan)(step, inputs, (state, u, u, memory, np.int64(0)))
    return record[1].numpy(), record[2].numpy()


def given(errors, **options):
    """Returns log lambda for errors that do not answer it."""
    column = np.asarray(errors)[:, np.newaxis]
    return run(column, lambda state, u, error: (state, error), np.float32(0), **options)[1][:, 0]


def closed(difficulties, lag=100.0, **options):
    """Returns error and log lambda for a plant, behind the moving average of its length.

        T dy/dt = difficulty (REST + (1 - REST) / (1 + lambda / HALF)) - y,    e = log C_ma(y)

    With lambda = 0 the error is the difficulty of the data times the tolerance; no lambda removes
    the share REST of it.
    """

    decay = planned_decay(options.get("planned", 0))

    def respond(state, u, difficulty):
        y, average = state
        share = REST + (1.0 - REST) / (1.0 + tf.exp(u) / HALF)
        y += (difficulty * share - y) / lag
        average = decay * average + (1.0 - decay) * y
        return (y, average), tf.math.log(average)

    difficulties = np.asarray(difficulties, "float32").reshape(len(difficulties), -1)
    return run(difficulties, respond, (difficulties[0], difficulties[0]), **options)


# The parts.


def test_the_average_remembers_a_twentieth_of_a_training():
    cases = {0: 100, 1: 10, 200: 10, 600: 30, 1500: 75, 2000: 100, 10**6: 100}
    for steps, memory in cases.items():
        np.testing.assert_allclose(1.0 / (1.0 - planned_decay(steps)), memory, rtol=1e-4)


def test_plans_end_with_the_training_but_look_ahead_for_a_third_of_it():
    cases = {(0, 3000): 3000, (1500, 3000): 1500, (2500, 3000): 1000, (9000, 3000): 1000}
    cases |= {(0, 0): 2000, (10**6, 0): 2000, (0, 200): 300, (150, 600): 450, (550, 600): 300}
    for (step, steps), expected in cases.items():
        np.testing.assert_allclose(remaining(step, steps), expected, rtol=1e-6)


@pytest.mark.parametrize(("steps", "share"), [(3000, 0.2), (20000, 0.25)])
def test_an_error_that_keeps_the_pace_falls_as_a_power_of_what_remains(steps, share):
    first = 2.0
    planned = 1.0 - pace(tf.ones(steps, tf.float64), tf.range(steps), steps, share).numpy()
    error = first * planned.cumprod()
    np.testing.assert_allclose(error[2 * steps // 3 - 1], first * (1 / 3) ** (1 / share), rtol=0.02)
    expected = first * (1 / 3) ** (1 / share) * np.exp(-1 / share)
    np.testing.assert_allclose(error[-1], expected, rtol=0.03)


def test_pace_is_twice_as_fast_below_the_tolerance_and_never_slowed_down_there():
    errors = np.linspace(-3, 3, 13)
    speed = pace(errors, 10, 1000, 0.2).numpy()
    np.testing.assert_allclose(speed[:6], -2.0 * speed[:6:-1])
    below = errors < 0
    np.testing.assert_array_equal(scheduled(speed, 5.0, errors)[below], speed[below])


def test_beyond_twice_the_likeliest_lambda_it_grows_like_the_root_of_time():
    error, speed, gain = 0.5, 1e-3, 10.0
    log_multiplier = float(np.log(2.0)) - error
    for _ in range(2000):
        log_multiplier += gain * float(scheduled(tf.constant(speed), log_multiplier, error))
    expected = np.exp(-error) * 2.0 * np.sqrt(1.0 + 2.0 * gain * speed * 2000)
    np.testing.assert_allclose(np.exp(log_multiplier), expected, rtol=0.02)
    before = float(np.log(2.0)) - error - 0.01
    assert float(scheduled(tf.constant(speed), before, error)) == np.float32(speed)


def test_lambda_counts_in_its_unit():
    """A constraint without the scale of a likelihood is slowed down later, by its unit."""
    u, error = tf.constant([2.0, 2.0 + np.log(60.0)], tf.float32), tf.constant([0.5, 0.5])
    plan = {"first": tf.constant(True), "step": tf.constant(0), "steps": tf.constant(3000)}
    bounds = {"low": tf.constant(LOW, tf.float32), "high": tf.constant(HIGH, tf.float32)}
    unit = tf.constant([0.0, np.log(60.0)], tf.float32)
    after, _ = PlannedPace()(u, error, tf.zeros((2, 2)), unit=unit, **plan, **bounds)
    expected = 10.0 * 0.5 / 900.0 * (2.0 * np.exp(-2.5)) ** 2
    np.testing.assert_allclose(after - u, expected, rtol=2e-3)


def test_far_above_the_tolerance_a_rise_is_followed_with_the_pace_and_a_fall_at_once():
    followed = tf.constant([2.0, 2.0, 2.0, -1.0, -1.0, 0.0])
    error = tf.constant([3.0, 2.005, 1.0, 2.0, 0.05, -2.0])
    expected = [2.01, 2.005, 1.0, 0.11, 0.05, -2.0]
    np.testing.assert_allclose(rate_limited(error, followed, 0.01), expected, rtol=1e-6)


def test_lambda_stays_on_the_side_of_its_start_that_the_error_is_on():
    proposal, log_multiplier, error, expected = (
        tf.constant(
            [
                [-9.0, -3.0, 2.0, -3.0],  # far above, at its start: does not fall
                [-9.0, -7.0, 1.2, -6.8],  # far above, below it: goes back
                [-1.0, -2.0, 2.0, -1.0],  # far above, beyond it: free
                [-9.0, -3.0, 0.05, -9.0],  # near: free
                [-1.0, -4.0, -0.5, -3.0],  # below the tolerance: does not rise beyond
                [-2.0, -1.0, -0.5, -2.0],  # below the tolerance, falling: free
            ]
        )
        .numpy()
        .T
    )
    found = led_back(*map(tf.constant, (proposal, log_multiplier, error)), -3.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_bounds_leave_the_integral_out_and_say_what_they_took():
    proposal, integral = [0.0, -4.0, -1.5, 7.0], [0.1, -0.5, -1.0, 2.0]
    bounded, taken = saturated(*map(tf.constant, (proposal, integral)), -1.0, 3.0)
    np.testing.assert_allclose(bounded, [0.0, -1.0, -0.5, 3.0])
    np.testing.assert_allclose(taken, [0.0, 2.5, 0.0, -2.0])


# The rules.


def transcribed(errors, steps, gain=10.0, share=0.3, start=-3.0):
    """Returns log lambda of `PlannedPace`, in NumPy, one number at a time."""
    u, f, record = start, errors[0], []
    for t, e in enumerate(errors):
        p = e / (share * (max(steps - t, steps / 3, 300) if steps else 2000))
        p *= 2.0 if e < 0 else 1.0
        if e > 0:
            p *= min(1.0, 2 * np.exp(-(u + e))) ** 2
        follows = min(e, max(f, 0.1) + p)
        proposal = u + gain * (follows - f + p)
        if e > 0.1:
            proposal = max(proposal, min(start, u + e / 6))
        if e < 0:
            proposal = min(proposal, max(start, u))
        if not LOW <= proposal <= HIGH:
            proposal -= gain * p
        u = min(max(proposal, LOW), HIGH)
        f = follows + (u - proposal) / gain
        record.append(u)
    return np.array(record)


@pytest.mark.parametrize("steps", [0, 500, 5000])
def test_planned_pace_against_numpy(steps):
    walk = np.random.default_rng(0).normal(0.0, 0.2, size=1000).cumsum()
    np.testing.assert_allclose(
        given(walk, planned=steps, start=-3.0), transcribed(walk, steps), atol=0.02
    )


def test_exponential_against_numpy():
    errors = np.random.default_rng(0).normal(0.0, 3.0, size=200)
    expected, u = [], 0.0
    for error in errors:
        u = np.clip(u + 0.5 * error, LOW, HIGH)
        expected.append(u)
    found = given(errors, start=0.0, rule=Exponential(0.5))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("rule", [PlannedPace(), Exponential(0.1)])
def test_each_constraint_and_each_way_of_running_alike(rule):
    """Of any shape, eager, as a graph, compiled by XLA; each constraint as if it were alone."""
    random = np.random.default_rng(0)
    shape = (2, 3)
    u, error, *memory = random.normal(size=(2 + rule.memory_size, *shape)).astype("float32")
    memory = np.array(memory, "float32").reshape((rule.memory_size, *shape))
    first = random.random(shape) < 0.5
    plan = {"step": tf.constant(7, tf.int64), "steps": tf.constant(500, tf.int64)}
    bounds = {"low": np.full(shape, LOW, "float32"), "high": np.full(shape, HIGH, "float32")}
    eager = rule(*map(tf.constant, (u, error, memory)), first=first, **plan, **bounds)
    for jit in (False, True):
        compiled = tf.function(rule.__call__, jit_compile=jit)
        for found, expected in zip(
            compiled(*map(tf.constant, (u, error, memory)), first=first, **plan, **bounds),
            eager,
            strict=True,
        ):
            assert found.dtype == tf.float32
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    one = np.s_[1, 2]
    alone = rule(
        *map(tf.constant, (u[one], error[one], memory[:, 1, 2])),
        first=first[one],
        **plan,
        **{name: bound[one] for name, bound in bounds.items()},
    )
    np.testing.assert_allclose(alone[0], eager[0][one], rtol=1e-6)


# The loop, after slack times. Lambda is to return within a factor of 3 in 500 steps.


@pytest.mark.parametrize("planned", [0, 3000, 20000])
def test_lambda_returns_to_what_it_was_when_a_constraint_was_slack(planned):
    errors = np.r_[np.zeros(500), np.full(4000, -3.0), np.zeros(1000)]
    u = given(errors, planned=planned)
    assert abs(u[5000] - u[499]) < FACTOR_3
    assert u.max() < u[499] + FACTOR_3


@pytest.mark.parametrize("planned", [0, 3000, 25000])
@pytest.mark.parametrize(("easy", "steps"), [(0.9, 20000), (0.5, 4000), (0.05, 4000)])
def test_lambda_returns_to_what_is_needed_when_easy_data_become_hard(planned, easy, steps):
    """An error of log 0.9 = -0.1 for 20,000 steps, and of log 0.05 = -3 for 4,000."""
    _, u = closed(
        np.r_[np.full(500, HARD), np.full(steps, easy), np.full(2000, HARD)], planned=planned
    )
    after = u[500 + steps :]
    assert abs(after[500] - needed(HARD)) < FACTOR_3
    assert after.max() < np.log(3.0)


@pytest.mark.parametrize("planned", [0, 4000, 20000])
def test_lambda_finds_a_tolerance_that_steps_from_slack_to_tight(planned):
    """From 0.6 to 0.1, of a root-mean-square error: 36 times in the error."""
    easy = HARD / 36
    _, u = closed(np.r_[np.full(2000, easy), np.full(2000, HARD)], planned=planned)
    assert abs(u[2500] - needed(HARD)) < FACTOR_3
    assert u.max() < np.log(3.0)


def test_of_two_constraints_the_slack_one_returns_when_it_is_needed():
    """The second is slack until the data change; from then on it is the first."""
    before, after = np.tile([HARD, 0.3], (5000, 1)), np.tile([0.3, HARD], (1500, 1))
    _, u = closed(np.r_[before, after], planned=6500)
    assert u[4999, 1] < u[4999, 0] - FACTOR_3
    assert abs(u[5500, 1] - needed(HARD)) < FACTOR_3
    assert u.max() < np.log(3.0)


# The loop, at other lengths and from other starts.


@pytest.mark.parametrize("start", [1e-4, 0.04, 1.0])
@pytest.mark.parametrize("planned", [600, 3000, 20000])
def test_the_tolerance_is_met_at_any_length_from_any_start(planned, start):
    error, u = closed(np.full(planned, HARD), lag=30.0, planned=planned, start=np.log(start))
    assert abs(error[-planned // 20 :].mean()) < 0.02
    assert abs(u[-1] - needed(HARD)) < 0.1


def test_a_training_may_go_on_after_its_planned_end():
    error, _ = closed(np.full(3000, HARD), planned=300)
    assert abs(error[-500:]).max() < 0.01


@pytest.mark.parametrize("start", [1e-4, 0.04, 1.0])
def test_out_of_reach_lambda_does_not_explode(start):
    """One per cent of the error answers lambda = 1, and it never meets the tolerance."""
    error, u = closed(np.full(6000, 2.0 / REST), planned=3000, start=np.log(start))
    assert error[-1] > np.log(1.9)
    assert u.max() < np.log(100.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PlannedPace(gain=0), "`gain` must be a positive number. Received: gain=0"),
        (
            lambda: PlannedPace(share="all"),
            "`share` must be a positive number. Received: share='all'",
        ),
        (lambda: Exponential(rate=-1), "`rate` must be a positive number. Received: rate=-1"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("rule", [PlannedPace(5.0, share=0.3), Exponential(0.02), Rule()])
def test_rules_survive_serialisation(rule):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rule))
    assert type(copy) is type(rule)
    assert copy.get_config() == rule.get_config()
