"""Photographs on disk: CelebA in the files that its authors publish, and folders of one's own."""

import zipfile

import keras
import numpy as np
import pytest

import tf_geco
from tests.test_datasets import gathered

ATTRIBUTES = 40


def celeb_a(folder, builder):
    """Writes CelebA's own files, seven faces of them, and returns their paths by name.

    Faces 1 to 4 are for training, 5 for validation, 6 and 7 for testing. Face n is of grey 30 n,
    and has the first n attributes.
    """
    names = [f"{number:06d}.jpg" for number in range(1, 8)]
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for number, name in enumerate(names, 1):
            file = folder / name
            keras.utils.save_img(file, np.full((218, 178, 3), 30.0 * number), scale=False)
            archive.write(file, f"img_align_celeba/{name}")
    head = {
        "list_attr_celeba": builder.ATTR_HEADINGS,
        "landmarks_celeba": builder.LANDMARK_HEADINGS,
    }
    value = {
        "list_attr_celeba": lambda n, place: 1 if place < n else -1,
        "landmarks_celeba": lambda n, place: 50 + place,
    }
    paths = {"img_align_celeba": folder / "img_align_celeba.zip"}
    for kind, columns in head.items():
        rows = [
            f"{name} " + " ".join(f"{value[kind](n, k):2d}" for k in range(len(columns)))
            for n, name in enumerate(names, 1)
        ]
        paths[kind] = folder / f"{kind}.txt"
        paths[kind].write_text("\n".join([str(len(names)), " ".join(columns), *rows, ""]))
    parts = {
        "list_eval_partition": zip(names, [0, 0, 0, 0, 1, 2, 2], strict=True),
        "identity_celeba": zip(names, range(1, 8), strict=True),
    }
    for kind, rows in parts.items():
        paths[kind] = folder / f"{kind}.txt"
        paths[kind].write_text("".join(f"{name} {number}\n" for name, number in rows))
    return paths


def test_celeb_a_is_read_from_the_files_of_its_authors(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    from tensorflow_datasets.datasets.celeb_a import (  # noqa: PLC0415
        celeb_a_dataset_builder as builder,
    )

    raw = tmp_path / "raw"
    raw.mkdir()
    paths = celeb_a(raw, builder)
    monkeypatch.setattr(
        tfds.download.DownloadManager, "download", lambda self, urls: {k: paths[k] for k in urls}
    )
    options = {"data_dir": str(tmp_path), "image_size": 16}
    train, test = tf_geco.datasets.load("celeb_a", batch_size=4, **options)
    (x, y), (held_out, attributes) = gathered(train), gathered(test)
    assert x.shape == (4, 16, 16, 3)
    assert y.shape == (4, ATTRIBUTES)
    number = np.rint(x.mean((1, 2, 3)) * 255 / 30).astype(int)
    np.testing.assert_array_equal(np.sort(number), [1, 2, 3, 4])
    np.testing.assert_array_equal(y.sum(1), number)
    np.testing.assert_allclose(held_out.mean((1, 2, 3)) * 255, [180, 210], atol=1.5)
    np.testing.assert_array_equal(attributes.sum(1), [6, 7])


def folder_of(path, greys):
    """Writes a wide photograph of each grey, whose sides are black, and returns the folder."""
    path.mkdir()
    for number, grey in enumerate(greys):
        image = np.zeros((20, 60, 3))
        image[:, 20:40] = grey
        keras.utils.save_img(path / f"{number}.png", image, scale=False)
    return path


def test_a_folder_of_folders_has_a_class_for_each(tmp_path):
    for name, grey in (("cats", 100), ("dogs", 200)):
        folder_of(tmp_path / name, [grey] * 10)
    train, test = tf_geco.datasets.load("image_folder", 6, path=tmp_path, image_size=8)
    assert train.element_spec[0].shape == (6, 8, 8, 3)
    for pipeline in (train, test):
        x, y = gathered(pipeline)
        np.testing.assert_allclose(x.mean((1, 2, 3)), (100 + 100 * y) / 255, atol=1e-6)
    assert len(gathered(test)[0]) == 2


def test_a_folder_is_split_by_its_seed_and_no_image_is_lost(tmp_path):
    greys = np.arange(20, 220, 10)
    folder = folder_of(tmp_path / "mine", greys)

    def parts(seed):
        options = {"path": str(folder), "image_size": 8, "seed": seed}
        return [
            np.rint(gathered(part)[0].mean((1, 2, 3)) * 255)
            for part in tf_geco.datasets.load("image_folder", 1, **options)
        ]

    train, test = parts(0)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), greys)
    assert len(test) == 2
    np.testing.assert_array_equal(parts(0)[1], test)
    assert {tuple(parts(seed)[1]) for seed in range(1, 4)} != {tuple(test)}


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"folder of at least two images.*{tmp_path}"):
        tf_geco.datasets.load("image_folder", path=tmp_path)


def test_folders_of_splits_are_what_they_say(tmp_path):
    greys = {"train": {"cats": 40, "dogs": 80}, "test": {"cats": 120, "dogs": 160}}
    for split, classes in greys.items():
        (tmp_path / split).mkdir()
        for name, grey in classes.items():
            folder_of(tmp_path / split / name, [grey] * 3)
    for split, classes in greys.items():
        pipeline = tf_geco.datasets.load("image_folder", 3, split, path=tmp_path, image_size=8)
        x, y = gathered(pipeline)
        assert len(x) == 6
        expected = np.array([*classes.values()])[y]
        np.testing.assert_allclose(255 * x.mean((1, 2, 3)), expected, atol=1e-4)


@pytest.mark.parametrize("place", ["a/deeper", "."])
def test_images_whose_class_would_be_a_guess_are_refused(tmp_path, place):
    for name in ("a", "b"):
        folder_of(tmp_path / name, [10, 20])
    (tmp_path / place).mkdir(exist_ok=True)
    keras.utils.save_img(tmp_path / place / "odd.png", np.zeros((8, 8, 3)), scale=False)
    with pytest.raises(ValueError, match=r"a class each.*\.png in it"):
        tf_geco.datasets.load("image_folder", path=tmp_path)
