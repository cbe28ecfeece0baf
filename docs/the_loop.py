"""Draws docs/the_loop.png: the default multiplier rule as a feedback loop, and two runs of it.

python docs/the_loop.py
"""

from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np

import tf_geco
from tf_geco.multipliers.pace import pace

TOLERANCE, LATENT_DIM, STEPS = 0.1, 32, 3000
BLUE, RED, GREY = "tab:blue", "tab:red", "0.55"


def train(start: float | str) -> dict[str, np.ndarray]:
    """Returns the trajectory of a dense VAE on digits, whose lambda starts at `start`."""
    keras.utils.set_random_seed(0)
    error = tf_geco.constraints.ReconstructionError(TOLERANCE)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((28, 28, 1), LATENT_DIM),
        posterior=tf_geco.posteriors.DiagonalNormal(LATENT_DIM),
        objective=tf_geco.GECO([error], initial_multiplier=start),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    data = tf_geco.datasets.load("mnist5k", batch_size=128, split="train")
    callback = tf_geco.GECOCallback(every=5)
    model.fit(data.repeat().take(STEPS), callbacks=[callback], verbose=0)
    return callback.trajectory.arrays()


def planned(error: float, steps: np.ndarray) -> np.ndarray:
    """Returns the error along which lambda stands still: -de/dt = p."""
    share = tf_geco.multipliers.PlannedPace().share
    rate = pace(np.ones(steps[-1] + 1), np.arange(steps[-1] + 1), STEPS, share).numpy()
    return error * np.cumprod(1.0 - rate)[steps]


def draw_loop(axes: Any) -> None:
    """Draws the boxes of the loop, and the arrows between them."""
    box = {"boxstyle": "round,pad=0.5", "fc": "0.96", "ec": GREY}
    boxes = {
        (1.4, 1): "networks and Adam\nminimise KL + $\\lambda$ D/2 (RE / $\\kappa^2$ - 1)",
        (4.25, 1): "moving average\nof about 100 steps",
        (6.6, 1): "error\ne = log (RE / $\\kappa^2$)",
        (9.3, 1): "rule\n$\\Delta$ log $\\lambda$ = 10 ($\\Delta$e + p)",
    }
    for place, text in boxes.items():
        axes.text(*place, text, ha="center", va="center", bbox=box)
    arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}
    for start, stop, label in [(2.8, 3.43, "RE"), (5.09, 5.87, ""), (7.31, 8.33, "e")]:
        axes.annotate("", (stop, 1), (start, 1), arrowprops=arrow)
        axes.text((start + stop) / 2, 1.1, label, ha="center", va="bottom")
    axes.annotate("", (6.6, 1.25), (6.6, 1.8), arrowprops=arrow)
    axes.text(6.7, 1.6, "tolerance $\\kappa$", color=RED)
    axes.annotate("", (1.4, 1.8), (1.4, 1.25), arrowprops=arrow)
    axes.text(1.5, 1.6, "KL: what is paid")
    axes.plot([9.3, 9.3, 1.4], [0.75, 0.15, 0.15], color="black", lw=1)
    axes.annotate("", (1.4, 0.75), (1.4, 0.15), arrowprops=arrow)
    axes.text(5.4, 0.22, "$\\lambda$", ha="center")
    axes.set(xlim=(-0.3, 11), ylim=(0, 2))
    axes.axis("off")


def draw_runs(panels: Any, runs: dict[str, dict[str, np.ndarray]]) -> None:
    """Draws error, lambda and KL of the runs by step."""
    error, multiplier, kl = panels
    for (name, run), colour in zip(runs.items(), (BLUE, "tab:orange"), strict=True):
        excess = 2 * np.log(run["measured"][:, 0] / TOLERANCE)
        error.plot(run["step"], excess, color=colour, lw=1.2)
        multiplier.plot(run["step"], run["multiplier"], color=colour, lw=1.2)
        kl.plot(run["step"], run["cost"], color=colour, lw=1.2, label=name)
        if not error.collections and len(error.lines) == 1:
            error.plot(run["step"], planned(excess[0], run["step"]), "--", color=GREY, label="plan")
    error.axhline(0, color=RED, lw=0.8)
    error.set(title="e = log (RE / $\\kappa^2$)", xlabel="step")
    error.legend(frameon=False)
    multiplier.set(title="$\\lambda$", yscale="log", xlabel="step")
    kl.set(title="KL (nats)", xlabel="step", ylim=(0, 120))
    kl.legend(frameon=False)
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Trains twice, and draws."""
    start = LATENT_DIM / 784
    runs = {f"starts at d / D = {start:.3f}": train("auto"), "starts at 1": train(1.0)}
    for name, run in runs.items():
        ratio = (run["measured"][-100:, 0] ** 2).mean() / TOLERANCE**2
        print(f"{name}: KL {run['cost'][-100:].mean():.1f}, RE {ratio:.2f} kappa^2 at the end")
    figure = plt.figure(figsize=(10, 5), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.5])
    draw_loop(upper.subplots())
    draw_runs(lower.subplots(1, 3), runs)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
