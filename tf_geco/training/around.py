"""What `fit` does around its steps, as a callback that every training gets."""

import keras

EVERY = 20  # batches between two looks at what was left out: a look waits for the device


class Around(keras.callbacks.Callback):
    """Tells the objective of length and validations, and people what is left out.

    Where the length of an epoch is not known beforehand, it is that of the last one.
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts to count."""
        self.begun = self._step()
        self.model.watch.begin()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Tells the objective, if the length of an epoch is known; sees what callbacks changed."""
        self.model.make_train_function()
        step = self._step()
        batches = self.params.get("steps")
        epochs = self.params["epochs"] - epoch
        known = batches * epochs // self.model.micro_batches if batches else 0
        self.model.objective.expect(known or (step - self.begun) * epochs)
        self.begun = step

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Looks at the first batch, and then now and then."""
        if batch < self.model.steps_per_execution or batch % EVERY < self.model.steps_per_execution:
            self.model.look()

    def on_test_end(self, logs: dict | None = None) -> None:
        """Tells the objective what the validation measured."""
        self.model.objective.measure_gap(self.model.progress.seen)
        self.model.watch.check_validation(self.model.objective)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Looks at the rest."""
        self.model.look()

    def _step(self) -> int:
        """Returns how many steps were taken; a model may be built by its first."""
        objective = self.model.objective
        return int(objective.step.numpy()) if objective.built else 0
