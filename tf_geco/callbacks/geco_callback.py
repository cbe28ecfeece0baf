"""GECOCallback: what a person wants to see of a training run, and the weights they want to keep."""

import warnings
from typing import Any

import keras
import numpy as np

from tf_geco.callbacks.feasibility import not_yet, out_of_reach
from tf_geco.callbacks.tensorboard import Board
from tf_geco.callbacks.trajectory import Trajectory
from tf_geco.checks import flag, non_negative_number, path_name, positive_integer
from tf_geco.objectives import GECO
from tf_geco.objectives.objective import Objective


class GECOCallback(keras.callbacks.Callback):
    """Logs multipliers, keeps the best feasible weights, stops, warns of tolerances out of reach.

    It observes: the state of the algorithm lives in the objective, so training is the same without
    it. Every epoch it adds to the logs, and so to the progress bar and the history: `lambda`,
    `beta` (1 / lambda, for a single constraint) and `C_ma`, and with `hold_on="validation"` `gap`.

    Each `fit` starts patience and best weights anew, and another model a new trajectory. What
    counts as feasible is what the logs of the epoch say; of epochs that are not, the one with the
    least C_ma is best. Where tolerances hold on validation data, all this goes by the figures of
    validation, and epochs without one are not judged. An ELBO asks for nothing, so there the cost
    is its loss.

    Args:
        every: Steps between two records of the trajectory. 10 costs little and draws smooth curves.
        patience: Epochs without a lower cost, while feasible, after which training stops. `None`
            never stops.
        min_delta: By how much a cost must fall to count as lower, in its unit (nats).
        restore_best_weights: Whether training ends with the best weights: feasible ones first, then
            those of the lowest cost; if none were feasible, those of the least violation. Of an
            optimizer with `use_ema` they are the averaged ones.
        log_dir: Folder for TensorBoard.
        images: Inputs that TensorBoard shows with their reconstructions: images `[n, H, W, C]`, or
            what a conditional model takes.
        csv: File for the trajectory, written at the end of every epoch.

    Attributes:
        trajectory: A `Trajectory`, with `arrays()` and `to_csv(path)`.
        best_epoch: The epoch of the best weights, or `None`.

    Raises:
        ValueError: If a number is out of range, or the model has no objective of tf_geco.
        ImportError: If `log_dir` is given and TensorBoard is not installed.

    Example:
    ```python
    callback = tf_geco.GECOCallback(patience=10, restore_best_weights=True)
    history = model.fit(images, epochs=200, callbacks=[callback])
    history.history["lambda"]
    tf_geco.plotting.trajectory(callback.trajectory.arrays())
    ```
    """

    def __init__(
        self,
        *,
        every: int = 10,
        patience: int | None = None,
        min_delta: float = 0.1,
        restore_best_weights: bool = False,
        log_dir: str | None = None,
        images: Any = None,
        csv: str | None = None,
    ) -> None:
        super().__init__()
        for name, value in {"every": every, "patience": patience}.items():
            if value is not None:
                positive_integer(value, name)
        self.every, self.patience = every, patience
        self.min_delta = non_negative_number(min_delta, "min_delta")
        self.restore_best_weights = flag(restore_best_weights, "restore_best_weights")
        self.csv = None if csv is None else path_name(csv, "csv")
        self.board = None if log_dir is None else Board(path_name(log_dir, "log_dir"), images)
        self.trajectory: Any = None
        self.best_epoch: int | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts the record, or continues that of an earlier `fit` of the same model."""
        objective = getattr(self.model, "objective", None)
        if not isinstance(objective, Objective):
            raise ValueError(
                "`GECOCallback` observes models that have a `tf_geco` objective as `objective`. "
                f"Received: a model of type {type(self.model).__name__}."
            )
        if self.trajectory is None or not self.trajectory.belongs_to(objective):
            self.trajectory = Trajectory(objective)
        self._seen: list[list[float]] = []
        self._best_rank: tuple | None = None
        self._best_weights: list | None = None
        self.best_epoch, self._holds = None, False
        self._lowest_cost, self._waited = np.inf, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Records every few steps."""
        if batch % self.every < self.model.steps_per_execution:
            self.trajectory.record()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Logs, keeps the best weights, and decides whether to stop."""
        objective = self.model.objective
        self.trajectory.record()
        logs = {} if logs is None else logs
        logs.update({name: float(value) for name, value in objective.logs().items()})
        prefix = "" if objective.gap is None else "val_"
        self._seen.append([logs.get(prefix + name, np.nan) for name in self.trajectory.names])
        self._judge(epoch, objective, logs)
        if self.csv is not None:
            self.trajectory.to_csv(self.csv)
        if self.board is not None:
            self.board.write(logs, self.model, int(objective.step.numpy()))

    def on_train_end(self, logs: dict | None = None) -> None:
        """Says which constraints do not hold, and restores the best weights, if asked to."""
        restores = self.restore_best_weights and self._best_weights is not None
        if isinstance(self.model.objective, GECO) and not (restores and self._best_holds()):
            self._report(self.model.objective)
        if restores:
            self.model.set_weights(self._best_weights)

    def _best_holds(self) -> bool:
        """Returns whether every constraint held in the epoch of the best weights."""
        return self._best_rank is not None and not self._best_rank[0]

    def _judge(self, epoch: int, objective: Objective, logs: dict) -> None:
        """Ranks the weights of an epoch: feasible ones first, then by cost."""
        if objective.gap is not None:
            if "val_feasible" not in logs:
                return
            excess = float(np.max(objective.excess(objective.gap.validated).numpy()))
            cost, feasible = float(logs[f"val_{self._cost_name()}"]), bool(logs["val_feasible"])
        elif isinstance(objective, GECO):
            excess = float(np.max(objective.excess().numpy()))
            cost = float(logs.get(self._cost_name(), objective.cost_average))
            feasible = bool(logs.get("feasible", excess <= objective.band))
        else:
            cost, excess, feasible = float(logs.get("loss", np.nan)), 0.0, True
        self._holds = feasible
        self._keep_best(epoch, (not feasible, cost if feasible else excess))
        if feasible:
            self._stop_at_plateau(cost)

    def _cost_name(self) -> str:
        """Returns the name of the cost in the logs."""
        return getattr(getattr(self.model, "progress", None), "cost_name", "cost")

    def _keep_best(self, epoch: int, rank: tuple) -> None:
        if np.isfinite(rank[1]) and (self._best_rank is None or rank < self._best_rank):
            self._best_rank, self.best_epoch = rank, epoch
            if self.restore_best_weights:
                self._best_weights = self._weights()

    def _weights(self) -> list:
        """Returns the weights as a training that ended now would leave them."""
        weights, optimizer = self.model.get_weights(), self.model.optimizer
        if not getattr(getattr(optimizer, "inner_optimizer", optimizer), "use_ema", False):
            return weights
        optimizer.finalize_variable_values(self.model.trainable_weights)
        averaged = self.model.get_weights()
        self.model.set_weights(weights)
        return averaged

    def _stop_at_plateau(self, cost: float) -> None:
        if cost < self._lowest_cost - self.min_delta:
            self._lowest_cost, self._waited = cost, 0
            return
        self._waited += 1
        if self.patience is not None and self._waited >= self.patience:
            self.model.stop_training = True

    def _report(self, objective: GECO) -> None:
        """Warns of tolerances out of reach; of others, "not yet" is only a line of progress.

        At the end, not before: while the rule searches, a lag looks like an error out of reach.
        """
        if not self._seen or self._holds:
            return
        seen = np.array(self._seen)
        if sentences := out_of_reach(objective, self.trajectory, seen):
            warnings.warn("\n".join(sentences), stacklevel=2)
        elif (self.params or {}).get("verbose"):
            print("\n".join(not_yet(objective, seen)))
