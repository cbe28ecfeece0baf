"""Figure 5 of "Taming VAEs", small: the KL that ConvDRAW pays for one error, by ELBO and by GECO.

    python benchmarks/fixed_error.py [--steps 3000] [--tolerance 0.1]

Trains the small ConvDRAW on 4,500 MNIST digits by its ELBO, at the optimal sigma and at sigma =
kappa, and by GECO with its defaults. Each ELBO is stopped where its error passes kappa. Writes
benchmarks/results/fixed_error.json and .png.
"""

import argparse
import json
import os
import platform
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import matplotlib as mpl
import numpy as np
import tensorflow as tf

mpl.use("Agg")
import matplotlib.pyplot as plt

import tf_geco
from tf_geco.plotting._matplotlib import count_orders

RESULTS = Path(__file__).parent / "results" / "fixed_error.json"


class Record(keras.callbacks.Callback):
    """KL and root-mean-square error on the training batches of each 50 steps."""

    def __init__(self, name):
        super().__init__()
        self.name, self.rows = name, []

    def on_epoch_end(self, epoch, logs=None):
        row = (50 * (epoch + 1), float(logs["kl"]), float(logs["reconstruction_error"]))
        self.rows.append(row)
        if epoch % 10 == 9:
            print(
                f"{self.name:16} step {row[0]:5}: KL {row[1]:7.2f}, error {row[2]:.4f}", flush=True
            )


def train(name, objective, steps):
    """Returns step, KL and error during training, `[T, 3]`."""
    keras.utils.set_random_seed(0)
    model = tf_geco.ConvDRAW.from_preset("small", (28, 28, 1), objective)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    digits = tf_geco.datasets.load("mnist5k", batch_size=32, split="train").repeat()
    record = Record(name)
    options = {"steps_per_epoch": 50, "verbose": 0, "callbacks": [record]}
    model.fit(digits, epochs=steps // 50, **options)
    return np.array(record.rows)


def at_error(rows, tolerance):
    """Returns the KL where the error first passes the tolerance, `None` if it never does."""
    below = np.flatnonzero(rows[:, 2] <= tolerance)
    if not len(below):
        return None
    if below[0] == 0:
        return float(rows[0, 1])
    (_, kl0, e0), (_, kl1, e1) = rows[below[0] - 1], rows[below[0]]
    return float(kl0 + (kl1 - kl0) * (np.log(e0 / tolerance)) / np.log(e0 / e1))


def picture(runs, tolerance, path):
    figure, (plane, time) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name, rows in runs.items():
        plane.plot(rows[:, 1], rows[:, 2], marker=".", ms=3, lw=1, label=name)
        time.plot(rows[:, 0], rows[:, 1], lw=1.2, label=name)
    plane.axhline(tolerance, color="crimson", lw=1, ls="--", label=rf"$\kappa$ = {tolerance:g}")
    plane.set(xlabel="KL (nats)", ylabel="reconstruction error (RMS)", xscale="log", yscale="log")
    time.set(xlabel="step", ylabel="KL (nats)", yscale="log")
    plane.legend(frameon=False)
    for scale in (plane.xaxis, plane.yaxis, time.yaxis):
        count_orders(scale)
    for axis in (plane, time):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--tolerance", type=float, default=0.1)
    options = parser.parse_args()
    kappa = options.tolerance
    objectives = {
        "ELBO, optimal sigma": tf_geco.ELBO("optimal"),
        "ELBO, sigma = kappa": tf_geco.ELBO(kappa),
        "GECO": tf_geco.GECO([tf_geco.constraints.ReconstructionError(kappa)]),
    }
    runs = {name: train(name, objective, options.steps) for name, objective in objectives.items()}
    last = runs["GECO"][-max(1, len(runs["GECO"]) // 20) :].mean(axis=0)
    kl = {name: at_error(rows, kappa) for name, rows in runs.items() if name != "GECO"}
    record = {
        "options": vars(options),
        "kl_at_the_error": kl,
        "geco": {"kl": last[1], "error": last[2], "RE / kappa^2": (last[2] / kappa) ** 2},
        "curves (step, KL, error)": {name: rows.tolist() for name, rows in runs.items()},
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record) + "\n")
    picture(runs, kappa, RESULTS.with_suffix(".png"))
    print(json.dumps({key: record[key] for key in ("kl_at_the_error", "geco")}, indent=2))


if __name__ == "__main__":
    main()
