"""A preset classifier of images, for the constraints that look through one."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from tf_geco.checks import is_positive_integer, positive_integer, positive_integers
from tf_geco.networks.presets import image_sizes
from tf_geco.schedules import as_schedule


def classifier(
    image_shape: Sequence[int] = (28, 28, 1),
    classes: int = 10,
    filters: Sequence[int] = (32, 64),
    hidden: int = 128,
    learning_rate: float = 2e-3,
) -> keras.Model:
    """Returns a small convolutional classifier, compiled: call `fit` on (image, label).

    Train it, save it, and give it to `tf_geco.constraints.ClassificationAccuracy`, or its layer
    `"features"` to `tf_geco.constraints.FeatureReconstructionError`; neither is trained with.

    Args:
        image_shape: Height, width and channels.
        classes: Number of classes.
        filters: Channels of each stage: a convolution, batch normalisation and a halving. The
            default suits digits; `(64, 128, 256)` suits CIFAR-10.
        hidden: Width of the layer called `"features"`.
        learning_rate: That of Adam.

    Returns:
        A model, images `[B, H, W, C]` -> class probabilities `[B, classes]`.

    Raises:
        ValueError: If `image_shape` has not three entries or `classes` is below two.

    Example:
    ```python
    train, test = tf_geco.datasets.load("mnist5k")
    classifier = tf_geco.models.classifier()
    classifier.fit(train, validation_data=test, epochs=10)
    classifier.save("classifier.keras")
    features = keras.Model(classifier.inputs, classifier.get_layer("features").output)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Table 1: "a simple convolutional MNIST classifier".
    """
    image_shape, classes = checked_sizes(image_shape, classes)
    filters, hidden = positive_integers(filters, "filters"), positive_integer(hidden, "hidden")
    stages = [layer for width in filters for layer in _stage(width)]
    model = keras.Sequential(
        [
            keras.Input(image_shape),
            *stages,
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(hidden, activation="relu", name="features"),
            layers.Dropout(0.3),
            layers.Dense(classes),
            layers.Activation("softmax", dtype="float32"),
        ],
        name="classifier",
    )
    return compiled(model, learning_rate)


def checked_sizes(image_shape: Sequence[int], classes: int) -> tuple[tuple[int, ...], int]:
    """Returns the shape of an image and the number of classes, at least two."""
    if not is_positive_integer(classes) or classes < 2:
        raise ValueError(
            f"`classes` must be an integer of at least 2. Received: classes={classes!r}."
        )
    return image_sizes(image_shape), int(classes)


def compiled(model: keras.Model, learning_rate: Any) -> keras.Model:
    """Returns a classifier, ready for `fit` on (image, label)."""
    model.compile(
        keras.optimizers.Adam(as_schedule(learning_rate, "learning_rate")),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA makes convolutions several times slower on a CPU
    )
    return model


def _stage(width: int) -> list[keras.Layer]:
    return [
        layers.Conv2D(width, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
        layers.MaxPooling2D(padding="same"),
    ]
