"""Figures show what they are given, in axes of their own or in those they are given."""

import sys
import warnings
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgba

import tf_geco
from tf_geco import plotting, theory

matplotlib.use("agg")

RANDOM = np.random.default_rng(0)
PATH = RANDOM.uniform(size=(5, 6, 2))
DATA = RANDOM.uniform(size=(7, 2))
IMAGES = RANDOM.uniform(size=(6, 9, 8, 1))
FOUND = SimpleNamespace(
    temperatures=np.linspace(0.1, 1, 10),
    squared_error=np.linspace(0.1, 1, 10) ** 2,
    second_derivative=-np.arange(10.0),
    critical_temperatures=np.array([0.3, 0.7]),
)
SUPPORTS = np.zeros((2, 4, 4), bool)
SUPPORTS[0, :, :2] = SUPPORTS[1, :2, 1:3] = True
MASS = np.full(16, 1 / 16)
DECODER = theory.blurred_decoder(DATA[:2], SUPPORTS.reshape(2, 16), MASS).reshape(4, 4, 2)
LIMIT = np.array([2.0, 1.0, 0.0]), np.array([0.0, 0.1, 1.0])
RECORD = {
    "step": np.arange(4),
    "cost": np.array([1.0, 9.0, 8.0, 7.0]),
    "measured": np.array([[0.9, 5.0], [0.3, 4.0], [0.2, 3.0], [0.1, 2.0]]),
    "multiplier": np.array([[1.0, 2.0], [10.0, 4.0], [30.0, 8.0], [50.0, 16.0]]),
}


@pytest.fixture(autouse=True)
def _close():
    yield
    pyplot.close("all")


# Public function -> arguments, options, and the texts that its axes must show, one set for each.
FIGURES = {
    "blur_and_holes": ((DATA[:2], SUPPORTS, DECODER), {}, [{"latent space"}, {"data space"}]),
    "draw_fixed_points": ((DATA, PATH), {}, [{"data", "fixed points", "trajectories"}]),
    "draw_limit": (LIMIT, {}, [{"limit"}]),
    "information_plane": (
        ({"GECO": [(1.0, 5.0)]},),
        {"limit": LIMIT},
        [{"KL (nats)", "NLL (nats per pixel)", "GECO", "limit"}],
    ),
    "latent_map": (
        (RANDOM.normal(size=(9, 5)), np.arange(9) % 3),
        {"title": "VAE"},
        [{"VAE", "component 1", "of variance", "0", "2"}],
    ),
    "latent_paths": (
        (RANDOM.uniform(size=(2, 3, 9, 8, 1)),),
        {"names": ["z_4", "z_9"], "values": [-2.5, 0, 2.5]},
        [{"z_4", "z_9", "-2.5", "0"}],
    ),
    "latent_scatter": ((RANDOM.normal(size=(9, 3, 2)),), {"title": "GECO"}, [{"GECO", "z_1"}]),
    "lipschitz_fixed_points": (
        ([DATA], [[PATH], [PATH]], [["a"], ["b"]], ["free", "local"]),
        {},
        [{"a", "free"}, {"b", "local"}],
    ),
    "nll_guide": (
        (tf_geco.evaluation.nll_guide(RANDOM.poisson(3.0, (80, 4)), "poisson"),),
        {},
        [{"one for all", "2", "KL in nats", "NLL", "reaches less than"}],
    ),
    "phase_transitions": (
        (DATA, [PATH], ["a"]),
        {"transitions": FOUND},
        [{"a"}, {"temperature", "t_c^{1}", "u(t)"}, {"temperature", "t_c^{2}", "partial"}],
    ),
    "rate_distortion": (
        ({"data": SimpleNamespace(readings=[0.1, 0.2], kl=[9.0, 1.0], name="an_error")},),
        {"limit": ([0.1, 0.2], [5.0, 0.5])},
        [{"data", "limit", "an error"}],
    ),
    "samples_grid": (({"data": IMAGES, "samples": IMAGES},), {}, [{"data", "samples"}]),
    "tolerance_guide": (
        (tf_geco.tolerance_guide(IMAGES.astype("float32")),),
        {},
        [{"RMS error", "components", "PCA", "tolerances"}, {"PCA", "mean"}, {"blurred", "data"}],
    ),
    "trajectory": (
        (RECORD,),
        {"tolerance": 0.2},
        [
            {"information plane", "KL (nats)", "reconstruction error"},
            {"error", "step", "kappa"},
            {"weight of the KL", "step", "beta"},
        ],
    ),
}


def texts(axes):
    """Returns all that axes say, and the names of what is drawn."""
    labels = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
    labels += axes.get_legend_handles_labels()[1]
    artists = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]
    return "\n".join([*labels, *(text.get_text() for text in artists)])


def contents(axes):
    """Returns how many things of each kind are drawn."""
    return [len(things) for things in (axes.lines, axes.collections, axes.patches, axes.images)]


def test_every_public_function_is_drawn_here():
    assert sorted(FIGURES) == plotting.__all__


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_labelled_and_drawn_alike_into_new_and_given_axes(name):
    arguments, options, expected = FIGURES[name]
    draw = getattr(plotting, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(*arguments, **options)
        figure.canvas.draw()
        for axes, words in zip(figure.axes, expected, strict=True):
            assert all(word in texts(axes) for word in words), texts(axes)
        # A part of a figure, because the figure returned is the whole.
        mine = pyplot.figure(figsize=(12, 6), layout="constrained")
        part, _ = mine.subfigures(1, 2, width_ratios=[9, 1])
        given = part.subplots(1, len(expected), squeeze=False).ravel()
        many = {"axes": given if len(given) > 1 else given[0]}
        assert draw(*arguments, **options, **many) is mine
        mine.canvas.draw()
    assert mine.axes == list(given)
    assert [contents(axes) for axes in given] == [contents(axes) for axes in figure.axes]
    for axes, words in zip(given, expected, strict=True):
        assert all(word in texts(axes) for word in words), texts(axes)


@pytest.mark.parametrize("name", [name for name, case in FIGURES.items() if len(case[2]) > 1])
def test_figures_of_several_panels_say_how_many_axes_they_need(name):
    arguments, options, expected = FIGURES[name]
    one = pyplot.figure().subplots()
    with pytest.raises(ValueError, match=f"must be {len(expected)} matplotlib axes. Received: 1."):
        getattr(plotting, name)(*arguments, **options, axes=one)


def test_fixed_points_are_red_data_blue_and_trajectories_grey():
    axes = plotting.draw_fixed_points(DATA, PATH).axes[0]
    data, red = axes.lines
    np.testing.assert_array_equal(data.get_xydata(), DATA)
    np.testing.assert_array_equal(red.get_xydata(), PATH[-1])
    assert (data.get_color(), red.get_color()) == ("tab:blue", "tab:red")
    grey = axes.collections[0]
    np.testing.assert_array_equal(grey.get_segments(), PATH.transpose(1, 0, 2))
    assert np.ptp(grey.get_colors()[0][:3]) == 0


def test_figure_1_marks_blurred_averages_and_holes():
    latent, space = plotting.blur_and_holes(DATA[:2], SUPPORTS, DECODER).axes
    image = latent.images[0].get_array()
    assert (image[~SUPPORTS.any(0)] == 0).all()  # holes are black
    red = [line for line in space.lines if line.get_color() == "tab:red"]
    np.testing.assert_allclose(red[0].get_xydata()[0], DECODER[0, 1])


def test_figure_2_shows_panels_and_critical_temperatures():
    figure = plotting.phase_transitions(DATA, [PATH] * 3, ["a", "b", "c"], transitions=FOUND)
    *panels, error, bend = figure.axes
    assert [axes.get_title() for axes in panels] == ["a", "b", "c"]
    for axes in (error, bend):
        grey = [line for line in axes.lines if to_rgba(line.get_color()) == to_rgba("0.6")]
        assert [line.get_xdata()[0] for line in grey] == [0.3, 0.7]
    np.testing.assert_array_equal(bend.lines[-1].get_ydata(), np.arange(10.0))  # |u''|
    figure.canvas.draw()


def test_figure_3_draws_one_constraint():
    named = {**RECORD, "names": np.array(["first", "recall_of_eights"])}
    assert plotting.trajectory(named, index=1).axes[1].get_ylabel() == "recall of eights"
    plane, error, weight = plotting.trajectory(RECORD, index=1).axes
    for axes, x, y in (
        (plane, RECORD["cost"], [5, 4, 3, 2]),
        (error, RECORD["step"], [5, 4, 3, 2]),
        (weight, RECORD["step"], [1 / 2, 1 / 4, 1 / 8, 1 / 16]),
    ):
        np.testing.assert_allclose(axes.collections[0].get_offsets(), np.column_stack([x, y]))


def test_figure_7_has_a_panel_for_each_row_and_column():
    titles = [["a", "b"], ["c", "d"], ["e", "f"]]
    figure = plotting.lipschitz_fixed_points(
        [DATA, DATA], [[PATH] * 2] * 3, titles, ["x", "y", "z"]
    )
    assert [axes.get_title() for axes in figure.axes] == list("abcdef")
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == ["x", "y", "z"]
    figure.canvas.draw()


def test_rows_of_images_are_as_long_as_the_shortest():
    colour = RANDOM.uniform(size=(4, 9, 8, 3))
    image = plotting.samples_grid({"grey": IMAGES[..., 0], "colour": colour}).axes[0].images[0]
    expected = np.concatenate([np.concatenate(list(row[:4]), 1) for row in (IMAGES, colour)][1:])
    np.testing.assert_array_equal(image.get_array()[9:], expected)
    assert image.get_array().shape == (18, 32, 3)


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


def test_limit_is_drawn_by_rising_kl():
    axes = plotting.draw_limit(*LIMIT).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("KL (nats)", "reconstruction error")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 1], [1, 0.1], [2, 0]])
    assert len(axes.collections) == 1  # what is out of reach is shaded


def test_information_plane_draws_the_limit_beside_models():
    axes = plotting.information_plane({"model": [(1.0, 5.0)]}, limit=LIMIT).axes[0]
    np.testing.assert_array_equal(axes.lines[1].get_xydata(), [[0, 1], [1, 0.1], [2, 0]])
    labels = [text.get_text() for text in axes.get_legend().texts]
    assert labels == ["model", "limit"]
    plotting.information_plane({"model": [(1.0, 5.0)]}, axes=axes)
    axes.figure.canvas.draw()


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


BAD = {
    "figure 1": (lambda: plotting.blur_and_holes(DATA, DATA, DATA), "must be"),
    "figure 2": (
        lambda: plotting.phase_transitions(DATA, [PATH], [], transitions=FOUND),
        "one title",
    ),
    "figure 3": (lambda: plotting.trajectory({"step": []}), "holds no steps"),
    "figure 4": (lambda: plotting.information_plane({}), "`results` must hold at least one model"),
    "figure 7": (
        lambda: plotting.lipschitz_fixed_points([DATA], [[PATH] * 2], [["a"]]),
        "Every row",
    ),
    "figure 8": (
        lambda: plotting.latent_scatter(np.zeros((5, 3))),
        r"`samples` must be \[S, n, 2\]",
    ),
    "labels": (
        lambda: plotting.lipschitz_fixed_points([DATA], [[PATH]], [["a"]], ["x", "y"]),
        "one label",
    ),
    "3-D data": (lambda: plotting.draw_fixed_points(np.ones((4, 3)), PATH), r"\[n, 2\]"),
    "no rows": (lambda: plotting.samples_grid({}), "at least one row"),
    "no images": (lambda: plotting.samples_grid({"data": DATA}), "Row 'data' must hold images"),
}


@pytest.mark.parametrize(("call", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'tf_geco\[plot\]'"):
        plotting.lipschitz_fixed_points([DATA], [[PATH]], [["a"]])


def test_latent_map_draws_principal_components_by_label():
    rng = np.random.default_rng(0)
    far = np.outer(np.arange(30) - 14.5, [3.0, 0.0, 4.0])
    latents = far + rng.normal(size=(30, 3)) * [0.1, 1.0, 0.1]
    labels = np.array(["low", "high"])[(np.arange(30) >= 15).astype(int)]
    axes = plotting.latent_map(latents, labels).axes[0]
    drawn = {part.get_label(): part.get_offsets() for part in axes.collections}
    assert sorted(drawn) == ["high", "low"]
    along = np.concatenate([drawn["low"], drawn["high"]])[:, 0]
    np.testing.assert_allclose(np.abs(along), 5 * np.abs(np.arange(30) - 14.5), atol=0.5)
    assert axes.get_xlabel().startswith("component 1 (100%")
    colours = {tuple(part.get_facecolor()[0]) for part in axes.collections}
    assert len(colours) == 2


def test_latent_map_takes_a_projection_and_a_scale():
    latents = RANDOM.normal(size=(8, 4))
    figure = plotting.latent_map(latents, np.linspace(0, 1, 8), projection=lambda z: z[:, 2:])
    axes, scale = figure.axes
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), latents[:, 2:])
    assert scale.get_label() == "<colorbar>"
    axes = plotting.latent_map(latents[:, :2]).axes[0]
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), latents[:, :2])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plotting.latent_map(np.zeros((5, 1))), r"at least two dim.*\(5, 1\)"),
        (lambda: plotting.latent_map(np.zeros((5, 3)), np.arange(4)), r"`labels` must be \[5\]"),
        (
            lambda: plotting.latent_map(np.zeros((5, 3)), projection=lambda z: z),
            r"must return \[5, 2\]. Received: an array of shape \(5, 3\)",
        ),
        (lambda: plotting.latent_paths(np.zeros((5, 6))), r"\[R, S, H, W, C\].*\(5, 6\)"),
        (lambda: plotting.latent_paths(np.zeros((2, 3, 4, 4)), names=["a"]), "1 names"),
        (lambda: plotting.latent_paths(np.zeros((2, 3, 4, 4)), values=[1]), "3 columns"),
    ],
)
def test_latents_that_cannot_be_drawn_are_named(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
