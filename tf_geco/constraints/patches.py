"""pNCC: the normalised cross-correlation of patches."""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_integer, positive_number
from tf_geco.constraints.inputs import image_and_reconstruction, mask_of
from tf_geco.constraints.share import Share
from tf_geco.constraints.sized import Sized
from tf_geco.schedules import Schedule


@keras.saving.register_keras_serializable(package="tf_geco")
class PatchNCC(Share, Sized):
    """pNCC: patches of the reconstruction must correlate with the data's by at least `tolerance`.

        C = kappa - mean_i psi(x, i)^T psi(g, i)
        psi = (patch - mean) / sqrt(sum of squares + epsilon^2)

    A correlation sees shapes, whatever their brightness and contrast. A patch of the data that is
    flat has no shape, and no reconstruction could meet it: patches whose standard deviation is
    below `floor` are left out, as are patches with a missing value.

    The scale is 1 - kappa. Since 1 - psi^T psi' is half a squared distance of whitened patches,
    the worth is D / 2 nats for D values, as that of the reconstruction error.

    Args:
        tolerance: kappa, between 0 and 1, or a schedule of it.
        patch_size: Side of the patches; 8 is a stroke and what surrounds it.
        strides: Distance between patches; half a patch by default.
        floor: Least standard deviation of a patch that counts, in units of the data.
        epsilon: Keeps the gradient finite on flat reconstructions. Small against
            `floor * patch_size`, or identical patches would not correlate by 1.
        name: Name in logs and plots.

    Call arguments:
        x: Data, `[B, H, W, C]`; the channels of a patch are taken together.
        y: Not used, but for `y["mask"]`.
        outputs: A dictionary with `"reconstruction"`, of the shape of `x`.

    Raises:
        ValueError: If `tolerance` is not in (0, 1), another number is not positive, or the images
            are smaller than a patch.

    Example:
    ```python
    constraint = tf_geco.constraints.PatchNCC(0.9, patch_size=8)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Table 1.
    """

    kind = "correlation"

    def __init__(
        self,
        tolerance: float | Schedule,
        *,
        patch_size: int = 8,
        strides: int | None = None,
        floor: float = 0.02,
        epsilon: float = 0.01,
        name: str | None = "patch_ncc",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("form", ">=")
        super().__init__(tolerance, name=name, **kwargs)
        self.patch_size = positive_integer(patch_size, "patch_size")
        half = max(1, self.patch_size // 2)
        self.strides = half if strides is None else positive_integer(strides, "strides")
        self.floor = positive_number(floor, "floor")
        self.epsilon = positive_number(epsilon, "epsilon")

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Learns D, and checks that a patch fits."""
        if len(x_shape) != 4 or min(x_shape[1:3]) < self.patch_size:
            raise ValueError(
                f"Constraint '{self.name}' needs images [B, H, W, C] of at least the size of a "
                f"patch. Received: patch_size={self.patch_size}, data of shape {tuple(x_shape)}."
            )
        self.size = math.prod(x_shape[1:])

    def measure(self, x: Any, y: Any = None, outputs: Any = None) -> Any:
        """Returns the mean correlation of each example, and whether any patch counts, `[B]`."""
        mask = mask_of(y, x)
        x, reconstruction = image_and_reconstruction(x, outputs, mask, self.name)
        correlation, deviation = patch_correlation(
            x, reconstruction, self.patch_size, self.strides, self.epsilon
        )
        counts = tf.cast(deviation >= self.floor, tf.float32)
        if mask is not None:
            counts *= 1.0 - self._touched(mask, tf.shape(x))
        number = tf.reduce_sum(counts, axis=(1, 2))
        mean = tf.math.divide_no_nan(tf.reduce_sum(counts * correlation, axis=(1, 2)), number)
        return mean, number > 0

    def _touched(self, mask: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Returns 1 for each patch with a missing value, else 0, `[B, H', W']`."""
        missing = tf.cast(tf.logical_not(tf.broadcast_to(mask, shape)), tf.float32)
        missing = tf.reduce_max(missing, axis=-1, keepdims=True)
        return tf.nn.max_pool2d(missing, self.patch_size, self.strides, "VALID")[..., 0]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "strides": self.strides,
            "floor": self.floor,
            "epsilon": self.epsilon,
        }


def patch_correlation(
    x: tf.Tensor, g: tf.Tensor, patch_size: int, strides: int, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the normalised cross-correlation of each patch of two images.

    Five averages over a patch say all: of x, g, x^2, g^2 and x g. No patch is ever cut out.

    Args:
        x: Images, `[B, H, W, C]`.
        g: Images, `[B, H, W, C]`.
        patch_size: Side of the patches.
        strides: Distance between patches.
        epsilon: As in `PatchNCC`.

    Returns:
        Correlations `[B, H', W']`, and the standard deviations of the patches of `x`.
    """
    # A correlation does not change with the mean; moments about it keep float32 from cancelling.
    x, g = (tf.cast(image, tf.float32) for image in (x, g))
    x, g = (i - tf.stop_gradient(tf.reduce_mean(i, axis=(1, 2, 3), keepdims=True)) for i in (x, g))
    products = [x, g, tf.square(x), tf.square(g), x * g]
    moments = tf.stack([tf.reduce_mean(product, axis=-1) for product in products], axis=-1)
    moments = tf.nn.avg_pool2d(moments, patch_size, strides, "VALID")
    mean_x, mean_g, xx, gg, xg = tf.unstack(moments, axis=-1)
    number = patch_size**2 * x.shape[-1]
    variance_x = tf.nn.relu(xx - tf.square(mean_x))
    variance_g = tf.nn.relu(gg - tf.square(mean_g))
    norms = (number * variance_x + epsilon**2) * (number * variance_g + epsilon**2)
    return number * (xg - mean_x * mean_g) * tf.math.rsqrt(norms), tf.sqrt(variance_x)
