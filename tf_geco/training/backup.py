"""Backup: a training that is killed goes on where it was."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.checks import path_name
from tf_geco.objectives.means import tolerances


class Backup(keras.callbacks.Callback):
    """Keeps the state of a training in a file, from which `fit` goes on after an interruption.

    After each epoch the file holds weights, multipliers, averages, the optimizer, all noise, the
    number of the epoch, tolerances that a callback has changed, and what `GECOCallback` remembers:
    trajectory, patience, best weights. Run the same script again, and `fit` reads the file and
    starts with the next epoch. With deterministic operations and data in the same order the result
    is that of a training without interruption, bit for bit. The file appears whole or not at all.

    An epoch is as long as you say: with data that repeat and `steps_per_epoch=500` there is a
    backup every 500 steps, and `fit` skips the batches that were already taken. Data without
    `steps_per_epoch` are read from their start in each epoch; a shuffle starts anew with the
    process, as its seed does.

    A training that a callback has stopped, such as `patience`, stays stopped. The file stays when
    training is over, so that nothing is lost between `fit` and `save`. Delete it, or name another,
    to train anew.

    Args:
        filepath: The file, which ends in `.weights.h5`. On several machines it lies in a folder
            that all of them see.

    Raises:
        ValueError: If the name ends otherwise; in `fit`, if the model has no weights yet or is none
            of tf_geco's, if the file is none of a backup, or with
            `SwapEMAWeights(swap_on_epoch=True)`.

    Example:
    ```python
    backup = tf_geco.callbacks.Backup("run/backup.weights.h5")
    model.fit(train.repeat(), steps_per_epoch=500, epochs=100, callbacks=[backup])
    ```
    """

    order = 1  # of the callbacks of a `fit`: others finish their epoch first

    def __init__(self, filepath: str) -> None:
        super().__init__()
        self.filepath = path_name(filepath, "filepath", ".weights.h5")
        self.prepared_for: Any = None
        self.epochs_done = 0
        self._companions: dict[str, Any] = {}
        self._found: dict[str, np.ndarray] = {}
        self._begun = np.zeros(0)  # the tolerances that the script asked for, before any callback

    def prepare(self, model: Any, given: dict[str, Any], callbacks: list) -> dict[str, Any]:
        """Restores a model, if there is a backup, and returns the arguments that continue `fit`.

        Args:
            model: The model that `fit` is called of.
            given: Its arguments by name.
            callbacks: Its callbacks; those with `get_state` and `set_state` are backed up.
        """
        swaps = [part for part in callbacks if getattr(part, "swap_on_epoch", False)]
        if swaps:
            raise ValueError(
                "`Backup` cannot tell weights from averages that are exchanged for validation. Use "
                "`SwapEMAWeights()`. Received: SwapEMAWeights(swap_on_epoch=True)."
            )
        self.prepared_for = model
        stateful = [part for part in callbacks if hasattr(part, "get_state")]
        names = [f"{type(part).__name__}_{index}" for index, part in enumerate(stateful)]
        self._companions = dict(zip(names, stateful, strict=True))
        self._restore(model)
        begin = max(self.epochs_done, given.get("initial_epoch") or 0)
        if self._found.get("stopped", False):
            begin = max(begin, given.get("epochs") or 1)  # a callback had ended that training
        if self.epochs_done and begin >= (given.get("epochs") or 1):
            warnings.warn(
                "This training is finished: `fit` restores what it ended with, and runs no epoch. "
                "To train anew, or on other data, delete the file or name another. "
                f"Received: filepath={self.filepath!r}, of {self.epochs_done} epochs.",
                stacklevel=4,
            )
        return {**given, "x": self._unread(given), "initial_epoch": begin}

    def _unread(self, given: dict[str, Any]) -> Any:
        """Returns the data without what was read of them, where they repeat."""
        data, steps = given.get("x"), given.get("steps_per_epoch")
        if not (self.epochs_done and steps):
            return data
        if isinstance(data, tf.data.Dataset):
            return data.skip(self.epochs_done * steps)
        warnings.warn(
            "`Backup` skips what was already read of a `tf.data.Dataset` only: these data are read "
            f"from their start again. Received: data of type {type(data).__name__}.",
            stacklevel=5,
        )
        return data

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Gives the other callbacks their states back."""
        if self.prepared_for is not self.model:
            raise ValueError(
                "`Backup` is for the models of tf_geco, whose `fit` reads the file first. For one "
                "of your own use `keras.callbacks.BackupAndRestore`. Received: a model of type "
                f"{type(self.model).__name__}."
            )
        for name, companion in self._companions.items():
            parts = {k.split(".")[1]: v for k, v in self._found.items() if k.startswith(f"{name}.")}
            if parts:
                companion.set_state(parts)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the file."""
        stopped = np.array(bool(self.model.stop_training))
        carried = {"epochs_done": np.array(epoch + 1), "stopped": stopped}
        objective = self.model.objective
        asked = tolerances(objective.asked, objective.steps_taken)
        carried |= {"tolerances": asked, "begun": self._begun}
        carried["numbers"] = _numbers(self.model)
        for name, companion in self._companions.items():
            carried |= {f"{name}.{key}": part for key, part in companion.get_state().items()}
        self.model.to_carry = carried
        Path(self.filepath).parent.mkdir(parents=True, exist_ok=True)
        try:
            self.model.save_weights(self.filepath)
        finally:
            self.model.to_carry = None

    def _restore(self, model: Any) -> None:
        """Reads the file, if there is one."""
        self.epochs_done, self._found, self._begun = 0, {}, _numbers(model)
        if not model.built or not model.objective.built:
            raise ValueError(
                "`Backup` needs a model that has its weights when `fit` begins. Call "
                "`model.test_on_batch(...)` on one batch before. Received: a model without weights."
            )
        if not Path(self.filepath).exists():
            return
        fresh = not model.objective.steps_taken
        with model.distribute_strategy.scope():
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
            self._load(model)
        self._found, model.carried = dict(model.carried or {}), None
        if "epochs_done" not in self._found:
            raise ValueError(
                "`filepath` must name a file that `Backup` wrote, or none that exists: this one "
                "holds weights alone, which the model now has, and would be overwritten. To begin "
                "with them, name another file; if not, make the model anew. "
                f"Received: filepath={self.filepath!r}."
            )
        self.epochs_done = int(self._found["epochs_done"])
        if fresh:
            self._take_numbers(model)
        else:  # a later `fit` of a script that began with what its first asked for
            self._begun = self._found.get("begun", self._begun)
        before = self._found.get("tolerances")
        now = tolerances(model.objective.asked, model.objective.steps_taken)
        if before is not None and not np.array_equal(before, now):
            warnings.warn(
                f"`Backup` goes on with a training that asked for {before}: with its multipliers, "
                f"its averages and its {self.epochs_done} epochs. To train anew, delete "
                f"{self.filepath!r} or name another file. Received: tolerances of {now}.",
                stacklevel=5,
            )

    def _take_numbers(self, model: Any) -> None:
        """Asks for what a callback had changed, if the script asks for what it did before."""
        begun = self._found.get("begun")
        if begun is None or not np.array_equal(begun, self._begun, equal_nan=True):
            return
        for constraint, number in zip(
            model.objective.constraints, self._found["numbers"], strict=True
        ):
            if np.isfinite(number):
                constraint.tolerance = float(number)

    def _load(self, model: Any) -> None:
        """Reads the weights and all that the file has beside them."""
        try:
            model.load_weights(self.filepath)
        except OSError as error:
            raise ValueError(
                "`filepath` must name a file that `Backup` wrote, or none that exists: this one "
                f"cannot be read. Delete it to train anew. Received: filepath={self.filepath!r}."
            ) from error


def _numbers(model: Any) -> np.ndarray:
    """Returns the tolerances that are numbers, NaN for others: those that a callback may assign."""
    given = [part.tolerance for part in model.objective.constraints]
    return np.array([part if isinstance(part, float) else np.nan for part in given])
