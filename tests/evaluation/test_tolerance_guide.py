"""What an error means: PCA against naive NumPy, blurs that hit their error, table and figure."""

import matplotlib
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tf_geco import plotting
from tf_geco.evaluation.approximations import blur_to_error, contrast, principal_components

matplotlib.use("agg")


@pytest.fixture(scope="module")
def images():
    """Smooth random images in [0, 1], as float32."""
    waves = np.random.default_rng(0).normal(size=(60, 12, 10, 1)).cumsum(1).cumsum(2)
    low, high = waves.min((1, 2, 3), keepdims=True), waves.max((1, 2, 3), keepdims=True)
    return ((waves - low) / (high - low)).astype("float32")


def residual(rows, components):
    """Returns the RMS error of PCA by a full SVD, one example and one component at a time."""
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    mean = rows.mean(0)
    directions = np.linalg.svd(rows - mean)[2][:components]
    errors = []
    for row in rows:
        code = sum((((row - mean) @ v) * v for v in directions), np.zeros_like(mean))
        errors.append(np.mean((row - mean - code) ** 2))
    return np.sqrt(np.mean(errors))


@pytest.mark.parametrize("shape", [(60, 40), (30, 40), (50, 4, 6), (200, 6), (40, 5, 9)])
def test_errors_are_those_of_a_naive_pca(shape):
    rows = np.random.default_rng(1).normal(size=shape).cumsum(-1)
    guide = tf_geco.tolerance_guide(rows, [])
    assert guide.components == tuple(k for k in (0, 2, 8, 32) if k < min(shape[0], rows[0].size))
    expected = [residual(rows, k) for k in guide.components]
    np.testing.assert_allclose(guide.errors, expected, rtol=1e-9)
    assert list(guide.errors) == sorted(guide.errors, reverse=True)
    assert guide.errors[0] == pytest.approx(np.sqrt(rows.reshape(len(rows), -1).var(0).mean()))


def test_projections_are_of_the_examples_and_near_them(images):
    guide = tf_geco.tolerance_guide(images)
    np.testing.assert_allclose(guide.projections[0], np.stack([images.mean(0)] * 3), atol=1e-6)
    errors = np.sqrt(np.mean((guide.projections - guide.examples) ** 2, axis=(2, 3, 4)))
    assert (np.diff(errors, axis=0) <= 0).all()
    spread = images.reshape(60, -1).std(1)
    chosen = guide.examples.reshape(3, -1).std(1)
    np.testing.assert_allclose(chosen, np.sort(spread)[[15, 30, 45]], rtol=1e-5)


@pytest.mark.parametrize("shape", [(20, 30), (30, 20)])
def test_directions_are_orthonormal_and_carry_their_variances(shape):
    rows = np.random.default_rng(2).normal(size=shape).cumsum(1)
    mean, variances, directions = principal_components(rows, 7)
    np.testing.assert_allclose(directions @ directions.T, np.eye(7), atol=1e-9)
    np.testing.assert_allclose(((rows - mean) @ directions.T).var(0), variances[:7])
    assert variances.sum() == pytest.approx(rows.var(0).sum())


@pytest.mark.parametrize("error", [1e-4, 0.05, 0.15])
def test_a_blur_hits_its_error_and_keeps_the_mean(images, error):
    pair = images[:5].astype(np.float64)
    assert contrast(pair).min() > error
    blurred, widths = blur_to_error(pair, error)
    np.testing.assert_allclose(np.sqrt(np.mean((blurred - pair) ** 2, (1, 2, 3))), error, rtol=1e-6)
    np.testing.assert_allclose(blurred.mean((1, 2)), pair.mean((1, 2)))
    assert (widths < blur_to_error(pair, error * 1.05)[1]).all()


def test_a_blur_is_gaussian():
    dot = np.zeros((1, 41, 41, 1))
    dot[0, 20, 20] = 1.0
    blurred, (width,) = blur_to_error(dot, 0.0235)
    place = np.arange(41) - 20
    normal = np.exp(-0.5 * (place / width) ** 2) / (width * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(blurred[0, :, :, 0], np.outer(normal, normal), atol=1e-6)


def test_the_guide_blurs_its_examples_to_each_tolerance(images):
    guide = tf_geco.tolerance_guide(images, [0.05, 0.1])
    assert guide.tolerances == (0.1, 0.05)
    errors = np.sqrt(np.mean((guide.blurred - guide.examples) ** 2, axis=(2, 3, 4)))
    np.testing.assert_allclose(errors, [[0.1] * 3, [0.05] * 3], rtol=0.01)
    assert (guide.widths[0] > guide.widths[1]).all()


def test_so_many_components_are_needed_and_no_fewer(images):
    guide = tf_geco.tolerance_guide(images, [0.02, 0.05])
    for tolerance, needed in zip(guide.tolerances, guide.needed, strict=True):
        assert residual(images, needed) <= tolerance < residual(images, needed - 1)


@pytest.mark.parametrize(
    "wrap",
    [
        tf.convert_to_tensor,
        lambda x: (x, np.arange(len(x))),
        lambda x: {"context": x[:, :1], "target": x},
        lambda x: tf.data.Dataset.from_tensor_slices(x).batch(7),
        lambda x: tf.data.Dataset.from_tensor_slices((x, np.arange(len(x)))).batch(16),
        lambda x: [x[:10], x[10:]],
    ],
)
def test_whatever_fit_takes_says_the_same(images, wrap):
    assert str(tf_geco.tolerance_guide(wrap(images))) == str(tf_geco.tolerance_guide(images))


def test_a_sample_is_uniform_without_repeats_and_by_seed():
    numbers = np.arange(1000, dtype="float32")[:, None]
    means = []
    for seed in range(20):
        guide = tf_geco.tolerance_guide(numbers, [], max_examples=100, seed=seed)
        assert guide.count == 100
        means.append(guide.projections[0, 0, 0])
    assert np.mean(means) == pytest.approx(499.5, abs=4 * 1000 / np.sqrt(12 * 100 * 20))
    assert len(set(means)) == 20
    again = tf_geco.tolerance_guide(numbers, [], max_examples=100, seed=19)
    assert again.projections[0, 0, 0] == means[-1]


def test_constant_data_have_no_error_to_ask_for():
    guide = tf_geco.tolerance_guide(np.full((5, 4, 4, 1), 0.5))
    assert guide.errors == (0.0,)
    assert guide.tolerances == ()
    assert "the mean of the data" in str(guide)
    plotting.tolerance_guide(guide)


def test_the_table_says_every_row_by_falling_error(images):
    guide = tf_geco.tolerance_guide(images)
    lines = str(guide).splitlines()
    assert lines[0] == "RMS error  meaning, on 60 examples of 12 x 10 x 1"
    errors = [float(line.split()[0]) for line in lines[1:]]
    assert errors == sorted(errors, reverse=True)
    means = ["the mean", "PCA with 2 ", "PCA with 8 ", "rounding of 8-bit"]
    means += [f"{tolerance:.4f}  *" for tolerance in guide.tolerances]
    for text in [*means, "pixels wide"]:
        assert text in str(guide)
    assert errors[-1] == pytest.approx(1 / 255 / np.sqrt(12), abs=5e-5)


def test_only_images_have_blurs_and_rounding():
    guide = tf_geco.tolerance_guide(np.random.default_rng(0).normal(size=(40, 6)))
    assert guide.rounding is None
    assert len(guide.blurred) == len(guide.widths) == 0
    assert "pixels" not in str(guide)


def test_images_outside_the_unit_range_are_warned_about(images):
    with pytest.warns(UserWarning, match="not in \\[0, 1\\]"):
        guide = tf_geco.tolerance_guide(255 * images)
    assert guide.rounding is None


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((0, 3)), {}, "The data are empty"),
        (np.zeros((1, 3)), {}, "at least two examples. Received: one"),
        (np.zeros((4, 3), np.uint8), {}, "divide bytes by 255. Received: dtype uint8"),
        (np.array([[0.0], [1.0], [np.nan]]), {}, "NaN or infinity in example 2"),
        ({"context": np.zeros((4, 3))}, {}, r"Received: the keys \['context'\]"),
        (np.eye(3), {"max_examples": 0}, "`max_examples` must be a positive integer"),
        (np.eye(3), {"tolerances": [0.1, -1.0]}, "`tolerances` must be"),
        (np.eye(3), {"tolerances": [0.1, 0.6]}, "`tolerances` must be below 0.4714"),
    ],
)
def test_errors_say_what_was_received(data, options, message):
    with pytest.raises(ValueError, match=message):
        tf_geco.tolerance_guide(data, **options)


def test_the_figure_shows_errors_tolerances_and_images(images):
    guide = tf_geco.tolerance_guide(images)
    curve, codes, blurs = plotting.tolerance_guide(guide).axes
    np.testing.assert_allclose(curve.lines[0].get_ydata(), guide.errors)
    assert [t.get_text() for t in blurs.get_xticklabels()] == [
        *(f"{t:g}" for t in guide.tolerances),
        "data",
    ]
    assert len(codes.get_xticks()) == len(guide.components) + 1
    assert codes.images[0].get_array().shape[1] == blurs.images[0].get_array().shape[1]


def test_the_figure_of_vectors_is_the_curve_alone():
    guide = tf_geco.tolerance_guide(np.random.default_rng(0).normal(size=(40, 6)))
    assert len(plotting.tolerance_guide(guide).axes) == 1
