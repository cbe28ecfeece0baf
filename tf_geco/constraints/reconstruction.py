"""RE: the reconstruction error."""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import one_of
from tf_geco.constraints.inputs import (
    any_observed,
    check_same_shape,
    image_and_reconstruction,
    mask_of,
    only,
)
from tf_geco.constraints.sized import SquaredError
from tf_geco.schedules import Schedule


@keras.saving.register_keras_serializable(package="tf_geco")
class ReconstructionError(SquaredError):
    """RE: reconstruct to a root-mean-square error of at most `tolerance`.

        C = mean_d (x_d - g_d)^2 - kappa^2

    In the scaled loss its worth is D / 2 nats, D being the number of values of one example, so

        loss = KL + lambda (D / 2) (RE / kappa^2 - 1)

    is at lambda = 1 the negative ELBO of a Gaussian likelihood with sigma = kappa, up to a
    constant, and 1 / lambda is the beta of a beta-VAE.

    Args:
        tolerance: kappa, in units of the data (0.1 is a tenth of the range of a [0, 1] image), or
            a schedule of it; `None` only measures.
        reduction: `"mean"` over the values of an example, the default, because then a tolerance
            means the same for every image size; or `"sum"`, as Table 1 prints it: then kappa is the
            norm of the error, and lambda = 1 means sigma = kappa / sqrt(D).
        name: Name in logs and plots.

    Call arguments:
        x: Data, `[B, ...]`.
        y: Not used, but for `y["mask"]`: missing values count neither in the error nor in the
            number of values it is divided by.
        outputs: A dictionary with `"reconstruction"`, of the shape of `x`.

    Raises:
        ValueError: If `tolerance` is not positive, `reduction` is unknown, or there is no
            reconstruction of the right shape.

    Example:
    ```python
    constraint = tf_geco.constraints.ReconstructionError(0.1)
    errors = constraint(x, outputs={"reconstruction": reconstruction}).values  # [B]
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Table 1. The table prints a norm, but its
        tolerances (0.06 to 0.175) make sense only per pixel.
    """

    def __init__(
        self,
        tolerance: float | Schedule | None,
        *,
        reduction: str = "mean",
        name: str | None = "reconstruction_error",
        **kwargs: Any,
    ) -> None:
        super().__init__(tolerance, name=name, **kwargs)
        self.reduction = one_of(("mean", "sum"), reduction, "reduction")

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Learns D, the number of values of an example."""
        check_same_shape(x_shape, outputs_shape, self.name)
        if None in x_shape[1:]:
            raise ValueError(
                f"Constraint '{self.name}' needs data of a fixed shape. "
                f"Received: shape {tuple(x_shape)}."
            )
        self.size = math.prod(x_shape[1:])

    def measure(self, x: Any, y: Any = None, outputs: Any = None) -> Any:
        """Returns the squared error of each example, `[B]`."""
        mask = mask_of(y, x)
        x, reconstruction = image_and_reconstruction(x, outputs, mask, self.name)
        error = tf.math.squared_difference(x, reconstruction)
        axes = range(1, error.shape.rank)
        if self.reduction == "mean":
            return only(error, mask, axes)
        total = tf.reduce_sum(error, axes)
        return total if mask is None else (total, any_observed(mask))

    @property
    def measured_in(self) -> str:
        """`"sum"`, if it is not a mean."""
        return "" if self.reduction == "mean" else self.reduction

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "reduction": self.reduction}
