"""Every tolerance from one training, against a training of GECO for each tolerance.

    python benchmarks/every_tolerance.py                       # all cells; a killed run goes on
    python benchmarks/every_tolerance.py mnist5k/dense         # some
    python benchmarks/every_tolerance.py cifar10/dense --data-dir ...

A cell is a data set and a network. One training serves a `Range`; five others ask for one
tolerance each, and five more have a constant beta, those of five levels of the one. Steps, batch,
networks and seed are the same, so the one costs a fifth of five others. The one is measured at nine
tolerances, four of which no other asked for. All are measured on their training images, as they are
used: RE / kappa^2, and the KL. The score is the KL of the one over that of the other, or over that
of the curve through the five betas. Held out are test images that the model was neither trained nor
calibrated on: it is calibrated on half of the test set, and measured on the other half.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import frontier
import keras
import no_sweep
import numpy as np
import records
from tqdm import tqdm

import tf_geco
from tf_geco.evaluation import average_kl, check, optimal_sigma, rate_distortion

RESULTS = Path(__file__).parent / "results" / "every_tolerance.json"
RANGES = {"mnist5k": (0.08, 0.2), "color_mnist": (0.15, 0.25), "cifar10": (0.1, 0.2)}
CELLS = [
    "mnist5k/dense",
    "mnist5k/conv",
    "mnist5k/nvp",
    "color_mnist/dense",
    "cifar10/dense",
    "cifar10/conv",
    "color_mnist/conv",
]
STEPS, BATCH, NUMBER = 3000, 128, 9
OTHERS = slice(None, None, 2)  # of the tolerances, or levels, those with a training of their own


def arrays(data, split, data_dir):
    """Returns the images of a split."""
    where = {"download": False, "data_dir": data_dir} if data == "cifar10" else {}
    size = {"size": 4480} if data == "color_mnist" else {}
    batches = tf_geco.datasets.load(data, BATCH, split, seed=0, **where, **size)
    return np.concatenate([images for images, _ in batches.as_numpy_iterator()])


def geco(tolerance):
    """Returns the objective for a tolerance or a range."""
    return tf_geco.GECO([tf_geco.constraints.ReconstructionError(tolerance)])


def train(kind, images, objective):
    """Returns a VAE that was trained by an objective, and the seconds it took."""
    keras.utils.set_random_seed(0)
    model = no_sweep.vae(kind, images.shape[1:], objective)
    model.steps_per_execution = 10
    order = np.random.default_rng(0)
    rows = [order.permutation(len(images)) for _ in range(1 + STEPS * BATCH // len(images))]
    chosen = np.concatenate(rows)[: STEPS * BATCH]
    start = time.perf_counter()
    model.objective.plan(STEPS)
    for part in np.array_split(chosen, 10):  # so that no array holds all repetitions
        model.fit(images[part], batch_size=BATCH, shuffle=False, verbose=0)
    return model, time.perf_counter() - start


def alone(kind, images, kappa):
    """Returns RE and KL of a training for one tolerance."""
    model, seconds = train(kind, images, geco(kappa))
    error = check(model, images)["reconstruction_error"].reading
    return row([error], [average_kl(model, images).value]) | {"seconds": seconds}


def beta(kind, images, pull):
    """Returns RE and KL of a training in which a unit of error always costs `pull` nats."""
    sigma = math.sqrt(images[0].size / (2.0 * pull))
    model, seconds = train(kind, images, tf_geco.ELBO(sigma))
    error = optimal_sigma(model, images)
    return row([error], [average_kl(model, images).value]) | {"seconds": seconds}


def every(kind, images, test, limits, kappas):
    """Returns RE and KL at each tolerance of one training, on training and on held-out images."""
    model, seconds = train(kind, images, geco(tf_geco.Range(*limits)))
    curve = rate_distortion(model, images, kappas, verbose=False)
    model.calibrate(test[::2])
    held = rate_distortion(model, test[1::2], kappas, verbose=False)
    return {
        "seconds": seconds,
        "train": row(curve.readings, curve.kl),
        "held_out": row(held.readings, held.kl),
        "reached": model.objective.curve()[0].numpy()[0].item(),
        "pulls": model.objective.pulls.numpy()[OTHERS].tolist(),
        "parameters": model.count_params(),
    }


def row(errors, kl):
    return {"error": np.ravel(errors).tolist(), "kl": np.ravel(kl).tolist()}


def compare(runs, cell):
    """Returns a row for each tolerance of a cell: what the one training has, and the others."""
    one, rows = runs[f"{cell}, every"], []
    betas = [run for key, run in runs.items() if key.startswith(f"{cell}, beta")]
    points = [(run["error"][0] ** 2, run["kl"][0]) for run in betas]
    for index, kappa in enumerate(tolerances(cell)):
        found = {"kappa": kappa, "kl": one["train"]["kl"][index]}
        for part in ("train", "held_out"):
            found[part] = (one[part]["error"][index] / kappa) ** 2
        other = runs.get(f"{cell}, {kappa:.4g}")
        if other:
            found |= {"alone": (other["error"][0] / kappa) ** 2, "alone_kl": other["kl"][0]}
        error = one["train"]["error"][index] ** 2
        if points and (least := frontier.frontier_kl(points, error)):
            found |= {"betas_kl": least}
        rows.append(found)
    return rows


def seconds(runs, cell):
    """Returns the time of the one training over that of the five, by what the five are."""
    one, found = runs[f"{cell}, every"]["seconds"], {}
    for name, is_one in {"betas": True, "alone": False}.items():
        others = [f"{cell}, {job}" for job in jobs(cell)[1:] if job.startswith("beta") == is_one]
        if all(key in runs for key in others):
            found[name] = one / sum(runs[key]["seconds"] for key in others)
    return found


def table(runs, cells):
    """Returns all cells as text."""
    columns = ("kappa", "train", "held_out", "kl", "alone", "alone_kl", "betas_kl")
    lines = [f"{'cell':20}" + "".join(f"{name:>10}" for name in columns)]
    for cell in [c for c in cells if f"{c}, every" in runs]:
        for found in compare(runs, cell):
            values = (f"{found[c]:10.3g}" if c in found else f"{'':10}" for c in columns)
            lines.append(f"{cell:20}" + "".join(values))
        lines.append(f"{cell:20} time over five: {seconds(runs, cell)}")
    return "\n".join(lines)


def tolerances(cell):
    """Returns the tolerances at which a cell is measured: ends, and ratios between."""
    least, greatest = RANGES[cell.split("/")[0]]
    return np.geomspace(least, greatest, NUMBER).tolist()


def jobs(cell):
    """Returns the trainings of a cell by name, in order."""
    alone = [f"{kappa:.4g}" for kappa in tolerances(cell)[OTHERS]]
    return ["every", *alone, *(f"beta {number}" for number in range(len(alone)))]


def result(job, cell, runs, data_dir):
    """Returns what a training of a cell reached."""
    data, kind = cell.split("/")
    images = arrays(data, "train", data_dir)
    if job == "every":
        test = arrays(data, "test", data_dir)
        return every(kind, images, test, RANGES[data], tolerances(cell))
    if job.startswith("beta"):
        return beta(kind, images, runs[f"{cell}, every"]["pulls"][int(job.split()[1])])
    return alone(kind, images, float(job))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", default=CELLS)
    parser.add_argument("--data-dir", help="folder of TensorFlow Datasets, for cifar10")
    options = parser.parse_args()
    record = records.load(RESULTS, steps=STEPS, batch=BATCH, number=NUMBER)
    runs = record["runs"]
    every_job = [(cell, job) for cell in options.cells for job in jobs(cell)]
    for cell, job in tqdm([(c, j) for c, j in every_job if f"{c}, {j}" not in runs], unit="run"):
        runs[f"{cell}, {job}"] = result(job, cell, runs, options.data_dir)
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    record["cells"] = {
        cell: {"rows": compare(runs, cell), "time": seconds(runs, cell)}
        for cell in CELLS
        if f"{cell}, every" in runs
    }
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(table(runs, options.cells))


if __name__ == "__main__":
    main()
