"""Preset encoders and decoders, by the shape of an example.

Images are centred first and all units are leaky, because colour images leave most plain ReLUs at
zero for good.
"""

import math
from collections.abc import Sequence

import keras
from keras import layers

from tf_geco.checks import positive_integer, positive_integers


def dense_networks(
    image_shape: Sequence[int], latent_dim: int, hidden: Sequence[int] = (512, 256)
) -> tuple[keras.Model, keras.Model]:
    """Returns a fully connected encoder and decoder for data of any shape.

    Args:
        image_shape: Shape of one example, such as `(28, 28, 1)` or `(16,)`.
        latent_dim: Number of latent dimensions d.
        hidden: Widths of the encoder's hidden layers; the decoder mirrors them. The default suits
            images of a few thousand pixels.

    Returns:
        Encoder `[B, *image_shape] -> [B, hidden[-1]]` and decoder `[B, d] -> [B, *image_shape]`,
        with values in [0, 1].

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
    ```python
    encoder, decoder = tf_geco.models.dense_networks((28, 28, 1), latent_dim=16)
    ```
    """
    shape = positive_integers(image_shape, "image_shape")
    hidden = positive_integers(hidden, "hidden")
    latent_dim = positive_integer(latent_dim, "latent_dim")
    encoder = keras.Sequential(
        [
            keras.Input(shape),
            _centred(),
            layers.Flatten(),
            *[layers.Dense(width, activation="leaky_relu") for width in hidden],
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((latent_dim,)),
            *[layers.Dense(width, activation="leaky_relu") for width in reversed(hidden)],
            layers.Dense(math.prod(shape)),
            layers.Reshape(shape),
            _unit_range(),
        ],
        name="decoder",
    )
    return encoder, decoder


def conv_networks(
    image_shape: Sequence[int],
    latent_dim: int,
    filters: Sequence[int] = (32, 64),
    hidden: int = 256,
    kernel_size: int = 4,
) -> tuple[keras.Model, keras.Model]:
    """Returns a convolutional encoder and decoder for images of any size.

    Each entry of `filters` halves the image with a strided convolution; the decoder doubles it back
    and cuts what the rounding of odd sizes added.

    Args:
        image_shape: Height, width and channels.
        latent_dim: Number of latent dimensions d.
        filters: Channels after each halving. The default suits 28 x 28 and 32 x 32 images; add an
            entry for each further doubling.
        hidden: Width of the dense layer on either side of the latents.
        kernel_size: Side of the kernels; a multiple of the stride of 2 avoids checkerboards.

    Returns:
        Encoder `[B, H, W, C] -> [B, hidden]` and decoder `[B, d] -> [B, H, W, C]`, with values in
        [0, 1].

    Raises:
        ValueError: If a size is not a positive integer, or `image_shape` has not three entries.

    Example:
    ```python
    encoder, decoder = tf_geco.models.conv_networks((64, 64, 3), 64, filters=(32, 64, 128))
    ```
    """
    height, width, channels = image_sizes(image_shape)
    filters = positive_integers(filters, "filters")
    latent_dim = positive_integer(latent_dim, "latent_dim")
    hidden = positive_integer(hidden, "hidden")
    kernel_size = positive_integer(kernel_size, "kernel_size")
    small = [math.ceil(side / 2 ** len(filters)) for side in (height, width)]
    excess = [
        side * 2 ** len(filters) - full for side, full in zip(small, (height, width), strict=True)
    ]
    conv = {"strides": 2, "padding": "same"}
    encoder = keras.Sequential(
        [
            keras.Input((height, width, channels)),
            _centred(),
            *[layers.Conv2D(f, kernel_size, activation="leaky_relu", **conv) for f in filters],
            layers.Flatten(),
            layers.Dense(hidden, activation="leaky_relu"),
        ],
        name="encoder",
    )
    upward = [
        layers.Conv2DTranspose(f, kernel_size, activation="leaky_relu", **conv)
        for f in reversed(filters[:-1])
    ]
    decoder = keras.Sequential(
        [
            keras.Input((latent_dim,)),
            layers.Dense(hidden, activation="leaky_relu"),
            layers.Dense(small[0] * small[1] * filters[-1], activation="leaky_relu"),
            layers.Reshape((*small, filters[-1])),
            *upward,
            layers.Conv2DTranspose(channels, kernel_size, **conv),
            layers.Cropping2D([(e // 2, e - e // 2) for e in excess]),
            _unit_range(),
        ],
        name="decoder",
    )
    return encoder, decoder


def _centred() -> layers.Layer:
    """Returns the first layer: values in [0, 1] moved to [-1, 1]."""
    return layers.Rescaling(2.0, offset=-1.0)


def _unit_range() -> layers.Layer:
    """Returns the last layer: values in [0, 1], in float32 even under mixed precision."""
    return layers.Activation("sigmoid", dtype="float32")


def ends_in_sigmoid(network: keras.Layer) -> bool:
    """Returns whether the last layer of a network is a sigmoid: its values are in [0, 1]."""
    while getattr(network, "layers", None):
        network = network.layers[-1]
    return getattr(network, "activation", None) is keras.activations.sigmoid


def image_sizes(image_shape: Sequence[int]) -> tuple[int, ...]:
    """Returns (height, width, channels) as positive integers."""
    if not hasattr(image_shape, "__len__") or len(image_shape) != 3:
        raise ValueError(
            f"`image_shape` must be (height, width, channels). Received: image_shape={image_shape}."
        )
    return positive_integers(image_shape, "image_shape")
