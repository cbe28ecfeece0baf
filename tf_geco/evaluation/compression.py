"""The average KL: what a model spends on each example."""

from typing import Any

import numpy as np

from tf_geco.evaluation.estimate import Estimate, per_example


def average_kl(
    model: Any, data: Any, *, seed: int = 0, batch_size: int = 256, verbose: bool = False
) -> Estimate:
    """Returns the mean KL of the posteriors from the prior.

        (1/N) sum_i KL(q(z | x_i) || pi(z))

    Interrupted (Ctrl-C), it returns the mean of what was computed so far.

    Args:
        model: A latent variable model: `model(x)["kl"]` is the KL of each example, `[B]`.
        data: Arrays or a data set. The KL of an example with missing values, `(x, {"mask": mask})`,
            is that of zeros in their place, as in training. Weights are not used.
        seed: Seed of the noise, where the KL is itself an estimate.
        batch_size: Number of examples at once.
        verbose: Whether to show progress.

    Returns:
        An `Estimate` in nats: value, standard error over examples, and count.

    Raises:
        ValueError: If the data are empty, or a KL is not finite.

    Example:
    ```python
    tf_geco.evaluation.average_kl(model, images).value
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Section 4.1.1.
    """
    options: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
    return Estimate.of(kl_by_example(model, data, **options, partial=True))


def kl_by_example(model: Any, data: Any, **options: Any) -> np.ndarray:
    """Returns the KL of each example, `[n]`."""
    return per_example(model, data, _kl, **options)["kl"]


def _kl(model: Any, x: Any, mask: Any, outputs: dict) -> dict[str, Any]:
    return {"kl": outputs["kl"]}
