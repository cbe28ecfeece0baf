"""State in files: it is restored whenever it comes to be, and only to whom it belongs."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.constraints import Constraint
from tf_geco.objectives.planned import Planned


class Saved(Planned):
    """A layer whose state is that of constraints, and may be loaded before there is any.

    In a model of one's own the first batch builds the objective, long after `load_model` or
    `load_weights`: Keras would drop the multipliers without a word.
    """

    constraints: list[Constraint]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._loaded: dict[str, np.ndarray] = {}  # until `build` makes what holds it
        self._found: list[str] = []  # the constraints that the last file was of

    def save_own_variables(self, store: Any) -> None:
        """Saves whose state it is too."""
        super().save_own_variables(store)
        for name, array in self._loaded.items():  # not taken yet
            store[name] = array
        store["constraints"] = np.array(list("\n".join(self._names()).encode()), "uint8")

    def load_own_variables(self, store: Any) -> None:
        """Restores the state, or keeps it for `build`.

        Raises:
            ValueError: If it is that of other constraints, or of the same in another order or unit.
        """
        arrays = {name: np.array(store[name]) for name in list(store.keys())}
        names = bytes(arrays.pop("constraints", np.zeros(0, "uint8"))).decode()
        if names or arrays:  # after a refusal Keras comes again, with nothing
            self._found = names.split("\n") if names else []
        if self._found and self._found != self._names():
            raise ValueError(
                "These are the multipliers of other constraints: give the same ones, in the same "
                f"order. Received: a file of {self._found}, a model of {self._names()}."
            )
        if self.built:
            super().load_own_variables(arrays)
            self.state_loaded()
        elif arrays:
            self._loaded, self._plan = arrays, (0, 0)

    def take_loaded(self) -> None:
        """Takes what was loaded before; the last that a `build` does."""
        arrays, self._loaded = self._loaded, {}
        if not arrays:
            return
        with tf.init_scope():  # a step may be what builds it
            super().load_own_variables(arrays)
            self.state_loaded()
            # A plan that was made since is of steps that come after those of the file.
            taken, (planned, by_hand) = int(self.step.numpy()), self._plan
            if by_hand or (planned and taken >= int(self.planned_by_hand.numpy())):
                self.planned_steps.assign(taken + planned)
            if by_hand:
                self.planned_by_hand.assign(taken + by_hand)

    def state_loaded(self) -> None:
        """Looks at a state that has just been loaded; most need not be looked at."""

    def _names(self) -> list[str]:
        """Returns what tells constraints apart: name, form, and unit, if it may have several."""
        return [
            " ".join(filter(None, [part.name, part.form, part.measured_in]))
            for part in self.constraints
        ]
