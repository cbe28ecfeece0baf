"""What each tolerance of a range costs: error reached, and KL, by tolerance."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_geco.checks import positive_integer
from tf_geco.evaluation.compression import kl_by_example
from tf_geco.evaluation.estimate import Estimate
from tf_geco.evaluation.verdicts import checked
from tf_geco.training.bar import late_bar


@dataclass(frozen=True)
class RateDistortion:
    """What one model does at each tolerance of its range, `[T]` each, the least first.

    Args:
        tolerances: What is asked for.
        readings: What comes out, in the unit of the tolerance.
        reading_errors: Their standard errors.
        kl: Average KL, in nats.
        kl_errors: Their standard errors.
        name: Name of the constraint.
    """

    tolerances: np.ndarray
    readings: np.ndarray
    reading_errors: np.ndarray
    kl: np.ndarray
    kl_errors: np.ndarray
    name: str

    @property
    def saved(self) -> np.ndarray:
        """Nats saved against the tolerance that costs most, `[T]`."""
        return self.kl.max() - self.kl

    def __str__(self) -> str:
        """Returns a table."""
        head = f"{'asked':>9}{'reached':>10}{'KL, nats':>10}{'saved':>8}"
        columns = zip(self.tolerances, self.readings, self.kl, self.saved, strict=True)
        rows = (
            f"{t:9.4g}{reading:10.4g}{kl:10.1f}{saved:8.1f}" for t, reading, kl, saved in columns
        )
        return "\n".join([head, *rows])


def rate_distortion(
    model: Any,
    data: Any,
    tolerances: Any = 9,
    *,
    seed: int = 0,
    batch_size: int = 256,
    verbose: bool | str = "auto",
) -> RateDistortion:
    """Returns error and KL of a model at tolerances of its range.

    Args:
        model: A `tf_geco.VAE` that was trained for a `tf_geco.Range`.
        data: Arrays `x` or `(x, y)`, or a `tf.data.Dataset` of batches of such.
        tolerances: Which ones, or how many, at equal ratios over the range.
        seed: Seed of the model's noise.
        batch_size: Number of examples at once.
        verbose: Whether to show progress; `"auto"` for once it has taken five seconds.

    Returns:
        A `RateDistortion`; `print` shows it as a table, `tf_geco.plotting.rate_distortion` draws
        it, beside `tf_geco.theory.rate_distortion`, the limit that no model beats.

    Raises:
        ValueError: If the model has no range, a tolerance is not within it, or the data are empty.

    Example:
    ```python
    curve = tf_geco.evaluation.rate_distortion(ranged, images)  # trained for a `Range`
    print(curve)
    tf_geco.plotting.rate_distortion({"held-out digits": curve})
    ```

    Reference:
        Alemi et al., "Fixing a broken ELBO", 2018, arXiv:1711.00464, for the curve.
    """
    before = model.tolerance  # or it says that there is no range
    asked_range, chosen = model.objective.range, model.objective.chosen
    if np.ndim(tolerances) == 0:
        tolerances = asked_range.tolerances(positive_integer(tolerances, "tolerances"))
    if not len(tolerances):
        raise ValueError(
            "`tolerances` must be how many, or a list of one at least. "
            f"Received: tolerances={tolerances!r}."
        )
    asked = sorted(asked_range.choose(float(tolerance)) for tolerance in tolerances)
    options: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "verbose": False}
    name, rows = model.objective.constraints[0].name, []
    try:
        with late_bar(len(asked), verbose, "tolerance") as advance:
            for tolerance in asked:
                chosen.assign(tolerance)
                rows.append(_point(model, data, name, options))
                advance(1)
    finally:
        chosen.assign(before)
    readings, reading_errors, kl, kl_errors = np.transpose(rows)
    return RateDistortion(np.array(asked), readings, reading_errors, kl, kl_errors, name)


def _point(model: Any, data: Any, name: str, options: dict[str, Any]) -> list[float]:
    """Returns reading and KL, each with its standard error, at the chosen tolerance."""
    found = checked(model, data, **options)[name]
    kl = Estimate.of(kl_by_example(model, data, **options))
    return [found.reading, found.standard_error, kl.value, kl.standard_error]
