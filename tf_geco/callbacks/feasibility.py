"""Telling "not yet" from "never": does an error still answer its multiplier?"""

import numpy as np

from tf_geco.callbacks.trajectory import Trajectory
from tf_geco.objectives import GECO
from tf_geco.objectives.means import errors, signs

MEMORIES = 3  # of the moving average, that half of a record must span before it says anything


def out_of_reach(objective: GECO, trajectory: Trajectory, seen: np.ndarray) -> list[str]:
    """Returns a sentence for each constraint that looks infeasible.

    An error that can still be reduced falls by about one unit of its logarithm for a unit of log
    lambda. A constraint is stuck if it is violated, and over the last half of training

    - its multiplier has at least doubled while the error answered with less than a tenth of that,
    - or its multiplier has grown by a quarter, and the error fell by so little that it would take
      four such halves to reach the tolerance: the default rule does not press harder then,
    - or the default rule holds it back, because it is far beyond what maximum likelihood would take
      for such an error, and the error fell by as little,
    - or its multiplier has reached the upper bound,

    and it kept its tolerance in no epoch.

    A stuck constraint looks infeasible, unless the multiplier of another has doubled as well. Those
    may pull against each other, each stuck because of the rest, and which of them stops answering
    first is chance: what looks infeasible then is the one that is furthest from its tolerance.

    Too short a record says nothing: C_ma lags, and an error that lags looks like one out of reach.

    Args:
        objective: The objective that was trained.
        trajectory: Its record.
        seen: What each constraint measured in each epoch, `[E, L]`.
    """
    if objective.gap is not None and (sentences := in_vain(objective, seen)):
        return sentences
    if not len(trajectory):
        return []
    record = trajectory.arrays()
    half = len(trajectory) // 2
    memory = 1.0 / (1.0 - float(objective.present_decay))
    if record["step"][-1] - record["step"][half] < MEMORIES * memory:
        return []
    upper = np.array(objective.bounds)[:, 1]
    violated = _violated(objective)
    multiplier = record["multiplier"][half:]
    aimed = _aimed(objective, record)[half:].astype("float32")
    error = errors(objective.asked, aimed.T, objective.step).numpy().T
    rise = np.log(multiplier[-1] / multiplier[0])
    fall = error[0] - error[-1]
    rising = rise > np.log(2.0)
    pressed = (rise > np.log(1.25)) | _held_back(objective, multiplier, error)
    slow = pressed & (fall < 0.25 * error[-1])
    unanswered = rising & (fall < 0.1 * rise)
    stuck = violated & (unanswered | slow | (multiplier[-1] > 0.99 * upper))
    stuck &= ~_held(objective, seen).any(axis=0)
    rivals = (violated & rising) | stuck
    if stuck.any() and rivals.sum() > 1:
        furthest = int(np.argmax(np.where(rivals, error[-1], -np.inf)))
        return [_conflict(objective, record["measured"], np.flatnonzero(rivals), furthest)]
    return [
        _advice(objective, seen, int(index), np.exp(rise[index]), fall[index])
        for index in np.flatnonzero(stuck)
    ]


def not_yet(objective: GECO, seen: np.ndarray) -> list[str]:
    """Returns a sentence for each constraint that does not hold, but may with more training."""
    return [
        f"Constraint '{objective.names[index]}' is not met yet: "
        f"{_nearest(objective, seen, int(index))}.{_cure(objective, seen, int(index))}"
        for index in np.flatnonzero(_violated(objective))
    ]


def _cure(objective: GECO, seen: np.ndarray, index: int) -> str:
    """Returns what to try: what was met and lost oscillates, or its figures are noisy."""
    if not np.isfinite(seen[:, index]).any():
        return ""  # nothing counted or was finite, of which training has warned
    if _held(objective, seen)[:, index].any():
        return " Try a lower learning rate, or `GECOCallback(restore_best_weights=True)`."
    return " Train longer, or ask for a looser tolerance."


def in_vain(objective: GECO, seen: np.ndarray) -> list[str]:
    """Returns a sentence for each constraint whose validation no longer follows training."""
    name = objective.names
    return [
        f"Constraint '{name[index]}' does not hold on the validation data: "
        f"{_nearest(objective, seen, int(index))}. Training or lambda went further, and validation "
        "did not follow, so lambda rises no more. More data or regularisation is needed, or a "
        "looser tolerance."
        for index in np.flatnonzero(_violated(objective) & objective.gap.vain)
    ]


def _aimed(objective: GECO, record: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the means whose errors the rule saw, `[T, L]`: those of training and the gaps."""
    return record["mean"] + signs(objective.asked) * record["gap"]


def _violated(objective: GECO) -> np.ndarray:
    """Returns which constraints do not hold, on the data on which they are to hold, `[L]`."""
    sums = None if objective.gap is None else objective.gap.validated
    return ~(objective.excess(sums).numpy() <= objective.band)


def _held_back(objective: GECO, multiplier: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Returns which multipliers the rule has held back all the time, `[T, L]` -> `[L]`."""
    beyond = np.log(multiplier) - objective.units
    return objective.rule.holds_back(beyond.astype("float32"), error).numpy().all(axis=0)


def _tolerance(objective: GECO, index: int) -> float:
    return float(objective.asked[index].tolerance_at(objective.step))


def _held(objective: GECO, seen: np.ndarray) -> np.ndarray:
    """Returns in which epochs each constraint kept its tolerance, boolean `[E, L]`."""
    asked = [_tolerance(objective, index) for index in range(seen.shape[1])]
    return (seen - asked) * signs(objective.asked) <= 0.0


def _nearest(objective: GECO, seen: np.ndarray, index: int) -> str:
    tolerance, values = _tolerance(objective, index), seen[:, index]
    values = values[np.isfinite(values)]
    if not len(values):
        return f"you asked for {tolerance:g}, nothing was measured"
    if number := int(_held(objective, seen)[:, index].sum()):
        held = f"{number} of {len(values)} epochs had that, but not the end"
        return f"you asked for {tolerance:g}, {held}"
    best = values[np.argmin(np.abs(values - tolerance))]
    return f"you asked for {tolerance:g}, the nearest epoch had {best:.4g}"


def _advice(objective: GECO, seen: np.ndarray, index: int, factor: float, fall: float) -> str:
    percent = 100.0 * (1.0 - np.exp(-max(fall, 0.0)))
    return (
        f"Constraint '{objective.names[index]}' looks out of reach: "
        f"{_nearest(objective, seen, index)}. Over the last half of training its multiplier "
        f"grew {factor:.3g} times, and its error fell by {percent:.0f} %. Ask for a looser "
        "tolerance, or give the model a larger network, more latents, or more training steps."
        f"{_scale(objective, index)}"
    )


def _scale(objective: GECO, index: int) -> str:
    """Returns what may help where a band is narrow beside what counts as a violation of 100 %."""
    asked = objective.asked[index]
    margin, scale = float(asked.margin(objective.step)), float(asked.scale(objective.step))
    if margin > 0.1 * scale:
        return ""
    return (
        f" Its band is {margin:g} wide, and a violation of {scale:g} counts as 100 %: if what it "
        f"measures can change by far less than that, give it a smaller `scale`, such as {margin:g}."
    )


def _conflict(objective: GECO, measured: np.ndarray, rivals: np.ndarray, furthest: int) -> str:
    asked = {
        index: f"you asked for {_tolerance(objective, index):g}, and it is "
        f"{measured[-1, index]:.4g}"
        for index in rivals
    }
    others = ", ".join(
        f"'{objective.names[index]}' ({asked[index]})" for index in rivals if index != furthest
    )
    name = objective.names[furthest]
    return (
        f"Constraint '{name}' looks out of reach together with {others}: {asked[furthest]}. Their "
        f"multipliers rise together and they do not give way. Ask for a looser tolerance of one of "
        f"them, or give the model a larger network, more latents, or more training steps."
    )
