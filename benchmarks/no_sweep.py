"""No sweep: the KL of GECO's defaults against the best beta of a full sweep, at the same error.

    python benchmarks/no_sweep.py                                   # all cells: hours
    python benchmarks/no_sweep.py mnist5k/dense --kappas 0.1 0.175  # a few: minutes
    python benchmarks/no_sweep.py cifar10/dense --data-dir ...      # TensorFlow Datasets' folder

A cell is a data set, a network, a tolerance kappa and a number of steps. Its score is the KL of
GECO over that of the frontier: of beta-VAEs on a grid of betas, interpolated at RE = kappa^2. With
Adam only beta sigma^2 matters, and a constant beta does not know how long training will last, so
one run of a beta serves all tolerances and all numbers of steps. GECO does know, and is trained for
each. Finished runs are kept in benchmarks/results/no_sweep.json and not repeated; with `--only` and
no part nothing is trained. benchmarks/results/no_sweep.png shows the runs with seed 0.
"""

import argparse
import itertools
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import frontier
import keras
import numpy as np
import records
from tqdm import tqdm

import tf_geco

RESULTS = Path(__file__).parent / "results" / "no_sweep.json"
DATA = ("mnist5k", "color_mnist", "cifar10")
GROUPS = [f"{data}/dense" for data in DATA] + ["mnist5k/nvp"] + [f"{data}/conv" for data in DATA]
WIDTHS = {"coarse": 4, "fine": 2, "finest": 1}  # ratios of betas: 2.44, 1.56, 1.25
PARTS = ["coarse", "geco", "elbo", "fine", "finest"]
BATCH = 64
BLOCK = min(frontier.STEPS) // 20  # an epoch: what is measured is a whole number of them


def networks(kind, shape, size):
    """Returns a small encoder and decoder."""
    if kind == "conv":
        return tf_geco.models.conv_networks(shape, size, filters=(8, 16), hidden=64)
    return tf_geco.models.dense_networks(shape, size, hidden=(256, 128))


def vae(kind, shape, objective):
    """Returns a small compiled VAE, with 32 latents for digits and 64 for photographs."""
    size = 64 if shape[0] == 32 else 32
    posterior = (
        tf_geco.posteriors.RealNVP(size, hidden=64)
        if kind == "nvp"
        else tf_geco.posteriors.DiagonalNormal(size)
    )
    model = tf_geco.VAE(*networks(kind, shape, size), posterior, objective)
    model.compile(keras.optimizers.Adam(1e-3), steps_per_execution=BLOCK)
    return model


def train(group, objective, steps, seed=0, data_dir=None):
    """Trains for the last of some numbers of steps and returns what was measured at each."""
    data, kind = group.split("/")
    where = {"download": False, "data_dir": data_dir} if data == "cifar10" else {}
    images = tf_geco.datasets.load(data, BATCH, "train", seed=seed, **where)
    images = images.map(lambda image, label: image).repeat()
    keras.utils.set_random_seed(seed)
    model = vae(kind, images.element_spec.shape[1:], objective)
    options = {"steps_per_epoch": BLOCK, "epochs": max(steps) // BLOCK, "verbose": 0}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(images, callbacks=[tf_geco.GECOCallback()], **options)
    told = any("looks out of reach" in str(warning.message) for warning in caught)
    history = {name: np.array(values) for name, values in model.history.history.items()}
    return {str(n): measured(history, n) | ({"told": told} if told else {}) for n in steps}


def measured(history, steps):
    """Returns RE and KL over the last 5 % of the steps, and what became of lambda until then."""
    end, length = steps // BLOCK, steps // BLOCK // 20
    row = {
        "re": np.mean(history["reconstruction_error"][end - length : end] ** 2),
        "kl": np.mean(history["kl"][end - length : end]),
    }
    if "lambda" in history:
        row |= {"lambda": history["lambda"][end - 1], "peak": history["lambda"][:end].max()}
    return {name: float(f"{value:.5g}") for name, value in row.items()}


class Runs:
    """The finished runs, by name; a run that is asked for and not finished is trained."""

    def __init__(self, path, data_dir):
        self.path, self.data_dir = path, data_dir
        self.finished = json.loads(path.read_text())["runs"] if path.exists() else {}
        self.progress = tqdm(unit="run")

    def get(self, group, name, objective, steps, seed):
        """Returns the run of a group of cells that has this name."""
        key = f"{group}/{name}/seed {seed}"
        if not {str(n) for n in steps} <= set(self.finished.get(key, {})):
            self.progress.set_description(key)
            self.finished[key] = train(group, objective, steps, seed, self.data_dir)
            self.progress.update()
            self.save()
        return self.finished[key]

    def beta(self, group, power, steps, seed):
        """Returns the run of a constant beta, a power of the finest ratio of the grid."""
        beta = float(f"{frontier.RATIO**-power:.5g}")
        return self.get(group, f"beta {beta:g}", tf_geco.ELBO(beta=beta), steps, seed)

    def geco(self, group, kappa, steps, seed):
        """Returns the run of GECO, with its defaults: it knows how long it will be."""
        error = tf_geco.constraints.ReconstructionError(kappa)
        name = f"geco {kappa:g} in {steps}"
        return self.get(group, name, tf_geco.GECO([error]), [steps], seed)

    def save(self):
        """Writes what is finished, with the versions of what it ran on."""
        self.path.parent.mkdir(exist_ok=True)
        lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(self.finished.items())]
        body = ",\n".join(lines)
        self.path.write_text(
            f'{{"versions": {json.dumps(records.versions())},\n"runs": {{\n{body}\n}}}}\n'
        )


def sweep(runs, group, steps, seed, width):
    """Trains beta-VAEs until the frontier is known at all tolerances, `width` powers apart."""
    known = {}
    while (power := frontier.next_power(known, steps, width)) is not None:
        known[power] = runs.beta(group, power, steps, seed)


def baselines(runs, group, steps, seed):
    """Trains the ELBOs that need no sweep: annealed by hand, either way it is read; optimal."""
    anneal = keras.optimizers.schedules.PolynomialDecay(2.0, 1000, 0.7)
    runs.get(group, "annealed beta, sigma 0.1", tf_geco.ELBO(0.1, anneal), steps, seed)
    runs.get(group, "annealed sigma", tf_geco.ELBO(anneal), steps, seed)
    runs.get(group, "optimal sigma", tf_geco.ELBO("optimal"), steps, seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", default=GROUPS, help="data set/network, several")
    parser.add_argument("--kappas", nargs="+", type=float, default=frontier.KAPPAS)
    parser.add_argument("--steps", nargs="+", type=int, default=frontier.STEPS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--only", nargs="*", default=PARTS, choices=[*PARTS, []])
    parser.add_argument("--data-dir", help="folder of TensorFlow Datasets, for cifar10")
    options = parser.parse_args()
    runs = Runs(RESULTS, options.data_dir)
    for part in options.only:
        for seed, group in itertools.product(options.seeds, options.groups):
            if part in WIDTHS:
                sweep(runs, group, options.steps, seed, WIDTHS[part])
            elif part == "elbo":
                baselines(runs, group, options.steps, seed)
            else:
                for kappa, steps in itertools.product(options.kappas, options.steps):
                    runs.geco(group, kappa, steps, seed)
    runs.progress.close()
    print(frontier.table(runs.finished))
    frontier.draw(runs.finished, RESULTS.with_suffix(".png"))


if __name__ == "__main__":
    main()
