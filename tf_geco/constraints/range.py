"""A range of tolerances, all of which one training serves."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tf_geco.checks import positive_number


@keras.saving.register_keras_serializable(package="tf_geco")
class Range:
    """Tolerances from `least` to `greatest`: train once for all of them, and choose afterwards.

    Give it to the one constraint of a `tf_geco.GECO` in place of a tolerance.

    Args:
        least: The least tolerance, a positive number in the constraint's own unit.
        greatest: The greatest. A range of a factor of two to five is what one network serves well.

    Raises:
        ValueError: If a number is not positive, or `least` is not below `greatest` by 1 %.

    Example:
    ```python
    error = tf_geco.constraints.ReconstructionError(tf_geco.Range(0.08, 0.2))
    model = tf_geco.VAE(
        *tf_geco.models.conv_networks((28, 28, 1), latent_dim=16),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=16),
        objective=tf_geco.GECO([error]),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(images, epochs=20)
    sharp, blurred = (model.reconstruct(images, tolerance=t) for t in (0.1, 0.2))
    ```
    """

    def __init__(self, least: float, greatest: float) -> None:
        self.least = positive_number(least, "least")
        self.greatest = positive_number(greatest, "greatest")
        if not 1.01 * self.least <= self.greatest:
            raise ValueError(
                "`least` must be below `greatest`, by 1 % at least. "
                f"Received: least={self.least:g}, greatest={self.greatest:g}."
            )

    @property
    def middle(self) -> float:
        """The geometric middle, which a model serves where nobody asks for another tolerance."""
        return float(np.sqrt(self.least * self.greatest))

    def tolerances(self, number: int) -> list[float]:
        """Returns tolerances at equal ratios, both ends included."""
        return np.geomspace(self.least, self.greatest, number).tolist()

    def check(self, check: Callable[[Any, str], float]) -> None:
        """Raises the error that a check of a single tolerance raises for one of the ends."""
        for name in ("least", "greatest"):
            check(getattr(self, name), name)

    def holds(self, tolerance: Any) -> Any:
        """Returns whether a number or a tensor is in the range, but for float32's rounding."""
        near = 1e-6
        return (tolerance >= (1 - near) * self.least) & (tolerance <= (1 + near) * self.greatest)

    def choose(self, tolerance: Any) -> float:
        """Returns a tolerance of the range as a float.

        Raises:
            ValueError: If it is none.
        """
        tolerance = positive_number(tolerance, "tolerance")
        if not self.holds(tolerance):
            raise ValueError(
                f"`tolerance` must be within {self}, for which the model is trained. "
                f"Received: tolerance={tolerance:g}."
            )
        return tolerance

    def __repr__(self) -> str:
        """Returns how to make it."""
        return f"Range({self.least:g}, {self.greatest:g})"

    def __eq__(self, other: Any) -> bool:
        """Returns whether another is the same range."""
        return isinstance(other, Range) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        """Returns the same number for equal ranges."""
        return hash((self.least, self.greatest))

    def get_config(self) -> dict[str, float]:
        """Returns the arguments of `__init__`."""
        return {"least": self.least, "greatest": self.greatest}

    @classmethod
    def from_config(cls, config: dict[str, float]) -> "Range":
        """Makes the range that `get_config` described."""
        return cls(**config)


def check_change(before: Any, tolerance: Any, name: str) -> None:
    """Raises an error if a tolerance cannot give way to another: a range, or none, is for good.

    Args:
        before: A number, a schedule, a range or `None`.
        tolerance: What is to take its place.
        name: The name of the constraint, for the error.

    Raises:
        ValueError: If one of the two is a range or `None`, and they differ.
    """
    for_good = [part for part in (before, tolerance) if part is None or isinstance(part, Range)]
    if for_good and tolerance is not before:
        raise ValueError(
            f"Constraint '{name}' is made for tolerances of one kind: numbers and schedules, one "
            "range, or none. Make a new constraint, and a new model. "
            f"Received: tolerance={tolerance}, in place of {before}."
        )
