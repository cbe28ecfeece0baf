import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from scipy.stats import norm

from tf_geco import plotting, theory
from tf_geco.distributions import quantized_normal_log_prob

matplotlib.use("agg")

PATH = np.random.default_rng(0).uniform(size=(5, 6, 2))
DATA = np.random.default_rng(1).uniform(size=(7, 2))
FOUND = SimpleNamespace(
    betas=np.linspace(0.1, 1, 10),
    reconstruction_error=np.linspace(0.1, 1, 10) ** 2,
    second_derivative=-np.arange(10.0),
    critical_temperatures=np.array([0.3, 0.7]),
)


def test_every_name_of_the_theory_is_listed_sorted_and_there():
    assert theory.__all__ == sorted(theory.__all__)
    assert all(hasattr(theory, name) for name in theory.__all__)


def test_fixed_points_are_red_data_blue_and_trajectories_grey():
    axes = Figure().subplots()
    plotting.draw_fixed_points(axes, DATA, PATH)
    data, red = axes.lines
    np.testing.assert_array_equal(data.get_xydata(), DATA)
    np.testing.assert_array_equal(red.get_xydata(), PATH[-1])
    assert (data.get_color(), red.get_color()) == ("tab:blue", "tab:red")
    grey = axes.collections[0]
    np.testing.assert_array_equal(grey.get_segments(), PATH.transpose(1, 0, 2))
    assert np.ptp(grey.get_colors()[0][:3]) == 0


def test_figure_1_marks_blurred_averages_and_holes():
    supports = np.zeros((2, 4, 4), bool)
    supports[0, :, :2] = supports[1, :2, 1:3] = True
    mass = np.full(16, 1 / 16)
    decoder = theory.blurred_decoder(DATA[:2], supports.reshape(2, 16), mass).reshape(4, 4, 2)
    figure = plotting.blur_and_holes(DATA[:2], supports, decoder)
    latent, space = figure.axes
    image = latent.images[0].get_array()
    assert (image[~supports.any(0)] == 0).all()  # holes are black
    red = [line for line in space.lines if line.get_color() == "tab:red"]
    np.testing.assert_allclose(red[0].get_xydata()[0], decoder[0, 1])
    figure.canvas.draw()


def test_figure_2_shows_panels_and_critical_temperatures():
    figure = plotting.phase_transitions(DATA, [PATH] * 3, ["a", "b", "c"], transitions=FOUND)
    *panels, error, bend = figure.axes
    assert [axes.get_title() for axes in panels] == ["a", "b", "c"]
    for axes in (error, bend):
        grey = [line for line in axes.lines if to_rgba(line.get_color()) == to_rgba("0.6")]
        assert [line.get_xdata()[0] for line in grey] == [0.3, 0.7]
    np.testing.assert_array_equal(bend.lines[-1].get_ydata(), np.arange(10.0))  # |u''|
    figure.canvas.draw()


def test_figure_7_has_a_panel_for_each_row_and_column():
    titles = [["a", "b"], ["c", "d"], ["e", "f"]]
    figure = plotting.lipschitz_fixed_points(
        [DATA, DATA], [[PATH] * 2] * 3, titles, ["x", "y", "z"]
    )
    assert [axes.get_title() for axes in figure.axes] == list("abcdef")
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == ["x", "y", "z"]
    figure.canvas.draw()


CURVE = SimpleNamespace(kl=np.array([2.0, 1.0, 0.0]), reconstruction_error=np.array([0, 0.1, 1]))


def test_limit_is_drawn_in_kl_and_reconstruction_error():
    axes = Figure().subplots()
    plotting.draw_limit(axes, CURVE)
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 1], [1, 0.1], [2, 0]])
    assert len(axes.collections) == 1  # what is out of reach is shaded


@pytest.mark.parametrize("bin_width", [1 / 255, 0.2])
def test_information_plane_draws_the_limit_in_nats_per_pixel(bin_width):
    figure = plotting.information_plane({"model": [(1.0, 5.0)]}, limit=CURVE, bin_width=bin_width)
    kl, nll = figure.axes[0].lines[1].get_xydata().T
    np.testing.assert_array_equal(kl, [0, 1, 2])
    sigma = np.sqrt([1, 0.1])
    probability = norm.cdf(1 + bin_width / 2 / sigma) - norm.cdf(1 - bin_width / 2 / sigma)
    np.testing.assert_allclose(nll, [*-np.log(probability), 0], rtol=1e-6)
    gaussian = np.log(2 * np.pi * np.e * sigma**2) / 2 - np.log(bin_width)
    np.testing.assert_allclose(nll[:2], gaussian, rtol=0.01)
    labels = [text.get_text() for text in figure.axes[0].get_legend().texts]
    assert labels == ["model", "limit"]
    plotting.information_plane({"model": [(1.0, 5.0)]}, axes=figure.axes[0])
    figure.canvas.draw()


@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0, 30.0])
def test_no_distribution_of_errors_has_a_lower_nll_than_the_limit(ratio):
    """The quantized NLL at sigma_opt is convex in the squared error: equal errors cost least."""
    rng, width = np.random.default_rng(0), 1 / 255
    for shape in (0.2, 1.0, 5.0):
        residual = rng.gamma(shape, size=1000)
        residual *= ratio * width / np.sqrt((residual**2).mean())
        sigma = np.sqrt((residual**2).mean())
        curve = SimpleNamespace(kl=np.ones(1), reconstruction_error=np.array([sigma**2]))
        axes = Figure().subplots()
        plotting.draw_limit(axes, curve, bin_width=width)
        log_prob = quantized_normal_log_prob(tf.constant(residual), 0.0, sigma, width)
        assert -np.mean(log_prob) >= axes.lines[0].get_ydata()[0] - 1e-9


BAD = {
    "figure 1": (lambda: plotting.blur_and_holes(DATA, DATA, DATA), "must be"),
    "figure 2": (
        lambda: plotting.phase_transitions(DATA, [PATH], [], transitions=FOUND),
        "one title",
    ),
    "figure 7": (
        lambda: plotting.lipschitz_fixed_points([DATA], [[PATH] * 2], [["a"]]),
        "Every row",
    ),
    "labels": (
        lambda: plotting.lipschitz_fixed_points([DATA], [[PATH]], [["a"]], ["x", "y"]),
        "one label",
    ),
    "3-D data": (
        lambda: plotting.draw_fixed_points(Figure().subplots(), np.ones((4, 3)), PATH),
        r"\[n, 2\]",
    ),
    "bin width": (lambda: plotting.draw_limit(None, FOUND, bin_width=0.0), "bin_width=0.0"),
}


@pytest.mark.parametrize(("call", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'tf_geco\[plot\]'"):
        plotting.lipschitz_fixed_points([DATA], [[PATH]], [["a"]])
