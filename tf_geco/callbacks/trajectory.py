"""The trajectory of training: cost, violations and multipliers by step."""

import csv

import numpy as np

from tf_geco.objectives import Objective


class Trajectory:
    """A record of an objective's moving averages and multipliers.

    Attributes:
        names: Names of the constraints, L of them.

    Example:
    ```python
    callback = tf_geco.GECOCallback()
    model.fit(images, callbacks=[callback])
    callback.trajectory.arrays()["multiplier"]  # [T, L]
    callback.trajectory.to_csv("trajectory.csv")
    ```
    """

    def __init__(self, objective: Objective) -> None:
        self.names = [constraint.name for constraint in objective.constraints]
        self.tolerances = [constraint.tolerance for constraint in objective.constraints]
        self._objective = objective
        self._rows: list[tuple] = []

    def __len__(self) -> int:
        return len(self._rows)

    def record(self) -> None:
        """Adds a row, unless there is one for this step."""
        step = int(self._objective.step)
        if self._rows and self._rows[-1][0] == step:
            return
        average = self._objective.moving_average.numpy()
        measured = [
            float(constraint.measure(violation))
            for constraint, violation in zip(self._objective.constraints, average, strict=True)
        ]
        cost = float(self._objective.cost_average)
        self._rows.append((step, cost, average, measured, self._objective.multiplier.numpy()))

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the record as arrays.

        Returns:
            `"step"` `[T]`, `"cost"` `[T]` (for a VAE the KL in nats), `"violation"` (C_ma),
            `"measured"` (in the unit of the tolerance) and `"multiplier"` `[T, L]`.
        """
        columns = zip(*self._rows, strict=True) if self._rows else [[]] * 5
        names = ("step", "cost", "violation", "measured", "multiplier")
        return {name: np.array(column) for name, column in zip(names, columns, strict=True)}

    def to_csv(self, path: str) -> None:
        """Writes the record as a table, a row for each record."""
        fields = [
            f"{field}_{name}" for field in ("C_ma", "measured", "lambda") for name in self.names
        ]
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "cost", *fields])
            for step, cost, *rest in self._rows:
                writer.writerow([step, cost, *(value for part in rest for value in part)])
