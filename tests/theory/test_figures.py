import sys
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from tf_geco import theory
from tf_geco.plotting import theory as theory_figures

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
    theory_figures.draw_fixed_points(axes, DATA, PATH)
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
    figure = theory_figures.blur_and_holes(DATA[:2], supports, decoder)
    latent, space = figure.axes
    image = latent.images[0].get_array()
    assert (image[~supports.any(0)] == 0).all()  # holes are black
    red = [line for line in space.lines if line.get_color() == "tab:red"]
    np.testing.assert_allclose(red[0].get_xydata()[0], decoder[0, 1])
    figure.canvas.draw()


def test_figure_2_shows_panels_and_critical_temperatures():
    figure = theory_figures.phase_transitions(DATA, [PATH] * 3, ["a", "b", "c"], transitions=FOUND)
    *panels, error, bend = figure.axes
    assert [axes.get_title() for axes in panels] == ["a", "b", "c"]
    for axes in (error, bend):
        grey = [line for line in axes.lines if to_rgba(line.get_color()) == to_rgba("0.6")]
        assert [line.get_xdata()[0] for line in grey] == [0.3, 0.7]
    np.testing.assert_array_equal(bend.lines[-1].get_ydata(), np.arange(10.0))  # |u''|
    figure.canvas.draw()


def test_figure_7_has_a_panel_for_each_row_and_column():
    titles = [["a", "b"], ["c", "d"], ["e", "f"]]
    figure = theory_figures.lipschitz([DATA, DATA], [[PATH] * 2] * 3, titles, ["x", "y", "z"])
    assert [axes.get_title() for axes in figure.axes] == list("abcdef")
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == ["x", "y", "z"]
    figure.canvas.draw()


@pytest.mark.parametrize("kl_axis", ["x", "y"])
def test_limit_is_drawn_along_the_axes_of_the_plane(kl_axis):
    curve = SimpleNamespace(
        kl=np.array([2.0, 1.0, 0.0]), reconstruction_error=np.array([0, 0.1, 1])
    )
    axes = Figure().subplots()
    theory_figures.draw_limit(axes, curve, kl_axis=kl_axis)
    x, y = axes.lines[0].get_xydata().T
    kl, error = (x, y) if kl_axis == "x" else (y, x)
    np.testing.assert_array_equal(kl, [0, 1, 2])
    np.testing.assert_array_equal(error, [1, 0.1, 0])


BAD = {
    "figure 1": (lambda: theory_figures.blur_and_holes(DATA, DATA, DATA), "must be"),
    "figure 2": (
        lambda: theory_figures.phase_transitions(DATA, [PATH], [], transitions=FOUND),
        "one title",
    ),
    "figure 7": (lambda: theory_figures.lipschitz([DATA], [[PATH] * 2], [["a"]]), "Every row"),
    "labels": (
        lambda: theory_figures.lipschitz([DATA], [[PATH]], [["a"]], ["x", "y"]),
        "one label",
    ),
    "3-D data": (
        lambda: theory_figures.draw_fixed_points(Figure().subplots(), np.ones((4, 3)), PATH),
        r"\[n, 2\]",
    ),
    "axis": (lambda: theory_figures.draw_limit(None, FOUND, kl_axis="z"), "kl_axis='z'"),
}


@pytest.mark.parametrize(("call", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'tf_geco\[plot\]'"):
        theory_figures.lipschitz([DATA], [[PATH]], [["a"]])
