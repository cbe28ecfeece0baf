import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import linprog
from scipy.special import logsumexp

from tests.theory import reference
from tf_geco import theory
from tf_geco.theory import fixed_points, tile_centers
from tf_geco.theory.blocks import solve_blocks
from tf_geco.theory.iteration import advance, optimal_decoder
from tf_geco.theory.problems import initial_psi
from tf_geco.theory.reconstructions import observables

EXACT = {"dtype": "float64", "smoothing": 0.5, "tolerance": 1e-9, "max_steps": 20_000}


def test_every_name_of_the_theory_is_listed_sorted_and_there():
    assert theory.__all__ == sorted(theory.__all__)
    assert all(hasattr(theory, name) for name in theory.__all__)


@pytest.mark.parametrize("temperature", [0.003, 0.03, 0.3])
def test_iterates_as_the_naive_transcription_does(two_clusters, temperature):
    start = initial_psi(two_clusters, (4, 4), noise=0.1, seed=7)
    options = {"smoothing": 0.9, "max_steps": 60, "tolerance": 1e-3}
    psi, steps = reference.fixed_points(two_clusters, start, temperature, **options)
    found = fixed_points(two_clusters, temperature, grid=(4, 4), seed=7, dtype="float64", **options)
    np.testing.assert_allclose(found.psi, psi, atol=1e-12)
    assert found.steps == steps
    m = reference.posterior(two_clusters, psi, temperature)
    np.testing.assert_allclose(found.responsibilities, m, rtol=1e-8)
    np.testing.assert_allclose(
        found.squared_error, reference.reconstruction_error(two_clusters, psi, m)
    )
    np.testing.assert_allclose(found.kl, reference.kl(m), atol=1e-12)


def test_a_step_takes_one_result_whichever_way_exponentials_are_shifted(two_clusters):
    """Float32 against float64 sums of logarithms, from where nothing underflows to where all do."""
    psi, least = tile_centers((4, 4)), []
    log_mass = np.log(np.random.default_rng(0).dirichlet(np.ones(16)))
    single = [tf.constant(part, tf.float32) for part in (two_clusters, psi.T[None], log_mass[None])]
    step = tf.function(optimal_decoder, jit_compile=True)
    for temperature in np.geomspace(1e-5, 10, 25):
        energy = -((two_clusters[:, None] - psi) ** 2).sum(-1) / (2 * temperature)
        log_normalizer = logsumexp(energy + log_mass, axis=1, keepdims=True)
        log_m = energy - log_normalizer
        log_count = logsumexp(log_m, axis=0)
        best = np.exp(log_m - log_count).T @ two_clusters
        least.append(min(log_normalizer.min(), log_count.min()))
        found, count = step(single[0], tf.constant([temperature], tf.float32), *single[1:])
        error = 1e-5 + 1e-7 * np.abs(energy).max()  # float32 rounds the energies themselves
        np.testing.assert_allclose(found[0].numpy().T, best, atol=error)
        np.testing.assert_allclose(count[0], log_count, atol=10 * error)
    assert min(least) < np.log(1e-14) < max(least)  # both ways were taken


@pytest.mark.parametrize("num_values", [8, 9])
def test_dimensions_take_one_result_whichever_way_distances_are_computed(num_values):
    rng = np.random.default_rng(1)
    data = 100 + rng.normal(size=(15, num_values))  # far from the origin: cancellation would show
    start = data[:6] + 0.1
    options = {"smoothing": 0.9, "max_steps": 30, "tolerance": 0.0}
    psi, _ = reference.fixed_points(data, start, 0.7, **options)
    for dtype, atol in (("float64", 1e-9), ("float32", 2e-4)):
        found = fixed_points(data, 0.7, grid=(6,), initial=start, dtype=dtype, **options)
        np.testing.assert_allclose(found.psi, psi, atol=atol)


def test_every_fixed_point_satisfies_equations_3_and_4(two_clusters):
    temperatures = [0.002, 0.02, 0.2]
    found = fixed_points(two_clusters, temperatures, grid=(5, 5), **EXACT)
    assert found.converged.all()
    for temperature, psi, m in zip(temperatures, found.psi, found.responsibilities, strict=True):
        naive = reference.posterior(two_clusters, psi, temperature)
        np.testing.assert_allclose(m, naive, atol=1e-6)
        np.testing.assert_allclose(psi, reference.decoder(two_clusters, naive), atol=1e-6)
        np.testing.assert_allclose(m.mean(1), 1, atol=1e-12)


def test_psi_ends_in_the_convex_hull(two_clusters):
    found = fixed_points(two_clusters, [1e-6, 1e-2, 0.1], grid=(5, 5), **EXACT)
    for psi in found.psi.reshape(-1, 2):
        weights = linprog(  # distance, in the maximum norm, from psi to the nearest mixture
            np.r_[np.zeros(30), 1],
            A_ub=np.block(
                [[two_clusters.T, -np.ones((2, 1))], [-two_clusters.T, -np.ones((2, 1))]]
            ),
            b_ub=np.r_[psi, -psi],
            A_eq=np.r_[np.ones(30), 0][None],
            b_eq=[1],
        )
        assert weights.fun < 1e-7


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_is_stable_from_tiny_to_huge_temperatures(two_clusters, dtype):
    found = fixed_points(two_clusters, 10.0 ** np.arange(-6, 4), grid=(4, 4), dtype=dtype)
    assert all(np.isfinite(field).all() for field in vars(found).values())
    assert ((found.kl >= 0) & (found.kl <= np.log(16) + 1e-5)).all()
    low, high = two_clusters.min(0) - 0.01, two_clusters.max(0) + 0.01
    assert ((found.psi > low) & (found.psi < high)).all()


def test_low_temperature_reconstructs_perfectly_and_costs_ln_n():
    data = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 2))
    shared = np.repeat(data, 2, axis=0) + 0.01  # two tiles a point: an equiprobable partition
    found = fixed_points(data, 1e-6, grid=(4, 4), initial=shared, **EXACT)
    assert found.squared_error < 1e-12
    np.testing.assert_allclose(found.kl, np.log(8), rtol=1e-9)


def test_low_temperature_from_the_usual_start_costs_at_least_ln_n():
    data = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 2))
    found = fixed_points(data, 1e-6, grid=(8, 8), seed=range(4), **EXACT)
    assert (found.squared_error < 1e-12).all()
    assert (found.kl >= np.log(8) - 1e-9).all()
    # Equal tiles cannot share themselves out equally by themselves: KL = -mean ln (share).
    nearest = ((found.psi[:, :, None] - data) ** 2).sum(-1).argmin(-1)
    shares = np.stack([np.bincount(row, minlength=8) / 64 for row in nearest])
    np.testing.assert_allclose(found.kl, -np.log(shares).mean(1), rtol=1e-9)


def test_high_temperature_collapses_to_the_mean(two_clusters):
    found = fixed_points(two_clusters, [1.0, 1e3], grid=(4, 4), **EXACT)
    np.testing.assert_allclose(
        found.psi, np.broadcast_to(two_clusters.mean(0), (2, 16, 2)), atol=1e-7
    )
    assert (found.kl < 1e-9).all()
    np.testing.assert_allclose(found.squared_error, two_clusters.var(0).sum())


def test_two_points_follow_the_mean_field_equation():
    """With +-a and two tiles, psi = +-a t and t = tanh(a^2 t / temperature)."""
    for temperature in (0.3, 0.8, 0.95):
        found = fixed_points([[-1.0], [1.0]], temperature, grid=(2,), **EXACT)
        t = float(found.psi.max())
        assert t > 0.1
        np.testing.assert_allclose(t, np.tanh(t / temperature), atol=1e-7)
        np.testing.assert_allclose(found.squared_error, 1 - t**2, atol=1e-7)


def test_one_call_solves_all_temperatures_and_seeds_as_single_calls_do(two_clusters):
    options = {"grid": (4, 4), "max_steps": 50, "dtype": "float64"}
    temperatures, seeds = [0.003, 0.05, 0.4], [3, 5]
    together = fixed_points(two_clusters, temperatures, seed=seeds, **options)
    assert together.psi.shape == (3, 2, 16, 2)
    assert together.kl.shape == together.steps.shape == together.converged.shape == (3, 2)
    for k, temperature in enumerate(temperatures):
        for s, seed in enumerate(seeds):
            alone = fixed_points(two_clusters, temperature, seed=seed, **options)
            np.testing.assert_allclose(together.psi[k, s], alone.psi, atol=1e-12)
            assert together.steps[k, s] == alone.steps
    numbers = observables(two_clusters, temperatures, seed=seeds, **options)
    np.testing.assert_allclose(numbers.kl, together.kl, atol=1e-12)


def test_trajectory_runs_from_the_start_to_the_fixed_point(two_clusters):
    found = fixed_points(two_clusters, 0.05, grid=(4, 4), noise=0.0, record_every=1, max_steps=7)
    assert found.trajectory.shape == (8, 16, 2)
    np.testing.assert_allclose(found.trajectory[0], tile_centers((4, 4)), atol=1e-7)
    np.testing.assert_array_equal(found.trajectory[-1], found.psi)


def test_a_run_that_does_not_converge_says_so_and_returns_its_state(two_clusters):
    found = fixed_points(two_clusters, [0.085, 100.0], grid=(4, 4), max_steps=70)
    assert found.converged.tolist() == [False, True]
    assert found.steps[0] == 70
    assert np.isfinite(found.psi).all()


def test_a_second_call_compiles_nothing(two_clusters):
    options = {"grid": (3, 3), "max_steps": 20}
    fixed_points(two_clusters, 0.1, **options)
    before = advance.experimental_get_tracing_count()
    fixed_points(two_clusters, 0.2, smoothing=0.5, tolerance=1e-2, seed=4, **options)
    assert advance.experimental_get_tracing_count() == before


BAD = {
    "infinite data": ([[0.0], [np.inf]], 1.0, {}, "must be finite"),
    "nan data": ([[0.0], [np.nan]], 1.0, {}, "1 NaN or infinite"),
    "images": (np.zeros((3, 2, 2)), 1.0, {}, "must have rank 2"),
    "a vector": ([0.0, 1.0], 1.0, {}, "must have rank 2"),
    "one point": ([[0.0]], 1.0, {}, "at least two points"),
    "identical points": ([[1.0], [1.0]], 1.0, {}, "identical"),
    "zero temperature": ([[0.0], [1.0]], 0.0, {}, "Received: temperature=0.0"),
    "negative temperature": ([[0.0], [1.0]], [1.0, -2.0], {}, "Received: temperature=-2.0"),
    "nan temperature": ([[0.0], [1.0]], np.nan, {}, "Received: temperature=nan"),
    "no temperature": ([[0.0], [1.0]], [], {}, "non-empty"),
    "empty grid": ([[0.0], [1.0]], 1.0, {"grid": ()}, "`grid` must list positive"),
    "fractional grid": ([[0.0], [1.0]], 1.0, {"grid": (2.5,)}, "`grid` must list positive"),
    "smoothing 1": ([[0.0], [1.0]], 1.0, {"smoothing": 1.0}, "`smoothing` must be"),
    "no steps": ([[0.0], [1.0]], 1.0, {"max_steps": 0}, "`max_steps` must be"),
    "negative tolerance": ([[0.0], [1.0]], 1.0, {"tolerance": -1.0}, "`tolerance` must"),
    "negative noise": ([[0.0], [1.0]], 1.0, {"noise": -1.0}, "`noise` must"),
    "half precision": ([[0.0], [1.0]], 1.0, {"dtype": "float16"}, "Received: dtype='float16'"),
    "no record": ([[0.0], [1.0]], 1.0, {"record_every": 0}, "`record_every` must"),
    "misfit start": ([[0.0], [1.0]], 1.0, {"initial": [[0.0]]}, "`initial` must"),
}


@pytest.mark.parametrize(("data", "temperature", "options", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(data, temperature, options, match):
    with pytest.raises(ValueError, match=match):
        fixed_points(data, temperature, **options)


def test_blocks_are_solved_where_they_are_asked_for():
    with tf.device("CPU:1"):
        found = solve_blocks(lambda block: tf.zeros([]).device, 3)
    assert [device[-5:] for device in found] == 3 * ["CPU:1"]
