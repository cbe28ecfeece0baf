import numpy as np
import pytest

from tests.theory import reference
from tf_geco.theory import blurred_decoder, equiprobable_supports, tiled_elbo, tiled_posterior

DATA = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
MASS = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
OVERLAPPING = np.array([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0]], bool)


def test_posterior_is_the_prior_on_its_support():
    m = tiled_posterior(OVERLAPPING, MASS)
    np.testing.assert_allclose(m @ MASS, 1)
    for row, support in zip(m, OVERLAPPING, strict=True):
        np.testing.assert_allclose(row[support], 1 / MASS[support].sum())
        assert (row[~support] == 0).all()


def test_decoder_averages_with_inverse_prior_mass_and_leaves_holes_open():
    psi = blurred_decoder(DATA, OVERLAPPING, MASS)
    pi = OVERLAPPING @ MASS
    expected = (DATA[0] / pi[0] + DATA[1] / pi[1]) / (1 / pi[0] + 1 / pi[1])  # Eq. 17
    np.testing.assert_allclose(psi[1], expected)
    np.testing.assert_allclose(psi[[0, 3]], DATA[[0, 2]])
    assert np.isnan(psi[4]).all()
    covered = psi[:4]
    np.testing.assert_allclose(
        covered, reference.decoder(DATA, tiled_posterior(OVERLAPPING, MASS)[:, :4])
    )


def test_no_other_decoder_has_a_higher_elbo():
    def error(psi):
        squares = ((DATA[:, None] - psi) ** 2).sum(-1)
        return (tiled_posterior(OVERLAPPING, MASS) * MASS * squares).sum(1).mean()

    best = np.nan_to_num(blurred_decoder(DATA, OVERLAPPING, MASS))
    np.testing.assert_allclose(tiled_elbo(DATA, OVERLAPPING, MASS).squared_error, error(best))
    rng = np.random.default_rng(0)
    for _ in range(10):
        moved = best + 0.1 * rng.normal(size=best.shape)
        assert error(moved) > error(best)


def test_a_partition_is_a_fixed_point_of_equations_3_and_4():
    supports = np.array([[1, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]], bool)
    psi = blurred_decoder(DATA, supports, MASS)
    energy = ((DATA[:, None] - psi) ** 2).sum(-1) / (2 * 1e-3)
    m = np.exp(-energy) / (np.exp(-energy) @ MASS)[:, None]
    np.testing.assert_allclose(m, tiled_posterior(supports, MASS), atol=1e-12)


def test_equiprobable_partitions_cost_ln_n_and_no_partition_costs_less():
    best = tiled_elbo(DATA, equiprobable_supports(3, 12), np.full(12, 1 / 12))
    assert best.squared_error == 0
    np.testing.assert_allclose(best.kl, np.log(3))
    np.testing.assert_allclose(best.log_points, np.log(3))
    rng = np.random.default_rng(0)
    for _ in range(20):
        owner = np.r_[0:3, rng.integers(0, 3, 9)]
        other = tiled_elbo(DATA, owner == np.arange(3)[:, None], np.full(12, 1 / 12))
        assert other.kl >= np.log(3) - 1e-12
        assert other.elbo <= best.elbo + 1e-12


def test_overlap_saves_kl_and_pays_with_blur():
    everywhere = tiled_elbo(DATA, np.ones((3, 5), bool), MASS, temperature=2.0)
    np.testing.assert_allclose(everywhere.kl, 0, atol=1e-12)
    np.testing.assert_allclose(everywhere.squared_error, DATA.var(0).sum())
    np.testing.assert_allclose(everywhere.elbo, -DATA.var(0).sum() / 4)


BAD = {
    "empty support": (lambda: tiled_posterior([[0, 0]], [0.5, 0.5]), "a tile for every point"),
    "mass": (lambda: tiled_posterior([[1, 1]], [0.5, 0.6]), "sum to 1"),
    "misfit mass": (lambda: tiled_posterior([[1, 1]], [1.0]), "2 tiles"),
    "misfit data": (
        lambda: blurred_decoder(DATA[:2], OVERLAPPING, MASS),
        "2 points and 3 supports",
    ),
    "zero temperature": (
        lambda: tiled_elbo(DATA, OVERLAPPING, MASS, temperature=0.0),
        "temperature=0.0",
    ),
    "uneven": (lambda: equiprobable_supports(3, 10), "num_tiles=10"),
}


@pytest.mark.parametrize(("call", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
