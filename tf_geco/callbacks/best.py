"""Which epoch of a training is best, and for how long there was no better."""

import numpy as np


def rank_of(feasible: bool, cost: float, excess: float) -> float:
    """Returns a number that is lower the better an epoch is, feasible ones before all others.

        cost / (1 + |cost|), below 1, where all constraints hold;    1 + excess elsewhere

    Args:
        feasible: Whether all constraints hold.
        cost: What is minimised.
        excess: The largest violation, in units of its margin.
    """
    rank = cost / (1.0 + abs(cost)) if feasible else 1.0 + max(excess, 0.0)
    return float(rank) if np.isfinite(rank) else np.inf


class Best:
    """The best epoch so far of those that were asked for the same.

    Args:
        asked: The tolerances. Ranks of others do not compare.

    Attributes:
        rank: Its rank, infinite before there is one.
        epoch: Its number, or `None`.
        weights: Its weights, if they are kept, or `None`.
        waited: Feasible epochs since the last one whose cost was lower.
    """

    def __init__(self, asked: np.ndarray | None = None) -> None:
        self.asked = np.zeros(0, "float32") if asked is None else asked
        self.rank = np.inf
        self.epoch: int | None = None
        self.weights: list[np.ndarray] | None = None
        self.lowest_cost, self.waited = np.inf, 0

    def is_of(self, asked: np.ndarray) -> bool:
        """Returns whether its epochs were asked for these tolerances, within 1 %.

        A schedule that decays for ever would else begin anew in each epoch.
        """
        return len(self.asked) == len(asked) and np.allclose(self.asked, asked, rtol=0.01, atol=0)

    @property
    def holds(self) -> bool:
        """Whether all constraints held in the best epoch."""
        return self.rank < 1.0

    def improves(self, epoch: int, rank: float) -> bool:
        """Returns whether an epoch is better than all before, and remembers it."""
        better = rank < self.rank
        if better:
            self.rank, self.epoch = rank, epoch
        return better

    def wait(self, cost: float, min_delta: float) -> int:
        """Returns for how many feasible epochs, with this one, the cost has not fallen."""
        fell = cost < self.lowest_cost - min_delta
        self.lowest_cost = cost if fell else self.lowest_cost
        self.waited = 0 if fell else self.waited + 1
        return self.waited

    def get_state(self) -> dict[str, np.ndarray]:
        """Returns all of it as arrays."""
        epoch = -1 if self.epoch is None else self.epoch
        state = {"best": np.array([self.rank, epoch, self.lowest_cost, self.waited])}
        weights, state["asked"] = self.weights or [], self.asked
        return state | {f"weight_{index:04d}": part for index, part in enumerate(weights)}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Goes on from arrays that `get_state` returned."""
        self.rank, epoch, self.lowest_cost, waited = (float(number) for number in state["best"])
        self.epoch, self.waited = None if epoch < 0 else int(epoch), int(waited)
        self.asked = state.get("asked", self.asked)
        names = sorted(name for name in state if name.startswith("weight_"))
        self.weights = [state[name] for name in names] or None
