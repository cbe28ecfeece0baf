"""What objectives are given, checked and counted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.checks import GREATEST, LEAST, is_number, is_word, positive_number
from tf_geco.constraints import Constraint, Range
from tf_geco.multipliers import PlannedPace, Rule

RESERVED = ("loss", "cost", "kl", "skipped", "feasible", "lambda", "beta", "C_ma", "gap", "rank")


def checked_constraints(constraints: Sequence[Constraint]) -> Sequence[Constraint]:
    """Returns the constraints, or says why they cannot serve one objective."""
    if not isinstance(constraints, list | tuple) or not constraints:
        raise ValueError(
            "`constraints` must be a list of at least one `tf_geco.constraints.Constraint`. "
            f"Received: constraints={constraints!r}."
        )
    for constraint in constraints:
        if not isinstance(constraint, Constraint):
            raise ValueError(
                "`constraints` must hold `tf_geco.constraints.Constraint` objects. "
                f"Received: {constraint!r}."
            )
    names = [constraint.name for constraint in constraints]
    if len(set(names)) < len(names):
        raise ValueError(
            "Two constraints have the same name; give one another `name`, because the logs tell "
            f"them apart by it. Received: names={names}."
        )
    for name in names:
        if name in RESERVED or name.startswith("val_"):
            raise ValueError(
                f"`name` of a constraint must not be one of {', '.join(RESERVED)}, nor begin with "
                f"'val_': the logs use these. Received: name={name!r}."
            )
    return constraints


def checked_decay(decay: Any) -> float | str:
    """Returns the decay of moving averages, in [0, 1), or `"auto"`."""
    if is_word(decay, "auto"):
        return decay
    if not is_number(decay) or not 0 <= decay < 1:
        raise ValueError(
            f"`decay` must be at least 0 and below 1, or 'auto'. Received: decay={decay!r}."
        )
    return float(decay)


def refuse_without_tolerance(constraints: Sequence[Constraint]) -> None:
    """Raises the error of `tolerance_at` if a constraint asks for nothing."""
    for constraint in constraints:
        constraint.tolerance_at()


def has_range(constraints: Any) -> bool:
    """Returns whether a constraint of a list has a `Range` in place of a tolerance."""
    listed = constraints if isinstance(constraints, list | tuple) else []
    return any(isinstance(getattr(part, "tolerance", None), Range) for part in listed)


def check_range(constraints: Sequence[Constraint], options: dict[str, Any]) -> None:
    """Raises an error if something does not go with a range."""
    if len(constraints) != 1:
        raise ValueError(
            "A constraint with a `Range` must be the only one: the tolerances of others would hold "
            f"on average over the range, and at none of its ends. Received: {len(constraints)} "
            f"constraints, {[part.name for part in constraints]}."
        )
    usual = {"cost": None, "hold_on": "training", "scaled": True}
    for name, value in usual.items():
        if options.get(name, value) != value:
            raise ValueError(
                f"`{name}` does not go with a `Range`; to hold tolerances on other data than "
                f"training's, `model.calibrate(data)`. Received: {name}={options[name]!r}."
            )


def checked_rule(rule: Rule | None) -> Rule:
    """Returns the rule, by default `PlannedPace()`."""
    if rule is not None and not isinstance(rule, Rule):
        raise ValueError(f"`rule` must be a `tf_geco.multipliers.Rule`. Received: rule={rule!r}.")
    return PlannedPace() if rule is None else rule


def checked_cost(cost: Constraint | None) -> Constraint | None:
    """Returns the constraint that is minimised, if any."""
    if cost is not None and (not isinstance(cost, Constraint) or cost.tolerance is None):
        raise ValueError(
            "`cost` must be a `tf_geco.constraints.Constraint` with a tolerance. "
            f"Received: cost={cost!r}."
        )
    if cost is not None and isinstance(cost.tolerance, Range):
        raise ValueError(
            "`cost` takes one tolerance; a `tf_geco.Range` goes to the constraint of a `GECO` that "
            f"minimises the cost of its model. Received: cost={cost!r}."
        )
    return cost


def checked_multiplier(multiplier: Any) -> float | str:
    """Returns the multiplier to start with, a positive number or `"auto"`."""
    if is_word(multiplier, "auto"):
        return multiplier
    return positive_number(multiplier, "initial_multiplier")


def checked_bounds(bounds: Sequence, number: int) -> list[list[float]]:
    """Returns bounds as a list of pairs, one for each constraint."""
    listed = list(bounds) if isinstance(bounds, Sequence | np.ndarray) else []
    several = bool(listed) and not is_number(listed[0])
    pairs = listed if several else [listed] * number
    for pair in pairs:
        if not _is_range(pair):
            raise ValueError(
                "`bounds` must be two positive numbers, least first, between "
                f"{LEAST} and {GREATEST}. Received: bounds={bounds}."
            )
    if len(pairs) != number:
        raise ValueError(
            f"`bounds` must be one pair, or one for each of the {number} constraints. "
            f"Received: bounds={bounds}."
        )
    return [list(map(float, pair)) for pair in pairs]


def _is_range(pair: Any) -> bool:
    """Returns whether something is a pair of positive numbers that float32 holds, least first."""
    pair = list(pair) if isinstance(pair, Sequence | np.ndarray) else []
    numbers = len(pair) == 2 and all(map(is_number, pair))
    return numbers and LEAST <= pair[0] < pair[1] <= GREATEST


def first_multiplier(constraint: Constraint, latents: int | None, given: float | str) -> float:
    """Returns the lambda that a constraint starts with: the given, or of `"auto"` its own."""
    if not is_word(given, "auto"):
        return float(given)
    with tf.init_scope():
        return constraint.first_multiplier(latents)
