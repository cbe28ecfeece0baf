"""Figures show what they are given."""

from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest

from tf_geco import plotting

matplotlib.use("agg")


def test_information_plane_ties_the_models_of_a_name_by_rising_kl():
    points = [SimpleNamespace(kl=kl, nll=nll) for kl, nll in [(3.0, 1.0), (1.0, 4.0), (2.0, 2.0)]]
    figure = plotting.information_plane({"GECO": points, "ELBO": [(5.0, 0.5)]})
    first, second = figure.axes[0].lines
    np.testing.assert_array_equal(first.get_xydata(), [[1, 4], [2, 2], [3, 1]])
    np.testing.assert_array_equal(second.get_xydata(), [[5, 0.5]])
    assert figure.axes[0].get_xlabel() == "KL (nats)"
    assert [text.get_text() for text in figure.axes[0].get_legend().texts] == ["GECO", "ELBO"]


def test_information_plane_counts_orders_of_magnitude_where_kls_differ_by_them():
    near, far = (plotting.information_plane({"m": [(1, 1), (kl, 2)]}) for kl in (3, 100))
    assert near.axes[0].get_xscale() == "linear"
    assert far.axes[0].get_xscale() == "log"


def test_latent_scatter_gives_each_posterior_a_colour():
    samples = np.random.default_rng(0).normal(size=(30, 7, 2))
    axes = plotting.latent_scatter(samples, title="GECO").axes[0]
    assert len(axes.collections) == 7
    colours = {tuple(points.get_facecolor()[0]) for points in axes.collections}
    assert len(colours) == 7
    np.testing.assert_allclose(axes.collections[3].get_offsets(), samples[:, 3])
    assert len(axes.patches) == 3


@pytest.mark.parametrize("many", [10, 11, 60])
def test_latent_scatter_of_many_posteriors(many):
    axes = plotting.latent_scatter(np.zeros((2, many, 2))).axes[0]
    assert len({tuple(points.get_facecolor()[0]) for points in axes.collections}) == many


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="`results` must hold at least one model"):
        plotting.information_plane({})
    with pytest.raises(ValueError, match=r"`samples` must be \[S, n, 2\]"):
        plotting.latent_scatter(np.zeros((5, 3)))
