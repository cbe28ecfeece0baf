"""Telling "not yet" from "never": does an error still answer its multiplier?"""

import numpy as np

from tf_geco.callbacks.trajectory import Trajectory
from tf_geco.objectives import GECO


def out_of_reach(objective: GECO, trajectory: Trajectory, band: float) -> list[str]:
    """Returns a sentence for each constraint that looks infeasible.

    An error that can still be reduced falls by about one unit of its logarithm for a unit of log
    lambda. A constraint is stuck if it is violated, and over the last half of training

    - its multiplier has at least doubled while the error answered with less than a tenth of that,
    - or its multiplier has grown by a quarter, and the error fell by so little that it would take
      four such halves to reach the tolerance: the default rule does not press harder then,
    - or its multiplier has reached the upper bound.

    A stuck constraint looks infeasible, unless the multiplier of another has doubled as well. Those
    may pull against each other, each stuck because of the rest, and which of them stops answering
    first is chance: what looks infeasible then is the one that is furthest from its tolerance.

    Args:
        objective: The objective that was trained.
        trajectory: Its record.
        band: The relative violation that still counts as feasible.
    """
    record = trajectory.arrays()
    half = len(trajectory) // 2
    scale = np.array([float(constraint.scale) for constraint in objective.constraints])
    upper = np.broadcast_to(objective.bounds, (len(scale), 2))[:, 1]
    violated = objective.excess().numpy() > band
    multiplier = record["multiplier"][half:]
    rise = np.log(multiplier[-1] / multiplier[0])
    ratio = np.maximum(1.0 + record["violation"][half:] / scale, 1e-6)
    fall = np.log(ratio[0] / ratio[-1])
    rising = rise > np.log(2.0)
    slow = (rise > np.log(1.25)) & (fall < 0.25 * np.log(ratio[-1]))
    unanswered = rising & (fall < 0.1 * rise)
    stuck = violated & (unanswered | slow | (multiplier[-1] > 0.99 * upper))
    rivals = (violated & rising) | stuck
    if stuck.any() and rivals.sum() > 1:
        furthest = int(np.argmax(np.where(rivals, ratio[-1], -np.inf)))
        return [_conflict(objective, record["measured"], np.flatnonzero(rivals), furthest)]
    return [
        _advice(objective, record["measured"], int(index), np.exp(rise[index]), fall[index])
        for index in np.flatnonzero(stuck)
    ]


def not_yet(objective: GECO, trajectory: Trajectory, band: float) -> list[str]:
    """Returns a sentence for each constraint that does not hold, but may with more training."""
    measured = trajectory.arrays()["measured"]
    return [
        f"Constraint '{objective.constraints[index].name}' is not met yet: "
        f"{_nearest(objective, measured, int(index))}. Train longer, or ask for a looser tolerance."
        for index in np.flatnonzero(objective.excess().numpy() > band)
    ]


def _nearest(objective: GECO, measured: np.ndarray, index: int) -> str:
    tolerance = float(objective.constraints[index].tolerance)
    best = measured[np.argmin(np.abs(measured[:, index] - tolerance)), index]
    return f"you asked for {tolerance:g}, the nearest seen is {best:.4g}"


def _advice(objective: GECO, measured: np.ndarray, index: int, factor: float, fall: float) -> str:
    percent = 100.0 * (1.0 - np.exp(-max(fall, 0.0)))
    return (
        f"Constraint '{objective.constraints[index].name}' looks out of reach: "
        f"{_nearest(objective, measured, index)}. Over the last half of training its multiplier "
        f"grew {factor:.3g} times, and its error fell by {percent:.0f} %. Ask for a looser "
        f"tolerance, or give the model a larger network, more latents, or more training steps."
    )


def _conflict(objective: GECO, measured: np.ndarray, rivals: np.ndarray, furthest: int) -> str:
    wishes = {
        index: f"you asked for {float(objective.constraints[index].tolerance):g}, and it is "
        f"{measured[-1, index]:.4g}"
        for index in rivals
    }
    others = ", ".join(
        f"'{objective.constraints[index].name}' ({wishes[index]})"
        for index in rivals
        if index != furthest
    )
    name = objective.constraints[furthest].name
    return (
        f"Constraint '{name}' looks out of reach together with {others}: {wishes[furthest]}. Their "
        f"multipliers rise together and they do not give way. Ask for a looser tolerance of one of "
        f"them, or give the model a larger network, more latents, or more training steps."
    )
