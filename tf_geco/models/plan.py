"""How long a training will be, told to the objective."""

import keras


class Plan(keras.callbacks.Callback):
    """Tells the objective at every epoch how many steps `fit` still has to take.

    Where the length of an epoch is not known beforehand, it is that of the last one.
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts to count."""
        self.begun = self._step()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Tells it, if the length of an epoch is known."""
        step = self._step()
        length = self.params["steps"] or step - self.begun
        if length:
            self.model.objective.plan(length * (self.params["epochs"] - epoch))
        self.begun = step

    def _step(self) -> int:
        """Returns how many steps were taken; a model may be built by its first."""
        objective = self.model.objective
        return int(objective.step.numpy()) if objective.built else 0
