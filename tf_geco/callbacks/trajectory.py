"""The trajectory of training: cost, violations and multipliers by step."""

import csv
from pathlib import Path

import numpy as np

from tf_geco.objectives import Objective

COLUMNS = ("step", "cost", "violation", "measured", "multiplier", "gap", "mean")


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
        self.names = objective.names
        self._objective = objective
        self._rows: list[tuple] = []

    def __len__(self) -> int:
        return len(self._rows)

    def belongs_to(self, objective: Objective) -> bool:
        """Returns whether this is the record of an objective."""
        return objective is self._objective

    def record(self) -> None:
        """Adds a row for this step; rows from here on, of weights that were set back, go."""
        objective = self._objective
        step = int(objective.step.numpy())
        if step == 0 or (self._rows and self._rows[-1][0] == step):
            return
        while self._rows and self._rows[-1][0] > step:
            self._rows.pop()
        measured = [float(value) for value in objective.readings(objective.averaged).values()]
        violation, multiplier = objective.violations().numpy(), objective.multiplier.numpy()
        means = objective.averaged.means.numpy()[: len(violation)]
        cost = float(objective.cost_average)
        gap = np.zeros_like(means) if objective.gap is None else objective.gap.value.numpy()
        self._rows.append((step, cost, violation, measured, multiplier, gap, means))

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the record as arrays.

        Returns:
            `"step"` `[T]`, `"cost"` `[T]` (for a VAE the KL in nats), and `[T, L]` each:
            `"violation"` (C_ma), `"measured"` (in the unit of the tolerance), `"multiplier"`,
            `"gap"` (by how much training aims lower; 0 unless tolerances hold on validation data),
            and `"mean"` (of what is measured, such as a squared error); `"names"` `[L]`.
        """
        columns = zip(*self._rows, strict=True) if self._rows else [[]] * 7
        arrays = {name: np.array(column) for name, column in zip(COLUMNS, columns, strict=True)}
        return {**arrays, "names": np.array(self.names)}

    def set_arrays(self, columns: dict[str, np.ndarray]) -> None:
        """Goes on from the arrays of a record that ended before."""
        self._rows = [
            (int(step), float(cost), *rest)
            for step, cost, *rest in zip(*(columns[name] for name in COLUMNS), strict=True)
        ]

    def to_csv(self, path: str) -> None:
        """Writes the record as a table, a row for each record, in a folder that need not exist."""
        kept = ("C_ma", "measured", "lambda", *(() if self._objective.gap is None else ("gap",)))
        fields = [f"{field}_{name}" for field in kept for name in self.names]
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "cost", *fields])
            for step, cost, *rest in self._rows:
                parts = rest[: len(kept)]
                writer.writerow([step, cost, *(value for part in parts for value in part)])
