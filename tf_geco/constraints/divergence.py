"""KL: a target for the divergence of the posterior from the prior."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.constraints.constraint import Constraint
from tf_geco.constraints.inputs import entry
from tf_geco.schedules import Schedule


@keras.saving.register_keras_serializable(package="tf_geco")
class KLDivergence(Constraint):
    """KL: spend at most `tolerance` nats on an example.

        C = KL(q(z | x) || pi) - K

    With the reconstruction as cost this asks for the best one that K nats buy, and lambda is the
    beta of a beta-VAE: `tf_geco.GECO([KLDivergence(15.0)], cost=ReconstructionError(0.1))`, where
    0.1 is the sigma of a Gaussian likelihood. Scale and worth are K, so lambda multiplies nats.

    Args:
        tolerance: K, in nats, or a schedule of it: raise it to open the bottleneck slowly.
        name: Name in logs and plots.

    Call arguments:
        x: Not used.
        y: Not used.
        outputs: A dictionary with `"kl"`, `[B]`, in nats.

    Raises:
        ValueError: If `tolerance` is not positive, or the outputs have no `"kl"`.

    Example:
    ```python
    objective = tf_geco.GECO(
        [tf_geco.constraints.KLDivergence(15.0)],
        cost=tf_geco.constraints.ReconstructionError(0.1),
    )
    ```

    Reference:
        Shao et al., "ControlVAE: Controllable variational autoencoder", 2020, arXiv:2004.05988.
    """

    reads_labels = False

    def __init__(
        self,
        tolerance: float | Schedule,
        *,
        name: str | None = "kl_divergence",
        **kwargs: Any,
    ) -> None:
        super().__init__(tolerance, name=name, **kwargs)

    def measure(self, x: Any, y: Any = None, outputs: Any = None) -> tf.Tensor:
        """Returns the KL of each example, `[B]`."""
        return entry(outputs, "kl", self.name)

    def nats(self, step: Any = 0) -> Any:
        """Returns K."""
        return self.tolerance_at(step)
