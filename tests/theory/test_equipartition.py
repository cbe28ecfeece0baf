import numpy as np
import pytest
from scipy.optimize import minimize

from tf_geco.theory import equipartition, fixed_points, merge, restriction_error


def energies(data, psi):
    return ((data[:, None] - psi[None]) ** 2).sum(-1) / 2


def negative_elbo(gamma, H, temperature):
    return -np.log(np.exp(-H / temperature) @ gamma).mean()


def test_gamma_solves_proposition_5():
    H = np.random.default_rng(0).uniform(0, 1, (7, 3))
    found = equipartition(H, 0.3)
    assert found.converged
    weights = np.exp(-H / 0.3)
    left = (weights / (weights @ found.gamma)[:, None]).sum(0)
    np.testing.assert_allclose(found.occupation, left / 7, rtol=1e-9)
    kept = found.gamma > 1e-6
    np.testing.assert_allclose(left[kept], 7, rtol=1e-6)
    assert (left <= 7 * (1 + 1e-8)).all()
    np.testing.assert_allclose(found.gamma.sum(), 1, rtol=1e-12)


def test_gamma_maximises_the_elbo():
    H = np.random.default_rng(3).uniform(0, 1, (9, 4))
    found = equipartition(H, 0.5)
    best = minimize(
        negative_elbo,
        np.full(4, 0.25),
        (H, 0.5),
        bounds=[(0, 1)] * 4,
        tol=1e-14,
        constraints={"type": "eq", "fun": lambda g: g.sum() - 1},
    )
    assert negative_elbo(found.gamma, H, 0.5) <= best.fun + 1e-8


def test_low_temperature_shares_the_prior_equally_among_data_points():
    data = np.random.default_rng(0).normal(size=(6, 2))
    found = equipartition(energies(data, data), 1e-6)
    np.testing.assert_allclose(found.gamma, 1 / 6, rtol=1e-9)
    np.testing.assert_allclose(negative_elbo(found.gamma, energies(data, data), 1e-3), np.log(6))


def test_equal_shares_take_fixed_points_down_to_ln_n():
    """Tiles of equal mass overpay; the masses of Proposition 5 bring the KL to ln n."""
    data = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 2))
    points = fixed_points(data, 1e-6, grid=(8, 8), max_steps=3000, tolerance=1e-9, dtype="float64")
    assert points.kl > np.log(8)
    gamma = equipartition(energies(data, points.psi), 1e-6).gamma
    shares = np.bincount(energies(data, points.psi).argmin(0), gamma)
    np.testing.assert_allclose(-np.log(shares).mean(), np.log(8), rtol=1e-6)


def test_posteriors_of_fixed_points_are_mixtures_of_prior_restrictions(two_clusters):
    found = fixed_points(
        two_clusters,
        0.03,
        grid=(5, 5),
        smoothing=0.0,
        max_steps=5000,
        tolerance=1e-12,
        dtype="float64",
    )
    elements = merge(found.psi, 1e-4)
    assert elements.max() == 1  # two clusters
    assert restriction_error(found.responsibilities, elements) < 1e-6
    assert restriction_error(found.responsibilities, np.zeros(25)) > 1  # one element is too few


def test_elements_that_are_no_use_lose_their_mass():
    found = equipartition([[0.0, 5.0, 9.0], [5.0, 0.0, 9.0]], 0.5)
    np.testing.assert_allclose(found.gamma, [0.5, 0.5, 0], atol=1e-9)
    assert found.occupation[2] < 1


def test_a_run_that_does_not_converge_says_so():
    H = np.random.default_rng(0).uniform(0, 1, (7, 3))
    found = equipartition(H, 0.3, max_steps=2)
    assert not found.converged
    assert found.steps == 2
    assert found.gap > 0


BAD = {
    "vector": ([1.0], 1.0, "finite matrix"),
    "nan": ([[np.nan]], 1.0, "finite matrix"),
    "zero temperature": ([[1.0]], 0.0, "temperature=0.0"),
}


@pytest.mark.parametrize(("H", "temperature", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(H, temperature, match):
    with pytest.raises(ValueError, match=match):
        equipartition(H, temperature)


def test_restrictions_need_an_element_for_each_tile():
    with pytest.raises(ValueError, match="one element for each tile"):
        restriction_error([[1.0, 1.0]], [0])
