import numpy as np
import pytest
import tensorflow as tf

from tests.theory import reference
from tf_geco.theory import (
    fixed_points,
    largest_slope,
    lipschitz_fixed_points,
    lipschitz_lagrangian,
    lipschitz_multipliers,
    lipschitz_projection,
    lipschitz_weights,
    tile_centers,
    tile_distances,
)

GRID, TEMPERATURE = (4, 3), 0.02
PRIOR_MASS = np.arange(1.0, 13) / 78  # not uniform: pi must not cancel


@pytest.fixture
def problem(two_clusters):
    psi = tile_centers(GRID)
    m = reference.posterior(two_clusters, psi, TEMPERATURE)
    m /= (m @ PRIOR_MASS)[:, None]
    multipliers = np.random.default_rng(0).uniform(0, 0.02, (12, 12))
    weights = lipschitz_weights(GRID, multipliers + multipliers.T)
    return two_clusters, m, weights


def lagrangian(psi, problem):
    data, m, weights = (tf.constant(part) for part in problem)
    prior_mass = tf.constant(PRIOR_MASS)
    return lipschitz_lagrangian(psi, data, m, prior_mass, weights=weights, temperature=TEMPERATURE)


def optimum(problem):
    data, m, weights = problem
    return lipschitz_projection(m, PRIOR_MASS, weights, TEMPERATURE) @ reference.decoder(data, m)


def test_lagrangian_is_equation_23_term_by_term(problem):
    data, m, weights = problem
    psi = tile_centers(GRID)
    total = 0.0
    for i, x in enumerate(data):
        for a in range(12):
            total += m[i, a] * PRIOR_MASS[a] * ((x - psi[a]) ** 2).sum() / (2 * TEMPERATURE)
    for a in range(12):
        for b in range(12):
            total += weights[a, b] * ((psi[a] - psi[b]) ** 2).sum() / 2
    np.testing.assert_allclose(lagrangian(tf.constant(psi), problem), total / len(data))


def test_projection_makes_the_gradient_of_equation_23_vanish(problem):
    psi = tf.Variable(optimum(problem))
    with tf.GradientTape() as tape:
        value = lagrangian(psi, problem)
    assert np.abs(tape.gradient(value, psi)).max() < 1e-12 * value
    start = tf.Variable(reference.decoder(*problem[:2]))
    with tf.GradientTape() as tape:
        before = lagrangian(start, problem)
    assert np.abs(tape.gradient(before, start)).max() > 1e-3  # the test can fail
    assert value < before


def test_any_other_decoder_has_a_higher_lagrangian(problem):
    best, rng = optimum(problem), np.random.default_rng(0)
    least = lagrangian(tf.constant(best), problem)
    for _ in range(20):
        assert lagrangian(tf.constant(best + 0.01 * rng.normal(size=best.shape)), problem) > least


def test_the_papers_equation_25_is_not_a_minimum(problem):
    """The slip: as printed the matrix to invert is singular, and the sign of the coupling wrong."""
    data, m, weights = problem
    laplacian = np.diag(weights.sum(1)) - weights
    assert np.linalg.matrix_rank(laplacian) < len(laplacian)
    ratio = (TEMPERATURE / (PRIOR_MASS * m.sum(0)))[:, None]
    minus = np.linalg.solve(np.eye(12) - ratio * laplacian, reference.decoder(data, m))
    psi = tf.Variable(minus)
    with tf.GradientTape() as tape:
        value = lagrangian(psi, problem)
    assert np.abs(tape.gradient(value, psi)).max() > 1e-3


def test_rows_sum_to_one_and_constants_are_kept(problem):
    _, m, weights = problem
    P = lipschitz_projection(m, PRIOR_MASS, weights, TEMPERATURE)
    np.testing.assert_allclose(P.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(P @ np.full((12, 2), 7.0), 7, rtol=1e-12)
    assert (P >= 0).all()  # an average of neighbours
    np.testing.assert_allclose(
        lipschitz_projection(m, PRIOR_MASS, 0 * weights, TEMPERATURE), np.eye(12), atol=1e-15
    )


@pytest.mark.parametrize("radius", [0.3, 1.0, np.inf])
@pytest.mark.parametrize("seed", range(3))
def test_largest_slope_falls_with_strength(radius, seed):
    grid, rng = (8, 8), np.random.default_rng(seed)
    data = rng.uniform(-0.5, 0.5, (30, 2))
    m = fixed_points(data, 0.01, grid=grid, seed=seed, dtype="float64").responsibilities
    slopes = []
    for strength in np.geomspace(1e-4, 1e4, 17):
        multipliers = lipschitz_multipliers(grid, radius=radius, strength=strength)
        weights = lipschitz_weights(grid, multipliers)
        P = lipschitz_projection(m, np.full(64, 1 / 64), weights, 0.01)
        slopes.append(largest_slope(P @ reference.decoder(data, m), grid))
    assert (np.diff(slopes) < 0).all()
    assert slopes[-1] < 1e-2 * slopes[0]


def test_tile_distances_are_the_integrals():
    grid, rng = (3, 2), np.random.default_rng(0)
    sides = np.array([1 / 3, 1 / 2])
    z, w = (
        tile_centers(grid)[:, None] + sides * rng.uniform(-0.5, 0.5, (6, 40_000, 2))
        for _ in range(2)
    )
    sampled = np.array([[((z[a] - w[b]) ** 2).sum(-1).mean() for b in range(6)] for a in range(6)])
    np.testing.assert_allclose(tile_distances(grid), sampled / 36, rtol=0.03)
    np.testing.assert_allclose(np.diag(tile_distances(grid)) * 36, (sides**2).sum() / 6)


def test_fixed_points_minimise_the_lagrangian_for_their_own_posterior(two_clusters):
    options = {"radius": 0.5, "strength": 0.3}
    found = lipschitz_fixed_points(
        two_clusters,
        TEMPERATURE,
        grid=GRID,
        smoothing=0.5,
        max_steps=5000,
        tolerance=1e-10,
        **options,
    )
    assert found.converged
    weights = lipschitz_weights(GRID, lipschitz_multipliers(GRID, **options))
    m = reference.posterior(two_clusters, found.psi, TEMPERATURE)
    P = lipschitz_projection(m, np.full(12, 1 / 12), weights, TEMPERATURE)
    np.testing.assert_allclose(found.psi, P @ reference.decoder(two_clusters, m), atol=1e-8)
    assert np.abs(P - np.eye(12)).max() > 0.1  # the constraint is felt


def test_strength_zero_is_unconstrained(two_clusters):
    bound = lipschitz_fixed_points(two_clusters, TEMPERATURE, strength=0.0, grid=GRID)
    free = fixed_points(two_clusters, TEMPERATURE, grid=GRID, dtype="float64")
    np.testing.assert_array_equal(bound.psi, free.psi)


def test_tiles_without_mass_interpolate_their_neighbours():
    m = np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 3.0]])  # the middle tile is nobody's
    chain = np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
    P = lipschitz_projection(m, np.full(3, 1 / 3), chain, 1e-6)
    np.testing.assert_allclose(P[1], [0.5, 0, 0.5], atol=1e-5)
    with pytest.raises(ValueError, match=r"singular.*empty tiles \[1\]"):
        lipschitz_projection(m, np.full(3, 1 / 3), np.zeros((3, 3)), 1.0)


SQUARE, ONES = np.ones((12, 12)), np.ones((2, 12))
ASYMMETRIC = np.triu(SQUARE)
BAD = {
    "asymmetric multipliers": (lambda: lipschitz_weights(GRID, ASYMMETRIC), "must be symmetric"),
    "negative multipliers": (lambda: lipschitz_weights(GRID, -SQUARE), "not negative"),
    "nan multipliers": (lambda: lipschitz_weights(GRID, SQUARE * np.nan), "must be finite"),
    "misfit multipliers": (lambda: lipschitz_weights((2, 2), SQUARE), r"shape \(12, 12\)"),
    "zero slope": (lambda: lipschitz_weights(GRID, SQUARE, slope=0), "slope=0"),
    "zero radius": (lambda: lipschitz_multipliers(GRID, radius=0), "radius=0"),
    "negative strength": (lambda: lipschitz_multipliers(GRID, strength=-1), "strength=-1"),
    "asymmetric weights": (
        lambda: lipschitz_projection(ONES, PRIOR_MASS, ASYMMETRIC, 1.0),
        "must be symmetric",
    ),
    "negative m": (lambda: lipschitz_projection(-ONES, PRIOR_MASS, SQUARE, 1.0), "not negative"),
    "prior mass": (lambda: lipschitz_projection(ONES, 2 * PRIOR_MASS, SQUARE, 1.0), "sum to 1"),
    "zero temperature": (
        lambda: lipschitz_projection(ONES, PRIOR_MASS, SQUARE, 0.0),
        "temperature=0.0",
    ),
    "misfit psi": (lambda: largest_slope(np.ones((3, 2)), GRID), "one row for each of the 12"),
}


@pytest.mark.parametrize(("call", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
