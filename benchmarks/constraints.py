"""GECO's defaults under every constraint of the paper: feasible wherever fixed weights are?

    python benchmarks/constraints.py                  # every cell; a run that was killed goes on
    python benchmarks/constraints.py --cells pNCC RE  # cells whose name holds one of these words

A cell asks for one or two constraints, of a small dense VAE on 4,500 digits. It is trained once by
GECO with its defaults, and once with each weight of a small grid, held fixed all along. Measured
are means over the last 5 % of steps, on training batches: the KL, and for each constraint

    1 + C / scale,    feasible up to 1.05: for an error RE / kappa^2, and for an accuracy or a
                      correlation (1 - measured) / (1 - kappa).

Prints a table and writes all runs to benchmarks/results/constraints.json. Of a single constraint it
also shows the KL of fixed weights where the ratio is 1, interpolated between those of the grid.
"""

import argparse
import functools
import itertools
import json
import math
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import records
import tensorflow as tf
from tqdm import tqdm

import tf_geco
from tf_geco.constraints import (
    ClassificationAccuracy,
    FeatureReconstructionError,
    PatchNCC,
    ReconstructionError,
)

RESULTS = Path(__file__).parent / "results" / "constraints.json"
SHAPE, LATENT_DIM, HIDDEN, BATCH_SIZE, BAND = (28, 28, 1), 16, (256, 128), 64, 1.05
MAKE = {
    "RE": ReconstructionError,
    "FRE": FeatureReconstructionError,
    "pNCC": PatchNCC,
    "CLA": lambda tolerance: ClassificationAccuracy(tolerance, classifier()),
}
CELLS = [
    {"FRE": 0.1},
    {"FRE": 0.06},
    {"pNCC": 0.8},
    {"pNCC": 0.9},
    {"RE": 0.125, "pNCC": 0.8},
    {"RE": 0.125, "pNCC": 0.9},
    {"CLA": 0.9},
    {"CLA": 0.95},
    {"RE": 0.2, "CLA": 0.95},
]
GRIDS = {1: (0.03, 0.1, 0.3, 1.0, 3.0, 10.0), 2: (0.1, 1.0, 10.0)}


class Fixed(tf_geco.multipliers.Rule):
    """Holds lambda at given values, whatever the error."""

    def __init__(self, multipliers):
        self.multipliers = multipliers

    def __call__(self, log_multiplier, error, memory, **_):
        return tf.math.log(tf.constant(self.multipliers, tf.float32)), memory


@functools.cache
def classifier():
    """Returns a small classifier of digits, for CLA to look through."""
    keras.utils.set_random_seed(0)
    train, test = tf_geco.datasets.load("mnist5k", BATCH_SIZE)
    network = tf_geco.models.classifier(filters=(8, 16), hidden=64)
    network.fit(train, epochs=10, verbose=0)
    tqdm.write(f"classifier: {network.evaluate(test, verbose=0)[1]:.3f} of test digits right")
    return network


def train(cell, rule, options):
    """Returns what a rule reaches: KL, ratio and multiplier, means over the last 5 % of steps."""
    constraints = [MAKE[name](tolerance) for name, tolerance in cell.items()]
    keras.utils.set_random_seed(options.seed)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks(SHAPE, LATENT_DIM, HIDDEN),
        posterior=tf_geco.posteriors.DiagonalNormal(LATENT_DIM),
        objective=tf_geco.GECO(constraints, rule=rule),
    )
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False, steps_per_execution=10)
    data = tf_geco.datasets.load("mnist5k", BATCH_SIZE, "train", seed=options.seed).repeat()
    last = options.steps // 20
    model.objective.plan(options.steps)
    model.fit(data.take(options.steps - last), verbose=0)
    found = model.fit(data.take(last), verbose=0).history
    return {
        "kl": found["kl"][0],
        "ratio": [excess_ratio(c, found[c.name][0]) for c in constraints],
        "multiplier": model.objective.multiplier.numpy().tolist(),
    }


def excess_ratio(constraint, measured):
    """Returns 1 + C / scale from what a constraint measures."""
    if constraint.name in ("reconstruction_error", "feature_reconstruction_error"):
        return (measured / constraint.tolerance) ** 2
    return (1 - measured) / (1 - constraint.tolerance)


def planned(cells):
    """Yields each run that the benchmark needs: its key, its cell, and its rule."""
    for cell in cells:
        name = name_of(cell)
        yield f"{name}, GECO", cell, None
        for weights in itertools.product(GRIDS[len(cell)], repeat=len(cell)):
            yield f"{name}, fixed {' '.join(map(str, weights))}", cell, Fixed(weights)


def name_of(cell):
    return " + ".join(f"{name} {tolerance}" for name, tolerance in cell.items())


def row(cell, runs):
    """Returns a line of the table."""
    name = name_of(cell)
    geco = runs[f"{name}, GECO"]
    fixed = [run for key, run in runs.items() if key.startswith(f"{name}, fixed")]
    reached = [run for run in fixed if max(run["ratio"]) <= BAND]
    met = "yes" if max(geco["ratio"]) <= BAND else "NO" if reached else "no"
    ratios, weights = (" ".join(f"{v:.3g}" for v in geco[k]) for k in ("ratio", "multiplier"))
    at_one = f"{kl_at_tolerance(fixed):.1f}" if len(cell) == 1 else ""
    line = f"{name:22}{met:>9}{ratios:>13}{weights:>16}{geco['kl']:>7.1f}"
    return f"{line}{f'{len(reached)} of {len(fixed)}':>9}{at_one:>8}"


def kl_at_tolerance(fixed):
    """Returns the KL that fixed weights have where the ratio is 1, by interpolation of logs."""
    points = sorted((math.log(run["ratio"][0]), math.log(run["kl"])) for run in fixed)
    return math.exp(np.interp(0.0, *zip(*points, strict=True), left=math.nan, right=math.nan))


def table(cells, runs):
    """Returns the cells that are done, as text; NO marks one that only fixed weights meet."""
    columns = f"{'feasible':>9}{'ratio':>13}{'lambda':>16}{'KL':>7}{'feasible':>9}{'KL at 1':>8}"
    head = f"{'':22}{'GECO':>9}{'':36}{'fixed':>9}\n{'':22}{columns}"
    done = [c for c in cells if all(key in runs for key, *_ in planned([c]))]
    return "\n".join([head, *(row(cell, runs) for cell in done)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=[""], help="words that names must hold")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cells = [c for c in CELLS if any(word in name_of(c) for word in options.cells)]
    record = records.load(RESULTS, steps=options.steps, seed=options.seed)
    record["rule"] = tf_geco.GECO([ReconstructionError(0.1)]).rule.get_config()
    runs = record["runs"]
    todo = [task for task in planned(cells) if task[0] not in runs]
    RESULTS.parent.mkdir(exist_ok=True)
    for key, cell, rule in tqdm(todo, unit="run"):
        runs[key] = train(cell, rule, options)
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(table(cells, runs))


if __name__ == "__main__":
    main()
