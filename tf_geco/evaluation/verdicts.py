"""Do the constraints hold on these data? Each one's reading, how sure it is, and a verdict."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.constraints import Constraint
from tf_geco.evaluation.batches import Batches
from tf_geco.evaluation.estimate import gathered
from tf_geco.evaluation.intervals import WeightedMean
from tf_geco.strategies import on_replicas
from tf_geco.training.batch import Batch, refuse_odd_weights

LEVEL = 0.95


@dataclass(frozen=True)
class Finding:
    """What a constraint measures on a data set, in the unit of its tolerance.

    Args:
        name: Name of the constraint.
        reading: What it measured on average; NaN where no example counts.
        standard_error: Of the reading.
        count: Effective number of examples: that of equal ones which would be as sure.
        interval: The 95 % interval of the reading.
        form: `"<="` or `">="`.
        tolerance: What is asked for.
        verdict: `"holds"` or `"does not hold"` where the tolerance is outside of the interval, else
            `"cannot say"`.
    """

    name: str
    reading: float
    standard_error: float
    count: float
    interval: tuple[float, float]
    form: str
    tolerance: float
    verdict: str

    def __str__(self) -> str:
        """Returns a row of the table."""
        low, high = self.interval
        sure = f"{self.standard_error:9.2g}{self.count:10.0f}  {low:9.4g} to {high:<9.4g}"
        return (
            f"{self.name:28}{self.reading:9.4g}{sure}  {self.form} {self.tolerance:<8.4g}"
            f"{self.verdict}"
        )


@dataclass(frozen=True)
class Check:
    """The findings of all constraints, in their order; `print` shows them as a table.

    Args:
        findings: A `Finding` for each constraint.
    """

    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, name: str) -> Finding:
        """Returns the finding of a constraint by its name."""
        return {finding.name: finding for finding in self.findings}[name]

    def __str__(self) -> str:
        """Returns the table."""
        sure = f"{'st. err.':>9}{'examples':>10}  {'95 % interval':22}"
        head = f"{'constraint':28}{'reading':>9}{sure}  {'asked':11}verdict"
        return "\n".join([head, *map(str, self.findings)])


def check(
    model: Any, data: Any, *, seed: int = 0, batch_size: int = 256, verbose: bool = False
) -> Check:
    """Returns whether each constraint of a model's objective holds on a data set, at 95 %.

    Readings are those of `model.evaluate`: of the model as it is used, and with masks, sample
    weights and the examples that a constraint counts. The verdict asks whether the tolerance itself
    is kept on data like these, without the `band` of `GECO`:

        holds              the 95 % interval of the reading is within the tolerance
        does not hold      it is beyond the tolerance
        cannot say         the tolerance is inside of it: more examples are needed

    Examples must be independent, and other than those that training or `hold_on="validation"` saw.
    An example of sample weight 2 counts twice but is only one example. Where a constraint truly is
    at its tolerance, 1 of 20 data sets is judged wrongly, as far as means are normal: of a few
    dozen examples with a long tail, such as squares, it may be 1 of 10, of less 1 of 5. Where there
    are two values, as in rates, the interval is the exact one of Clopper and Pearson, because no
    miss among few examples is no proof that there are none; for the same reason a probability may
    be lower than any that was seen.

    Args:
        model: A model with a `tf_geco` objective whose constraints have tolerances.
        data: Arrays `x`, `(x, y)`, `(x, y, sample_weight)`, or a `tf.data.Dataset` of batches of
            such, as for `model.evaluate`.
        seed: Seed of the model's noise, which is part of the standard error.
        batch_size: Number of examples at once.
        verbose: Whether to show progress.

    Returns:
        A `Check`. Interrupted (Ctrl-C), it is that of the examples seen so far.

    Raises:
        ValueError: If the objective asks for nothing, the data are empty, something that counts is
            not finite, or a sample weight is negative or not finite.

    Example:
    ```python
    found = tf_geco.evaluation.check(model, images)
    print(found)
    found["reconstruction_error"].verdict
    ```

    Reference:
        Cochran, "Sampling techniques", 1977, Chapter 6, for the standard error of a ratio; Kish,
        "Survey sampling", 1965, for the effective number of examples.
    """
    options: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
    return checked(model, data, **options, partial=True)


def checked(model: Any, data: Any, *, batch_size: int, **options: Any) -> Check:
    """Returns what `check` does; for the options see `gathered`."""
    constraints = model.objective.in_use
    if any(constraint.tolerance is None for constraint in constraints):
        raise ValueError(
            "`check` needs an objective that asks for something, such as `tf_geco.GECO`. "
            f"Received: objective={model.objective.name!r}, without tolerances."
        )
    batches = Labelled(data, batch_size, model)
    measured = on_replicas(model, _measured)
    found = gathered(model, batches, measured, **options)
    step = model.objective.step
    return Check(
        tuple(
            _finding(constraint, found[constraint.name], found[_counts(constraint)], step)
            for constraint in constraints
        )
    )


class Labelled(Batches):
    """Batches that keep labels and weights, `{"y": ..., "weight": ...}` where there are any.

    x is as the data have it, missing values and all.
    """

    def _read(self, data: Any) -> tuple[Any, dict[str, Any]]:
        x, y, weight = Batch.of(data)
        rest = {"y": y, "weight": weight}
        arrays = {k: _as_arrays(part) for k, part in rest.items() if part is not None}
        refuse_odd_weights(arrays.get("weight"))
        return _as_arrays(x), arrays

    def _without_missing(self, x: Any, y: dict) -> Any:
        return x


def _as_arrays(part: Any) -> Any:
    return keras.tree.map_structure(np.asarray, part)


def _measured(model: Any, examples: tuple[Any, dict]) -> dict[str, Any]:
    """Returns what each constraint measures, and how much that counts, `[B]` each."""
    x, rest = examples
    x, y, weight = model.prepared(Batch(x, rest.get("y"), rest.get("weight")))
    outputs = model(x, training=False)
    found: dict[str, Any] = {}
    for constraint in model.objective.constraints:
        values, counts = constraint(model.target(x), y=y, outputs=outputs)
        counts = tf.ones_like(values) if counts is None else counts
        counts = counts if weight is None else counts * tf.cast(weight, tf.float32)
        found |= {constraint.name: (values, counts), _counts(constraint): (counts, counts)}
    return found


def _counts(constraint: Constraint) -> str:
    return f"count for {constraint.name}"


def _finding(constraint: Constraint, values: np.ndarray, counts: np.ndarray, step: Any) -> Finding:
    """Returns what values `[n]` that count so much say of a constraint."""
    estimate = WeightedMean.of(values, counts)
    limits = estimate.interval(LEVEL, constraint.values_within)
    worst = max(float(constraint.violation(limit, step)) for limit in limits)
    best = min(float(constraint.violation(limit, step)) for limit in limits)
    near = (estimate.mean + sign * estimate.standard_error for sign in (1, -1))
    above, below = (_reading(constraint, mean) for mean in near)
    return Finding(
        constraint.name,
        _reading(constraint, estimate.mean),
        (above - below) / 2,
        estimate.count,
        (_reading(constraint, limits[0]), _reading(constraint, limits[1])),
        constraint.form,
        float(constraint.tolerance_at(step)),
        _verdict(best, worst),
    )


def _reading(constraint: Constraint, mean: float) -> float:
    return float(constraint.reading(mean))


def _verdict(best: float, worst: float) -> str:
    """Returns the verdict from the least and the greatest violation that are likely."""
    if math.isfinite(worst) and worst <= 0:
        return "holds"
    return "does not hold" if math.isfinite(best) and best > 0 else "cannot say"
