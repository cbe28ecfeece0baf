"""A preset residual classifier of small photographs, for features that see more than pixels."""

from collections.abc import Sequence

import keras
from keras import layers

from tf_geco.checks import positive_integer, positive_integers
from tf_geco.networks.image_classifier import checked_sizes, compiled


def resnet(
    image_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    filters: Sequence[int] = (16, 32, 64),
    blocks: int = 1,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 2e-3,
) -> keras.Model:
    """Returns a small residual network, compiled: call `fit` on (image, label).

    A convolution, then stages of residual blocks, each stage but the first at half the resolution
    of the one before, then the mean over the image and a softmax. Train it, save it, and give a
    layer of it to `tf_geco.constraints.FeatureReconstructionError`, to measure with: `"stage_1"`,
    `"stage_2"` and so on are maps, close to the pixels first; `"features"` is their mean at the
    end, blind to where things are.

    Args:
        image_shape: Height, width and channels.
        classes: Number of classes.
        filters: Channels of each stage.
        blocks: Residual blocks of two convolutions in each stage. The default, 1, trains on a CPU;
            3 is the ResNet-20 of the reference.
        learning_rate: That of Adam, or a schedule of it.

    Returns:
        A model, images `[B, H, W, C]` -> class probabilities `[B, classes]`.

    Raises:
        ValueError: If `image_shape` has not three entries, `classes` is below two, `filters` is
            empty or `blocks` is below one.

    Example:
    ```python
    train, test = tf_geco.datasets.load("cifar10")
    network = tf_geco.models.resnet()
    network.fit(train, validation_data=test, epochs=20)
    network.save("resnet.keras")
    middle = keras.Model(network.inputs, network.get_layer("stage_2").output)
    constraint = tf_geco.constraints.FeatureReconstructionError(0.5, middle)
    ```

    Reference:
        He et al., "Deep residual learning for image recognition", 2016, Section 4.2; Rezende and
        Viola, "Taming VAEs", 2018, Table 1, which takes features of a network trained on CIFAR-10.
    """
    image_shape, classes = checked_sizes(image_shape, classes)
    filters, blocks = positive_integers(filters, "filters"), positive_integer(blocks, "blocks")
    image = keras.Input(image_shape)
    x = layers.Activation("relu")(_convolution(image, filters[0], 3))
    for stage, width in enumerate(filters, start=1):
        for block in range(1, blocks + 1):
            halve = stage > 1 and block == 1
            name = f"stage_{stage}" if block == blocks else f"stage_{stage}_block_{block}"
            x = _block(x, width, strides=2 if halve else 1, name=name)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Dense(classes)(x)
    model = keras.Model(image, layers.Activation("softmax", dtype="float32")(x), name="resnet")
    return compiled(model, learning_rate)


def _block(x: keras.KerasTensor, width: int, strides: int, name: str) -> keras.KerasTensor:
    """Adds two convolutions to their input, which a third fits to them where the shape changes."""
    residual = layers.Activation("relu")(_convolution(x, width, 3, strides))
    residual = _convolution(residual, width, 3)
    if strides > 1 or x.shape[-1] != width:
        x = _convolution(x, width, 1, strides)
    return layers.Activation("relu", name=name)(layers.Add()([x, residual]))


def _convolution(
    x: keras.KerasTensor, width: int, size: int, strides: int = 1
) -> keras.KerasTensor:
    """Adds a convolution and its batch normalisation."""
    x = layers.Conv2D(
        width, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(x)
    return layers.BatchNormalization(momentum=0.9)(x)
