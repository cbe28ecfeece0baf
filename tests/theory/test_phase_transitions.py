import numpy as np
import pytest

from tf_geco.theory import (
    cluster_centers,
    first_critical_temperature,
    merge,
    phase_transitions,
)
from tf_geco.theory.transitions import highest_peaks, second_derivative


@pytest.mark.parametrize("a", [0.1, 1.0, 30.0])
def test_two_points_merge_at_their_squared_distance_from_the_mean(a):
    data, temperatures = [[-a], [a]], np.linspace(0.5, 1.5, 51) * a**2
    start = {"grid": (8,), "tolerance": 1e-5 * a}
    found = phase_transitions(data, temperatures, seeds=(0, 1), top=1, **start)
    np.testing.assert_allclose(first_critical_temperature(data), a**2, rtol=1e-12)
    np.testing.assert_allclose(found.critical_temperatures, [a**2], rtol=0.03)
    assert (len(found.below[0]), len(found.above[0])) == (2, 1)


@pytest.mark.parametrize("variances", [(1.0, 0.3), (1.0, 0.6, 0.3, 0.2, 0.1)], ids=["2-D", "5-D"])
def test_anisotropic_gaussians_merge_last_at_the_largest_eigenvalue(variances):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(200, len(variances))) * np.sqrt(variances)
    critical = np.linalg.eigvalsh(np.cov(data.T, bias=True))[-1]
    np.testing.assert_allclose(first_critical_temperature(data), critical, rtol=1e-12)
    found = phase_transitions(
        data,
        np.linspace(0.8, 1.3, 41) * critical,
        seeds=(0,),
        grid=(5, 5),
        max_steps=1000,
        tolerance=1e-4,
    )
    np.testing.assert_allclose(found.critical_temperatures.max(), critical, rtol=0.03)
    np.testing.assert_allclose(found.critical_temperatures[0], critical, rtol=0.03)
    assert len(found.above[0]) == 1


def test_nested_clusters_merge_group_by_group():
    corners = np.array([[-1.0, 0.0], [1.0, 0.0]])
    data = np.concatenate([c + 0.2 * corners for c in corners])  # two pairs of points
    temperatures = np.geomspace(0.005, 2.0, 60)
    found = phase_transitions(data, temperatures, grid=(4, 4), top=8, seeds=(0,))
    sides = {
        (len(below), len(above)): temperature
        for temperature, below, above in zip(
            found.critical_temperatures, found.below, found.above, strict=True
        )
    }
    np.testing.assert_allclose(sides[4, 2], 0.2**2, rtol=0.1)
    np.testing.assert_allclose(sides[2, 1], 1 + 0.2**2, rtol=0.1)


def test_u_grows_and_kl_falls_with_temperature(two_clusters):
    found = phase_transitions(
        two_clusters, np.geomspace(1e-3, 1, 20), grid=(4, 4), seeds=(0,), max_steps=2000
    )
    assert (np.diff(found.squared_error) > -1e-6).all()
    assert (np.diff(found.kl) < 1e-6).all()
    assert found.converged.all()


def test_unfinished_runs_are_reported(two_clusters):
    found = phase_transitions(
        two_clusters, np.geomspace(1e-3, 1, 20), grid=(4, 4), seeds=(0,), max_steps=2
    )
    assert not found.converged.any()
    assert np.isfinite(found.squared_error).all()


def test_second_derivative_is_exact_for_parabolas_on_uneven_grids():
    x = np.geomspace(1, 5, 9)
    np.testing.assert_allclose(second_derivative(3 * x**2 - x + 1, x), 6)


def test_peaks_are_the_highest_first_and_apart():
    heights = [0, 5, 4, 6, 0, 0, 3, 0, 9]
    assert highest_peaks(heights, top=5, separation=1).tolist() == [3, 1, 6]
    assert highest_peaks(heights, top=5, separation=3).tolist() == [3, 6]
    assert highest_peaks(heights, top=1, separation=1).tolist() == [3]
    assert highest_peaks(np.ones(5), top=3, separation=1).tolist() == []


def test_merge_follows_chains():
    psi = np.array([[0.0], [0.9], [1.8], [5.0], [5.5]])
    assert merge(psi, 1.0).tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_allclose(cluster_centers(psi, 1.0), [[0.9], [5.25]])


BAD = {
    "too few": ([0.1, 0.2], {}, "at least 5"),
    "falling": ([5.0, 4.0, 3.0, 2.0, 1.0], {}, "increasing"),
    "zero": ([0.0, 1.0, 2.0, 3.0, 4.0], {}, "Received: temperatures=0.0"),
    "no top": ([1.0, 2.0, 3.0, 4.0, 5.0], {"top": 0}, "top=0"),
    "no seeds": ([1.0, 2.0, 3.0, 4.0, 5.0], {"seeds": ()}, "seeds=()"),
}


@pytest.mark.parametrize(("temperatures", "options", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(two_clusters, temperatures, options, match):
    with pytest.raises(ValueError, match=match.replace("(", r"\(").replace(")", r"\)")):
        phase_transitions(two_clusters, temperatures, **options)
