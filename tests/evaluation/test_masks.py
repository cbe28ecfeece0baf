"""Missing values: measures and the guide see what training sees, and only what is observed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import tf_geco
from tests.catalogue import MODELS, batches, mirrored
from tf_geco import evaluation
from tf_geco.evaluation.estimate import seeded


def masked(model, data):
    """Returns data with NaN where values are missing, with zeros there, and the mask."""
    target = np.asarray(model.target(data))
    mask = np.random.default_rng(0).uniform(size=target.shape) < 0.5
    mask[3] = False
    holes, filled = (np.where(mask, target, v).astype("float32") for v in (np.nan, 0))
    return model.with_target(data, holes), model.with_target(data, filled), mask


def figures(result):
    """Returns all numbers of a measure's result."""
    return np.hstack(list(vars(result).values()) if hasattr(result, "__dict__") else [result])


@pytest.mark.parametrize("name", ["dense", "users_networks", "conditional_conv_draw"])
def test_measures_of_what_is_observed_against_numpy(name):
    case = MODELS[name]
    model, data = case.build(), case.data(20)
    model(data)
    holes, filled, mask = masked(model, data)
    halves = [keras.tree.map_structure(lambda a, i=i: a[i : i + 10], filled) for i in (0, 10)]
    with seeded(model, 5):
        outputs = [model(half, training=False) for half in halves]
    kl = np.concatenate([o["kl"] for o in outputs]).astype(float)
    error = np.concatenate([o["reconstruction"] for o in outputs]).astype(float)
    error -= model.target(filled)
    some = [n for n in range(20) if mask[n].any()]
    squares = np.array([np.mean(error[n][mask[n]] ** 2) for n in some])
    sigma = np.sqrt(squares.mean())
    edges = [stats.norm.cdf((np.abs(error) + side / 510) / -sigma) for side in (-1, 1)]
    nats = -np.log(edges[0] - edges[1])
    nll = np.array([nats[n][mask[n]].mean() for n in some])

    data, options = (holes, {"mask": mask}), {"batch_size": 10, "seed": 5}
    average = evaluation.average_kl(model, data, **options)
    assert average.count == 20
    np.testing.assert_allclose(average.value, kl.mean(), rtol=1e-5)
    found = evaluation.optimal_sigma(model, data, **options)
    np.testing.assert_allclose(found, sigma, rtol=1e-5)
    found = evaluation.quantized_nll(model, data, sigma, **options)
    np.testing.assert_allclose(found.nats, nll.mean(), rtol=1e-4)
    np.testing.assert_allclose(found.standard_error, nll.std(ddof=1) / 19**0.5, rtol=1e-3)
    plane = evaluation.information_plane(model, data, **options)
    assert plane.count == 20
    found = [plane.kl, plane.nll, plane.reconstruction_error, plane.sigma]
    expected = [kl.mean(), nll.mean(), squares.mean(), sigma]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    expected = [values.std(ddof=1) / values.size**0.5 for values in (kl, nll, squares)]
    np.testing.assert_allclose(plane.standard_errors, expected, rtol=1e-3)
    if hasattr(model, "posterior"):
        found, expected = (evaluation.marginal_kl(model, d, 32) for d in (data, filled))
        assert found == expected


FORMS = {
    "weights": lambda x, y: (x, y, np.arange(20.0)),
    "dataset": lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)).batch(9),
    "triples": lambda x, y: tf.data.Dataset.from_tensor_slices((x, y, np.ones(20))).batch(20),
    "loader": lambda x, y: [(x[:1], {"mask": y["mask"][:1]}), (x[1:], {"mask": y["mask"][1:]})],
    "numbers": lambda x, y: (x, {"mask": y["mask"].astype("float32")}),
    "labels": lambda x, y: (x, {**y, "label": np.arange(20)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_honours_the_mask(form):
    case = MODELS["dense"]
    model, data = case.build(), case.data(20)
    model(data)
    holes, _, mask = masked(model, data)
    data = FORMS[form](holes, {"mask": mask})
    for measure in (evaluation.information_plane, evaluation.marginal_kl):
        expected = figures(measure(model, (holes, {"mask": mask}), batch_size=8))
        np.testing.assert_array_equal(figures(measure(model, data, batch_size=8)), expected)
    guide = tf_geco.tolerance_guide((holes, {"mask": mask}), [])
    assert tf_geco.tolerance_guide(data, []).errors == guide.errors


def test_a_mask_may_not_tell_an_axis_apart_and_one_of_all_is_none():
    case = MODELS["conv"]
    model, x = case.build(), case.data(12)
    model(x)
    columns = np.random.default_rng(1).uniform(size=(12, 1, 6, 1)) < 0.5
    holes = np.where(columns, x, np.nan)
    whole = np.broadcast_to(columns, x.shape)
    found, expected = (
        evaluation.information_plane(model, (holes, {"mask": mask}), batch_size=8)
        for mask in (columns, whole)
    )
    np.testing.assert_allclose(figures(found), figures(expected), rtol=1e-6)
    found, expected = (tf_geco.tolerance_guide((holes, {"mask": m}), []) for m in (columns, whole))
    assert found.errors == expected.errors
    every = (x, {"mask": np.ones(x.shape, bool)})
    found, expected = (evaluation.information_plane(model, data) for data in (every, x))
    np.testing.assert_allclose(figures(found), figures(expected), rtol=1e-6)
    assert str(tf_geco.tolerance_guide(every)) == str(tf_geco.tolerance_guide(x))


@pytest.mark.usefixtures("no_noise")
def test_two_replicas_measure_what_one_device_does():
    case = MODELS["dense"]
    one, data = case.build(), case.data(21)
    one(data)
    with mirrored().scope():
        two = case.build()
        two.build((None, *case.shape))
    two.set_weights(one.get_weights())
    holes, _, mask = masked(one, data)
    for measure in (evaluation.information_plane, evaluation.marginal_kl):
        expected, found = (figures(measure(m, (holes, {"mask": mask}))) for m in (one, two))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


MASK = np.ones((20, 6), bool)
WRONG = [
    (lambda x: (x, {"masks": MASK}), r"read from `y\['mask'\]`; is it `y\['masks'\]`"),
    (lambda x: (x, {"mask": MASK[:, :5]}), "must have the shape of the data"),
    (lambda x: (x, {"mask": MASK[:, 0]}), "must have the shape of the data"),
    (lambda x: (x, {"mask": MASK[:9]}), r"mask of shape \(9, 6\) for data of shape"),
    (lambda x: (x, MASK), "goes into a dictionary"),
    (lambda x: tf.data.Dataset.from_tensors((x, MASK)), "goes into a dictionary"),
    (lambda x: [(x, {"mask": MASK}), (x, np.arange(20))], "all batches have a mask, .* or none"),
    (lambda x: (x, {"mask": ~MASK}), "observed"),
    (lambda x: (np.full_like(x, np.nan), {"mask": MASK}), "finite"),
]


@pytest.mark.parametrize(("wrap", "message"), WRONG)
def test_a_wrong_mask_is_refused(wrap, message):
    case = MODELS["dense"]
    model, x = case.build(), case.data(20)
    model(x)
    with pytest.raises(ValueError, match=message):
        evaluation.information_plane(model, wrap(x), sigma=0.1)
    with pytest.raises(ValueError, match=message):
        tf_geco.tolerance_guide(wrap(x))


def test_data_that_would_broadcast_are_refused():
    case = MODELS["dense"]
    model = case.build()
    model(case.data(4))
    with pytest.raises(ValueError, match=r"built for data of shape \(None, 6\)"):
        evaluation.optimal_sigma(model, case.data(4)[:, np.newaxis])


class Rough(keras.layers.Layer):
    """Adds noise of its own, in training and out of it."""

    def __init__(self):
        super().__init__()
        self.noise = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), stddev=0.1, seed=self.noise)


def rough_vae():
    layers = keras.layers
    encoder = keras.Sequential([layers.Dense(4), Rough(), layers.BatchNormalization()])
    decoder = keras.Sequential([layers.Dropout(0.5), layers.Dense(6)])
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    return tf_geco.VAE(encoder, decoder, tf_geco.posteriors.DiagonalNormal(2), objective)


def test_measuring_changes_no_bit_of_the_next_step():
    data, states = MODELS["dense"].data(16), []
    for measures in (False, True):
        keras.utils.set_random_seed(3)
        model = rough_vae()
        model(data)
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
        for _ in range(2):
            model.fit(batches(data), verbose=0)
            if measures:
                holes, _, mask = masked(model, data)
                evaluation.information_plane(model, (holes, {"mask": mask}))
                evaluation.average_kl(model, data)
        states.append([variable.numpy() for variable in model.variables])
    for found, expected in zip(*states, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_model_with_one_generator_is_seeded_by_it():
    class Old:
        weights: tuple = ()

        def __init__(self):
            self.seed_generator = keras.random.SeedGenerator(3)
            self.variables = [self.seed_generator.state]

    model = Old()
    before = model.seed_generator.state.numpy()
    with seeded(model, 5):
        np.testing.assert_array_equal(model.seed_generator.state, [5, 0])
        model.seed_generator.next()
    np.testing.assert_array_equal(model.seed_generator.state, before)


@pytest.mark.parametrize("shape", [(60, 40), (30, 40), (50, 4, 6)])
def test_the_guides_errors_are_per_observed_value(shape):
    rows = np.random.default_rng(1).normal(size=shape).cumsum(-1)
    mask = np.random.default_rng(2).uniform(size=shape) < 0.8
    mask[7] = False
    mask.reshape(len(mask), -1)[:, 3] = False
    guide = tf_geco.tolerance_guide((np.where(mask, rows, np.nan), {"mask": mask}), [])
    kept = [n for n in range(len(rows)) if n != 7]
    flat, seen = (part[kept].reshape(len(kept), -1) for part in (rows, mask))
    mean = np.zeros(flat.shape[1])
    for place in set(range(len(mean))) - {3}:
        mean[place] = flat[seen[:, place], place].mean()
    filled = np.where(seen, flat, mean)
    directions = np.linalg.svd(filled - mean)[2]
    assert guide.count == len(kept)
    for components, found in zip(guide.components, guide.errors, strict=True):
        first = directions[:components]
        rest = filled - mean - (filled - mean) @ first.T @ first
        np.testing.assert_allclose(found, np.sqrt((rest**2).sum() / seen.sum()), rtol=1e-9)
        exact = np.sqrt(np.mean(rest[seen] ** 2))
        assert exact <= found * (1 + 1e-9)
        assert components or found == pytest.approx(exact, rel=1e-9)
    np.testing.assert_allclose(guide.projections[0].reshape(3, -1), [mean] * 3, atol=1e-12)
    flat_examples = guide.examples.reshape(3, -1)
    assert all(np.isclose(example, filled).all(axis=1).any() for example in flat_examples)


def test_the_guide_of_images_with_a_context_shows_and_blurs_filled_ones():
    case = MODELS["conditional_conv_draw"]
    data = case.data(30)
    mask = np.random.default_rng(0).uniform(size=data["target"].shape) < 0.8
    data["target"] = np.where(mask, data["target"], np.nan)
    guide = tf_geco.tolerance_guide((data, {"mask": mask}), [0.02])
    assert np.isfinite(guide.examples).all()
    assert guide.rounding is not None
    errors = np.sqrt(np.mean((guide.blurred - guide.examples) ** 2, axis=(2, 3, 4)))
    np.testing.assert_allclose(errors, 0.02, rtol=0.01)


def test_the_guide_warns_of_observed_values_only():
    images = np.random.default_rng(0).uniform(size=(20, 4, 4, 1))
    mask = np.random.default_rng(1).uniform(size=images.shape) < 0.5
    data = np.where(mask, images, 255.0), {"mask": mask}
    assert tf_geco.tolerance_guide(data, []).rounding is not None


def test_a_sample_of_masked_data_keeps_values_and_masks_together():
    numbers = np.arange(1.0, 101)[:, np.newaxis] * [1.0, 1.0]
    mask = np.ones((100, 2), bool)
    mask[::2, 0] = mask[1::2, 1] = False
    data = np.where(mask, numbers, -1e6), {"mask": mask}
    guide = tf_geco.tolerance_guide(data, [], max_examples=30)
    assert guide.count == 30
    assert guide.errors[0] == pytest.approx(numbers.std(), rel=0.3)
    assert guide.examples.min() > 0
