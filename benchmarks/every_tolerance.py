"""Every tolerance from one training, against a training of GECO for each tolerance.

    python benchmarks/every_tolerance.py                       # all cells; a killed run goes on
    python benchmarks/every_tolerance.py mnist5k/dense         # some
    python benchmarks/every_tolerance.py cifar10/dense --data-dir ...

A cell is a data set and a network. One training serves a `Range`; others ask for one tolerance
each. Steps, batch, networks and seed are the same, so the one costs a fraction of the others
together. All are measured on their training images, as they are used: RE / kappa^2, and the KL. The
score is the KL of the one over that of the other. Held out are test images that the model was
neither trained nor calibrated on: it is calibrated on half of the test set, and measured on the
other half.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import no_sweep
import numpy as np
import records
from tqdm import tqdm

import tf_geco
from tf_geco.evaluation import average_kl, check, rate_distortion

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
STEPS, BATCH, NUMBER = 3000, 128, 5


def arrays(data, split, data_dir):
    """Returns the images of a split."""
    where = {"download": False, "data_dir": data_dir} if data == "cifar10" else {}
    size = {"size": 4480} if data == "color_mnist" else {}
    batches = tf_geco.datasets.load(data, BATCH, split, seed=0, **where, **size)
    return np.concatenate([images for images, _ in batches.as_numpy_iterator()])


def train(kind, images, tolerance):
    """Returns a VAE that was trained for a tolerance or a range, and the seconds it took."""
    keras.utils.set_random_seed(0)
    error = tf_geco.constraints.ReconstructionError(tolerance)
    model = no_sweep.vae(kind, images.shape[1:], tf_geco.GECO([error]))
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
    model, seconds = train(kind, images, kappa)
    error = check(model, images)["reconstruction_error"].reading
    return row([error], [average_kl(model, images).value]) | {"seconds": seconds}


def every(kind, images, test, limits, kappas):
    """Returns RE and KL at each tolerance of one training, on training and on held-out images."""
    model, seconds = train(kind, images, tf_geco.Range(*limits))
    curve = rate_distortion(model, images, kappas, verbose=False)
    model.calibrate(test[::2])
    held = rate_distortion(model, test[1::2], kappas, verbose=False)
    return {
        "seconds": seconds,
        "train": row(curve.readings, curve.kl),
        "held_out": row(held.readings, held.kl),
        "reached": model.objective.curve()[0].numpy()[0].item(),
        "lambda": model.objective.multiplier.numpy().tolist(),
        "parameters": model.count_params(),
    }


def row(errors, kl):
    return {"error": np.ravel(errors).tolist(), "kl": np.ravel(kl).tolist()}


def table(runs, cells):
    """Returns all cells as text."""
    head = f"{'cell':20}{'kappa':>7}{'RE/k^2':>8}{'held out':>9}{'KL':>8}{'alone':>8}{'KL':>8}"
    lines = [f"{head}{'score':>7}"]
    for cell in [c for c in cells if f"{c}, every" in runs]:
        one, kappas = runs[f"{cell}, every"], tolerances(cell)
        for index, kappa in enumerate(kappas):
            other = runs.get(f"{cell}, {kappa:.4g}")
            found = {
                part: (one[part]["error"][index] / kappa) ** 2 for part in ("train", "held_out")
            }
            line = f"{cell:20}{kappa:7.3g}{found['train']:8.2f}{found['held_out']:9.2f}"
            line += f"{one['train']['kl'][index]:8.1f}"
            if other:
                ratio, score = (other["error"][0] / kappa) ** 2, one["train"]["kl"][index]
                line += f"{ratio:8.2f}{other['kl'][0]:8.1f}{score / other['kl'][0]:7.2f}"
            lines.append(line)
    return "\n".join(lines)


def tolerances(cell):
    """Returns the tolerances at which a cell is measured: ends, and ratios between."""
    least, greatest = RANGES[cell.split("/")[0]]
    return np.geomspace(least, greatest, NUMBER).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", default=CELLS)
    parser.add_argument("--data-dir", help="folder of TensorFlow Datasets, for cifar10")
    options = parser.parse_args()
    record = records.load(RESULTS, steps=STEPS, batch=BATCH, number=NUMBER)
    jobs = [(cell, kappa) for cell in options.cells for kappa in ["every", *tolerances(cell)]]
    for cell, kappa in tqdm(jobs, unit="run"):
        key = f"{cell}, {kappa if kappa == 'every' else f'{kappa:.4g}'}"
        if key in record["runs"]:
            continue
        data, kind = cell.split("/")
        images = arrays(data, "train", options.data_dir)
        if kappa == "every":
            test = arrays(data, "test", options.data_dir)
            found = every(kind, images, test, RANGES[data], tolerances(cell))
        else:
            found = alone(kind, images, kappa)
        record["runs"][key] = found
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(table(record["runs"], options.cells))


if __name__ == "__main__":
    main()
