"""Telling "not yet" from "never": does an error still answer its multiplier?"""

import numpy as np

from tf_geco.callbacks.trajectory import Trajectory
from tf_geco.objectives import GECO


def out_of_reach(objective: GECO, trajectory: Trajectory, band: float) -> list[str]:
    """Returns a sentence for each constraint that looks infeasible.

    An error that can still be reduced falls by about one unit of its logarithm for a unit of log
    lambda. A constraint looks infeasible if it is violated, and over the last half of training its
    multiplier has at least doubled while the error answered with less than a tenth of that; or if
    its multiplier has reached the upper bound.

    Args:
        objective: The objective that was trained.
        trajectory: Its record.
        band: The relative violation that still counts as feasible.
    """
    record = trajectory.arrays()
    half = len(trajectory) // 2
    excess = objective.excess().numpy()
    sentences = []
    for index, constraint in enumerate(objective.constraints):
        multiplier = record["multiplier"][half:, index]
        rise = float(np.log(multiplier[-1] / multiplier[0]))
        ratios = 1.0 + record["violation"][half:, index] / constraint.scale
        fall = float(np.log(max(ratios[0], 1e-6) / max(ratios[-1], 1e-6)))
        stuck = rise > np.log(2.0) and fall < 0.1 * rise
        bounded = multiplier[-1] > 0.99 * objective.bounds[1]
        if excess[index] > band and (stuck or bounded):
            measured = record["measured"][:, index]
            sentences.append(_advice(constraint.name, constraint.tolerance, measured, np.exp(rise)))
    return sentences


def _advice(name: str, tolerance: float, measured: np.ndarray, factor: float) -> str:
    best = measured[np.argmin(np.abs(measured - tolerance))]
    return (
        f"Constraint '{name}' looks out of reach: you asked for {tolerance:g}, the nearest seen is "
        f"{best:.4g}, and of late a multiplier {factor:.3g} times as large made no difference. "
        f"Ask for a looser tolerance, or give the model a larger network, more latents, or more "
        f"training steps."
    )
