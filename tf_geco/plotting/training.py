"""The trajectory of a training run: cost, error and beta by step (Figure 3)."""

from typing import Any

import numpy as np

from tf_geco.plotting._matplotlib import count_orders, exactly, figure_of, new_axes


def trajectory(
    record: dict[str, np.ndarray],
    *,
    tolerance: float | None = None,
    index: int = 0,
    axes: Any = None,
) -> Any:
    """Draws the information plane, the error and beta, coloured by step, as in Figure 3.

    Args:
        record: `Trajectory.arrays()`: `"step"`, `"cost"` `[T]`; `"measured"`, `"multiplier"`
            `[T, L]`. Where `"gap"` `[T, L]` is not all 0 it is drawn beside the weight of the KL.
            `"names"` `[L]`, if there, name what is drawn.
        tolerance: Kappa, drawn as a line.
        index: Which of the L constraints to draw.
        axes: Three matplotlib axes to draw in, by default of a new figure.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: If the record is empty, or there are not three axes.

    Example:
        >>> from tf_geco import plotting
        >>> record = {"step": np.arange(3), "cost": np.array([9.0, 20.0, 15.0])}
        >>> record["measured"] = np.array([[0.5], [0.2], [0.1]])
        >>> record["multiplier"] = np.array([[1.0], [50.0], [80.0]])
        >>> figure = plotting.trajectory(record, tolerance=0.1)
        >>> [axes.get_title() for axes in figure.axes]
        ['information plane', 'error', 'weight of the KL']

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 3.
    """
    if not len(record["step"]):
        raise ValueError("The record holds no steps: train first, with `GECOCallback`.")
    step, cost = record["step"], record["cost"]
    measured = record["measured"][:, index]
    beta = 1.0 / record["multiplier"][:, index]
    plane, error, weight = exactly(3, new_axes(10, 3, 1, 3) if axes is None else axes)
    colour = {"c": step, "cmap": "viridis", "s": 8}
    plane.scatter(cost, measured, **colour)
    name = str(record["names"][index]) if "names" in record else "reconstruction_error"
    name = name.replace("_", " ")
    plane.set(xlabel="KL (nats)", ylabel=name, title="information plane")
    error.scatter(step, measured, **colour)
    error.set(xlabel="step", ylabel=name, yscale="log", title="error")
    weight.scatter(step, beta, **colour)
    weight.set(
        xlabel="step", ylabel=r"$\beta = 1 / \lambda$", yscale="log", title="weight of the KL"
    )
    _draw_gap(weight, step, record, index)
    if tolerance is not None:
        for panel in (plane, error):
            panel.axhline(tolerance, color="crimson", lw=1, label=rf"$\kappa$ = {tolerance:g}")
        error.legend(frameon=False)
    for panel in (error, weight):
        count_orders(panel.yaxis)
    for panel in (plane, error, weight):
        panel.spines[["top", "right"]].set_visible(False)
    return figure_of(plane)


def _draw_gap(axes: Any, step: np.ndarray, record: dict[str, np.ndarray], index: int) -> None:
    """Draws by how much training aims lower, on an axis of its own, if it does."""
    gap = record["gap"][:, index] if "gap" in record else np.zeros(len(step))
    if np.any(gap):
        other = axes.twinx()
        other.plot(step, gap, color="grey", lw=1)
        other.set_ylabel("gap (grey)")
        other.spines[["top"]].set_visible(False)
