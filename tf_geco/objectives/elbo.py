"""ELBO: the baselines, with a beta that somebody must choose."""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_geco.constraints import ReconstructionError
from tf_geco.objectives.objective import Objective
from tf_geco.schedules import Constant, Schedule, as_schedule


@keras.saving.register_keras_serializable(package="tf_geco")
class ELBO(Objective):
    """The negative evidence lower bound with a Gaussian likelihood, its KL weighted by beta.

        loss = NLL + beta KL,    NLL = (D / 2) (RE / sigma^2 + log(2 pi sigma^2))

    A plain VAE has beta = 1; a beta-VAE has another; hand annealing moves one of the two by a
    schedule. With `sigma="optimal"` the batch sets it, sigma^2 = RE, and NLL = (D / 2)
    (1 + log(2 pi RE)).

    Args:
        sigma: Standard deviation of a pixel in units of the data: a positive number, a schedule, or
            `"optimal"`. The default, 1, is the squared error of a textbook VAE.
        beta: Weight of the KL, a positive number or a schedule.
        decay: Decay of the moving averages, which here are only reported.

    Call arguments:
        x: Data, `[B, ...]`.
        y: Not used.
        outputs: A dictionary with `"reconstruction"`, of the shape of `x`.

    Raises:
        ValueError: If `sigma` or `beta` is not positive.

    Example:
    ```python
    anneal = tf_geco.schedules.LinearAnneal(2.0, 0.7, steps=10_000)
    beta_vae = tf_geco.ELBO(sigma=0.1, beta=4.0)
    hand_annealed = tf_geco.ELBO(sigma=0.1, beta=anneal)
    annealed_as_sigma = tf_geco.ELBO(sigma=anneal)
    sigma_vae = tf_geco.ELBO(sigma="optimal")
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Equation 1; Higgins et al., "beta-VAE", 2017;
        Rybkin et al., "Simple and effective VAE training with calibrated decoders", 2021,
        arXiv:2006.13202 (the optimal sigma). "Hand annealing beta in [2.0, 0.7]" is, in the work
        that the paper cites, a sigma; both readings are available.
    """

    def __init__(
        self,
        sigma: float | Schedule | str = 1.0,
        beta: float | Schedule = 1.0,
        *,
        decay: float = 0.99,
        name: str | None = "elbo",
        **kwargs: Any,
    ) -> None:
        # The tolerance is no wish here: it is small, so that adding its square to a violation
        # gives the squared error back without loss of precision.
        super().__init__([ReconstructionError(1e-3)], decay=decay, name=name, **kwargs)
        self.sigma: Any = sigma if sigma == "optimal" else as_schedule(sigma, "sigma")
        self.beta = as_schedule(beta, "beta")

    def loss_of_means(self, violation: tf.Tensor, cost: tf.Tensor) -> tf.Tensor:
        """Returns the negative ELBO of a batch, a scalar in nats."""
        error = violation[0] + self.constraints[0].scale
        return self.negative_log_likelihood(error) + self.beta(self.step) * cost

    def negative_log_likelihood(self, error: tf.Tensor) -> tf.Tensor:
        """Returns the NLL of an example in nats, from its mean squared error."""
        if self.sigma == "optimal":
            error = tf.maximum(error, 1e-10)
            return self.constraints[0].nats * (1.0 + tf.math.log(2 * math.pi * error))
        variance = tf.square(self.sigma(self.step))
        return self.constraints[0].nats * (error / variance + tf.math.log(2 * math.pi * variance))

    @property
    def multiplier(self) -> tf.Tensor:
        """1 / beta, `[1]`: the lambda that GECO would have in its place."""
        return 1.0 / self.beta(tf.convert_to_tensor(self.step))[tf.newaxis]

    def logs(self) -> dict[str, tf.Tensor]:
        """Returns beta."""
        return {"beta": self.beta(tf.convert_to_tensor(self.step))}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        sigma = self.sigma if self.sigma == "optimal" else _plain(self.sigma)
        return {**super().get_config(), "sigma": sigma, "beta": _plain(self.beta)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ELBO":
        """Makes the objective that `get_config` described."""
        schedules = {
            key: keras.saving.deserialize_keras_object(config[key])
            for key in ("sigma", "beta")
            if isinstance(config[key], dict)
        }
        return cls(**{**config, **schedules})


def _plain(schedule: Schedule) -> Any:
    if isinstance(schedule, Constant):
        return schedule.value
    return keras.saving.serialize_keras_object(schedule)
