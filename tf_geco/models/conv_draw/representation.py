"""What a conditional model makes of a context that is an image, or several as channels."""

from collections.abc import Sequence

import keras
from keras import layers


def image_representation(
    context_shape: Sequence[int],
    channels: int,
    kernel_size: int,
    width: int = 256,
    summary_channels: int = 4,
) -> keras.Model:
    """Returns a network, context -> maps of half the resolution, of what is where and of the whole.

    Two convolutions say what is where. Whatever depends on all of the context, such as which digit
    it shows, goes through dense layers and from there to every place of the map; two of them, so
    that what several images show can be put together.

    Args:
        context_shape: (H, W, channels).
        channels: Channels of the convolutions.
        kernel_size: Side of their kernels.
        width: Width of the dense layers.
        summary_channels: Channels that they add to the map.

    Returns:
        A Keras model, `[B, H, W, channels of the context]` -> `[B, ceil(H / 2), ceil(W / 2),
        channels + summary_channels]`.

    Reference:
        Eslami et al., "Neural scene representation and rendering", 2018: its towers, and its pooled
        representations that are broadcast to all places.
    """
    conv = {"kernel_size": kernel_size, "padding": "same"}
    context = keras.Input(context_shape)
    local = layers.Conv2D(channels, strides=2, activation="relu", **conv)(context)
    height, breadth = local.shape[1:3]
    whole = layers.Conv2D(channels, strides=2, activation="relu", **conv)(local)
    whole = layers.Flatten()(whole)
    for _ in range(2):
        whole = layers.Dense(width, activation="relu")(whole)
    whole = layers.Dense(height * breadth * summary_channels)(whole)
    whole = layers.Reshape((height, breadth, summary_channels))(whole)
    maps = layers.Concatenate()([layers.Conv2D(channels, **conv)(local), whole])
    return keras.Model(context, maps, name="representation")


def representation_for(
    context_shape: Sequence[int] | None,
    image_shape: Sequence[int],
    given: keras.Layer | None,
    *sizes: int,
) -> keras.Layer | None:
    """Returns the representation of contexts, built: the one given, the default, or none.

    Args:
        context_shape: Shape of a context, or `None` without one.
        image_shape: (H, W, C) of what is to be predicted.
        given: A Keras layer, context -> maps, or `None` for `image_representation`.
        *sizes: Its channels and kernel size.

    Raises:
        ValueError: If there is a representation and no context, or if the maps have not half the
            resolution of the image.
    """
    if context_shape is None:
        if given is not None:
            raise ValueError(
                "A `representation` is of contexts: give their `context_shape` too. "
                f"Received: representation={given!r}, context_shape=None."
            )
        return None
    height, width, _ = image_shape
    if given is not None and not isinstance(given, keras.Layer):
        raise ValueError(
            f"`representation` must be a Keras model or layer. Received: representation={given!r}."
        )
    if given is None:
        if len(context_shape) != 3 or tuple(context_shape[:2]) != (height, width):
            raise ValueError(
                "Contexts that are not images of the targets' height and width need a "
                "`representation`, a Keras layer that returns maps. Received: "
                f"context_shape={tuple(context_shape)}, image_shape={tuple(image_shape)}."
            )
        given = image_representation(context_shape, *sizes)
    maps = tuple(given(keras.KerasTensor((None, *context_shape))).shape)
    if len(maps) != 4 or maps[1:3] != ((height + 1) // 2, (width + 1) // 2):
        raise ValueError(
            "`representation` must return maps of half the resolution of the image. Received: "
            f"maps of shape {maps}, image_shape={tuple(image_shape)}."
        )
    return given
