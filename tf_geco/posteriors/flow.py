"""A normalizing flow: invertible steps that carry a simple distribution to a rich one."""

from collections.abc import Sequence
from typing import Any, Protocol

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd


class Step(Protocol):
    """One invertible map of latents `[..., d]`, with the log of its volume change, `[...]`."""

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns f(z) and log |det df/dz|."""

    def inverse(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns f^-1(z) and log |det df^-1/dz|."""


class Steps(tfb.Bijector):
    """The composition of steps, as a bijector of TensorFlow Probability.

        z = f_K( ... f_1(u)),    log |det dz/du| = sum_k log |det df_k|

    Args:
        steps: f_1 to f_K.
        name: Name of the bijector.
    """

    def __init__(self, steps: Sequence[Step], name: str = "steps") -> None:
        parameters = dict(locals())
        self.steps = tuple(steps)
        super().__init__(forward_min_event_ndims=1, parameters=parameters, name=name)

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {}

    def forward_and_log_det(self, u: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z and log |det dz/du|, from one pass through the steps."""
        total: Any = 0.0
        for step in self.steps:
            u, log_det = step.forward(u)
            total += log_det
        return u, total

    def inverse_and_log_det(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns u and log |det du/dz|, from one pass back through the steps."""
        total: Any = 0.0
        for step in reversed(self.steps):
            z, log_det = step.inverse(z)
            total += log_det
        return z, total

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        return self.forward_and_log_det(x)[0]

    def _inverse(self, y: tf.Tensor) -> tf.Tensor:
        return self.inverse_and_log_det(y)[0]

    def _forward_log_det_jacobian(self, x: tf.Tensor) -> tf.Tensor:
        return self.forward_and_log_det(x)[1]

    def _inverse_log_det_jacobian(self, y: tf.Tensor) -> tf.Tensor:
        return self.inverse_and_log_det(y)[1]


class Flow(tfd.TransformedDistribution):
    """The distribution of z = f(u), u from a base distribution.

        log q(z) = log q_0(u) - log |det dz/du|

    A plain `TransformedDistribution` asks its bijector for the point and for the Jacobian one after
    the other, and so runs every network twice; this one runs them once.

    Args:
        distribution: The base, batch shape `[B]`, event shape `[d]`.
        bijector: The steps, a `Steps`.
    """

    def _log_prob(self, value: tf.Tensor, **kwargs: Any) -> tf.Tensor:
        u, log_det = self.bijector.inverse_and_log_det(value)
        return self.distribution.log_prob(u) + log_det

    def _sample_and_log_prob(
        self, sample_shape: Any, seed: Any, **kwargs: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        u, log_density = self.distribution.experimental_sample_and_log_prob(sample_shape, seed)
        z, log_det = self.bijector.forward_and_log_det(u)
        return z, log_density - log_det
