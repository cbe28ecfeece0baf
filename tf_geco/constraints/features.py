"""FRE: the reconstruction error of features."""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_integer, positive_number
from tf_geco.constraints.inputs import (
    any_observed,
    check_same_shape,
    image_and_reconstruction,
    mask_of,
)
from tf_geco.constraints.sized import SquaredError
from tf_geco.dtypes import as_float32
from tf_geco.schedules import Schedule


@keras.saving.register_keras_serializable(package="tf_geco")
class FeatureReconstructionError(SquaredError):
    """FRE: reconstruct features to a root-mean-square error of at most `tolerance`.

        C = mean_k (f_k(x) - f_k(g))^2 - kappa^2

    What the features do not see may change freely; what they do see is kept. As for the
    reconstruction error, the worth is half the number of features in nats, so that lambda is 1
    where the loss is an ELBO with a Gaussian likelihood of the features.

    Args:
        tolerance: kappa, in the unit of the features, or a schedule of it.
        features: A Keras model or layer, images `[B, H, W, C]` -> features `[B, ...]`, or a list of
            such. Training leaves it as it is. By default `LocalStatistics()`, which needs no
            training. For a layer of a network take
            `keras.Model(network.inputs, network.get_layer(name).output)`; for several, a list of
            outputs, whose errors are averaged.
        name: Name in logs and plots.

    Call arguments:
        x: Data, `[B, H, W, C]`.
        y: Not used, but for `y["mask"]`: missing values are taken from the reconstruction.
        outputs: A dictionary with `"reconstruction"`, of the shape of `x`.

    Raises:
        ValueError: If `tolerance` is not positive or `features` is no Keras model or layer.

    Example:
    ```python
    backbone = keras.applications.MobileNetV2(input_shape=(32, 32, 3), include_top=False)
    middle = keras.Model(backbone.inputs, backbone.get_layer("block_3_expand").output)
    constraint = tf_geco.constraints.FeatureReconstructionError(0.25, middle)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Table 1.
    """

    def __init__(
        self,
        tolerance: float | Schedule,
        features: keras.Layer | None = None,
        *,
        name: str | None = "feature_reconstruction_error",
        **kwargs: Any,
    ) -> None:
        super().__init__(tolerance, name=name, **kwargs)
        self.features = as_network(LocalStatistics() if features is None else features, "features")

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Learns the number of features of an example."""
        check_same_shape(x_shape, outputs_shape, self.name)
        features = keras.tree.flatten(outputs_of(self.features, x_shape, "features"))
        self.size = sum(math.prod(feature.shape[1:]) for feature in features)

    def measure(self, x: Any, y: Any = None, outputs: Any = None) -> Any:
        """Returns the squared error of the features of each example, `[B]`."""
        mask = mask_of(y, x)
        x, reconstruction = image_and_reconstruction(x, outputs, mask, self.name)
        wanted, found = (
            [as_float32(part) for part in keras.tree.flatten(self.features(image, training=False))]
            for image in (x, reconstruction)
        )
        errors = [
            tf.reduce_mean(tf.math.squared_difference(tf.stop_gradient(a), b), range(1, b.ndim))
            for a, b in zip(wanted, found, strict=True)
        ]
        mean = tf.add_n(errors) / len(errors)
        return mean if mask is None else (mean, any_observed(mask))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        features = keras.saving.serialize_keras_object(self.features)
        return {**super().get_config(), "features": features}


@keras.saving.register_keras_serializable(package="tf_geco")
class LocalStatistics(keras.layers.Layer):
    """Mean and standard deviation of patches, by channel: features that need no training.

        m = mean over the patch,    s = sqrt(variance over the patch + epsilon^2)

    Args:
        patch_size: Side of the patches. The default, 4, is about the width of a pen stroke in
            MNIST: where ink is and how sharp its edge, but not its exact line.
        strides: Distance between patches; half a patch by default.
        epsilon: Added to the variance as a square, so that flat patches have a gradient.

    Call arguments:
        x: Images, `[B, H, W, C]`.

    Call returns:
        `[B, H', W', 2 C]`.

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Table 1: "local image statistics, such as mean and
        standard deviation".
    """

    def __init__(
        self, patch_size: int = 4, strides: int | None = None, epsilon: float = 1e-2, **kwargs: Any
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.patch_size = positive_integer(patch_size, "patch_size")
        half = max(1, self.patch_size // 2)
        self.strides = half if strides is None else positive_integer(strides, "strides")
        self.epsilon = positive_number(epsilon, "epsilon")

    def call(self, x: Any) -> Any:
        """Returns means and standard deviations of patches."""
        # Moments about the mean of the image keep float32 from cancelling.
        centre = keras.ops.mean(x, axis=(1, 2), keepdims=True)
        centred = x - centre
        mean = self._pool(centred)
        variance = keras.ops.relu(self._pool(keras.ops.square(centred)) - keras.ops.square(mean))
        deviation = keras.ops.sqrt(variance + self.epsilon**2)
        return keras.ops.concatenate([mean + centre, deviation], axis=-1)

    def _pool(self, x: Any) -> Any:
        return keras.ops.average_pool(x, self.patch_size, self.strides, "valid")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "strides": self.strides,
            "epsilon": self.epsilon,
        }


def outputs_of(network: keras.Layer, shape: Any, argument: str) -> Any:
    """Returns what a network makes of data of a shape, as symbolic tensors.

    Raises:
        ValueError: If it takes no such data.
    """
    try:
        return network(keras.KerasTensor(shape))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{argument}` must take images of the data's shape. Received: {argument}="
            f"{network!r}, which does not take {tuple(shape)}: {error}"
        ) from error


def as_network(network: Any, argument: str) -> keras.Layer:
    """Returns a network that measures; models do not train what their objective holds.

    Of a functional or sequential model it is a view, of the same layers but not compiled: Keras
    would otherwise count the network's metrics among those of the model that is constrained.

    Raises:
        ValueError: If it is no Keras model or layer.
    """
    if not isinstance(network, keras.Layer):
        raise ValueError(
            f"`{argument}` must be a Keras model or layer. Received: {argument}={network!r}."
        )
    if isinstance(network, keras.Model) and getattr(network, "inputs", None):
        sequential = isinstance(network, keras.Sequential)
        outputs = network.outputs[0] if sequential else network.output
        network = keras.Model(network.inputs, outputs, name=network.name)
    return network
