"""GECOCallback: what a person wants to see of a training run, and the weights they want to keep."""

import warnings
from typing import Any

import keras
import numpy as np

from tf_geco.callbacks.best import Best, rank_of
from tf_geco.callbacks.feasibility import not_yet, out_of_reach
from tf_geco.callbacks.observed import objective_of, sums_of
from tf_geco.callbacks.tensorboard import Board
from tf_geco.callbacks.trajectory import Trajectory
from tf_geco.checks import flag, non_negative_number, path_name, positive_integer
from tf_geco.objectives import GECO
from tf_geco.objectives.means import tolerances
from tf_geco.objectives.objective import Objective
from tf_geco.objectives.sums import Sums
from tf_geco.strategies import worker_of
from tf_geco.training.files import KINDS


class GECOCallback(keras.callbacks.Callback):
    """Logs multipliers, keeps the best feasible weights, stops, warns of tolerances out of reach.

    It observes: the state of the algorithm lives in the objective, so training is the same without
    it. Every epoch it adds to the logs, and so to the progress bar and the history: `lambda`,
    `beta` (1 / lambda, for a single constraint) and `C_ma`, and with `hold_on="validation"` `gap`;
    and `rank`, by which the best epoch is chosen: `ModelCheckpoint(monitor="rank", mode="min")`.

    Each `fit`, and each change of a tolerance, starts patience and best weights anew: ranks under
    different tolerances do not compare. Another model gets a new trajectory. What counts as
    feasible is what the logs of the epoch say; of epochs that are not, the one whose largest excess
    is least is best. Where tolerances hold on validation data, all this goes by the figures of
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
        checkpoint: File for the best model, written in each epoch that is better than all before
            under its tolerances: `.keras`, or `.weights.h5` for its weights alone. With
            `callbacks.Backup` a run that is resumed still knows which was best.

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

    order = -1  # of the callbacks of a `fit`: others see what it logs

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
        checkpoint: str | None = None,
    ) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        self.patience = None if patience is None else positive_integer(patience, "patience")
        self.min_delta = non_negative_number(min_delta, "min_delta")
        self.restore_best_weights = flag(restore_best_weights, "restore_best_weights")
        self.csv = None if csv is None else path_name(csv, "csv")
        self.checkpoint = None
        if checkpoint is not None:
            self.checkpoint = path_name(checkpoint, "checkpoint", *KINDS)
        self.board = None if log_dir is None else Board(path_name(log_dir, "log_dir"), images)
        self.trajectory: Any = None
        self._best = Best()

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best weights, or `None`."""
        return self._best.epoch

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts the record, or continues that of an earlier `fit` of the same model."""
        self.objective = objective = objective_of(self.model)
        if self.trajectory is None or not self.trajectory.belongs_to(objective):
            self.trajectory = Trajectory(objective)
        self._seen: list[list[float]] = []
        self._best, self._holds = Best(), False
        self._sums: Sums | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Forgets the sums of the last epoch."""
        self._sums = None

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Keeps the sums of the epoch, which the validation puts its own in the place of."""
        self._sums = sums_of(self.model)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Records every few steps."""
        if not self.trajectory:
            self._check_plan()
        if batch < self.model.steps_per_execution and sums_of(self.model) is not None:
            self._refuse_names(logs or {})
        if batch % self.every < self.model.steps_per_execution:
            self.trajectory.record()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Logs, keeps the best weights, and decides whether to stop."""
        objective = self.objective
        self.trajectory.record()
        logs = {} if logs is None else logs
        logs.update({name: float(value) for name, value in objective.logs().items()})
        prefix = "" if objective.gap is None else "val_"
        self._seen.append([logs.get(prefix + name, np.nan) for name in self.trajectory.names])
        self._judge(epoch, objective, logs)
        chief = worker_of(self.model) == 0
        if self.csv is not None and chief:
            self.trajectory.to_csv(self.csv)
        if self.board is not None and chief:
            self.board.write(logs, self.model, int(objective.step.numpy()))

    def on_train_end(self, logs: dict | None = None) -> None:
        """Says which constraints do not hold, and restores the best weights, if asked to."""
        restores = self.restore_best_weights and self._best.weights is not None
        if isinstance(self.objective, GECO) and not (restores and self._best.holds):
            self._report(self.objective)
        if restores:
            self.model.set_weights(self._best.weights)

    def _check_plan(self) -> None:
        """Warns if a training loop of the user's own has not said how long it will be."""
        params = self.params or {}
        if not int(self.objective.planned_steps.numpy()) and params.get("steps"):
            steps = params["steps"] * params["epochs"]
            warnings.warn(
                "The objective does not know how many steps there will be, by which it paces "
                f"itself: call `{self.objective.name}.plan({steps})` before `fit`. The `fit` of "
                "tf_geco's own models does so.",
                stacklevel=2,
            )

    def _refuse_names(self, logs: dict) -> None:
        """Raises an error if a metric that was compiled has the name of what is logged here."""
        if taken := {"rank", *self.objective.logs()}.intersection(logs):
            raise ValueError(
                "A metric must not have the name of what `GECOCallback` logs; give it another. "
                f"Received: {', '.join(sorted(taken))}."
            )

    def get_state(self) -> dict[str, np.ndarray]:
        """Returns what `Backup` keeps: trajectory, epochs, best weights and patience."""
        seen = np.reshape(self._seen, (-1, len(self.trajectory.names)))
        state = {"seen": seen, "holds": np.array(self._holds)}
        record = {name: part for name, part in self.trajectory.arrays().items() if name != "names"}
        return state | self._best.get_state() | record

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Goes on from what `get_state` returned."""
        self._seen, self._holds = state["seen"].tolist(), bool(state["holds"])
        self._best.set_state(state)
        self.trajectory.set_arrays(state)

    def _judge(self, epoch: int, objective: Objective, logs: dict) -> None:
        """Ranks the weights of an epoch: feasible ones first, then by cost."""
        if objective.gap is not None and "val_feasible" not in logs:
            return
        asked = tolerances(objective.asked, objective.steps_taken)
        if not self._best.is_of(asked):
            self._best = Best(asked)
        feasible, cost, excess = self._verdict(objective, logs)
        self._holds, logs["rank"] = feasible, rank_of(feasible, cost, excess)
        if self._best.improves(epoch, logs["rank"]):
            self._keep()
        waited = self._best.wait(cost, self.min_delta) if feasible else 0
        if self.patience is not None and waited >= self.patience:
            self.model.stop_training = True

    def _verdict(self, objective: Objective, logs: dict) -> tuple[bool, float, float]:
        """Returns whether all constraints hold, the cost, and the largest excess."""
        if not isinstance(objective, GECO):
            return True, float(logs.get("loss", np.nan)), 0.0
        name = getattr(getattr(self.model, "progress", None), "cost_name", "cost")
        if objective.gap is not None:
            excess = float(np.max(objective.excess(objective.gap.validated).numpy()))
            return bool(logs["val_feasible"]), float(logs[f"val_{name}"]), excess
        excess = self._excess(objective)
        cost = float(logs.get(name, objective.cost_average))
        return bool(logs.get("feasible", excess <= objective.band)), cost, excess

    def _excess(self, objective: GECO) -> float:
        """Returns the largest excess in the epoch, by C_ma where the epoch says nothing."""
        sums, averaged = self._sums or sums_of(self.model), objective.excess().numpy()
        found = averaged if sums is None else objective.excess(sums).numpy()
        return float(np.max(np.where(np.isfinite(found), found, averaged)))

    def _keep(self) -> None:
        """Keeps the weights of the best epoch, in memory, in a file, or both."""
        if not self.restore_best_weights and self.checkpoint is None:
            return
        present, best = self.model.get_weights(), self._weights()
        if self.restore_best_weights:
            self._best.weights = best
        if self.checkpoint is not None:
            self.model.set_weights(best)
            whole = self.checkpoint.endswith(".keras")
            (self.model.save if whole else self.model.save_weights)(self.checkpoint)
            self.model.set_weights(present)

    def _weights(self) -> list:
        """Returns the weights as a training that ended now would leave them."""
        weights, optimizer = self.model.get_weights(), self.model.optimizer
        if not getattr(getattr(optimizer, "inner_optimizer", optimizer), "use_ema", False):
            return weights
        optimizer.finalize_variable_values(self.model.trainable_weights)
        averaged = self.model.get_weights()
        self.model.set_weights(weights)
        return averaged

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
