"""ELBO: the baselines, with a beta that somebody must choose."""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import is_word
from tf_geco.constraints import ReconstructionError
from tf_geco.objectives.objective import Objective
from tf_geco.objectives.sums import Sums
from tf_geco.schedules import Schedule, as_schedule, value_at


@keras.saving.register_keras_serializable(package="tf_geco")
class ELBO(Objective):
    """The negative evidence lower bound with a Gaussian likelihood, its KL weighted by beta.

        loss = NLL + beta KL,    NLL = (D / 2) (RE / sigma^2 + log(2 pi sigma^2))

    A plain VAE has beta = 1; a beta-VAE has another; hand annealing moves one of the two by a
    schedule. With `sigma="optimal"` the batch sets it, sigma^2 = RE, and NLL = (D / 2)
    (1 + log(2 pi RE)).

    Args:
        sigma: Standard deviation of a pixel in units of the data: a positive number, a
            `keras.optimizers.schedules.LearningRateSchedule`, or `"optimal"`. The default, 1, is
            the squared error of a textbook VAE.
        beta: Weight of the KL, a positive number or a schedule.
        decay: Decay of the moving averages, which here are only reported.

    Call arguments:
        x: Data, `[B, ...]`.
        y: Not used, but for `y["mask"]`.
        outputs: A dictionary with `"reconstruction"`, of the shape of `x`.
        cost: The KL, `[B]`.

    Raises:
        ValueError: If `sigma` or `beta` is not positive.

    Example:
    ```python
    anneal = keras.optimizers.schedules.PolynomialDecay(2.0, 10_000, end_learning_rate=0.7)
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
        super().__init__([ReconstructionError(None)], decay=decay, name=name, **kwargs)
        self.sigma: Any = sigma if is_word(sigma, "optimal") else as_schedule(sigma, "sigma")
        self.beta = as_schedule(beta, "beta")

    def value(self, sums: Sums) -> tf.Tensor:
        """Returns the negative ELBO in nats, a scalar."""
        error, cost = tf.unstack(sums.safe_means)
        return self.negative_log_likelihood(error) + value_at(self.beta, self.step) * cost

    def negative_log_likelihood(self, error: tf.Tensor) -> tf.Tensor:
        """Returns the NLL of an example in nats, from its mean squared error."""
        nats = self.constraints[0].nats()
        if is_word(self.sigma, "optimal"):
            error = tf.maximum(error, 1e-10)
            return nats * (1.0 + tf.math.log(2 * math.pi * error))
        variance = tf.square(value_at(self.sigma, self.step))
        return nats * (error / variance + tf.math.log(2 * math.pi * variance))

    @property
    def multiplier(self) -> tf.Tensor:
        """1 / beta, `[1]`: the lambda that GECO would have in its place."""
        return 1.0 / self.logs()["beta"][tf.newaxis]

    def logs(self) -> dict[str, tf.Tensor]:
        """Returns beta."""
        return {"beta": tf.cast(value_at(self.beta, self.step), tf.float32)}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        serialize = keras.saving.serialize_keras_object
        own = {"sigma": serialize(self.sigma), "beta": serialize(self.beta)}
        return {**super().get_config(), **own}
