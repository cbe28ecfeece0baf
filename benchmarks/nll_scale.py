"""What should count as 100 % of an NLL? GECO lands by three scales, on counts, digits and pixels.

    python benchmarks/nll_scale.py                 # every run; one that was killed goes on
    python benchmarks/nll_scale.py --data counts   # runs on data of these kinds

A run asks a small dense VAE for an NLL, with kappa, D / 2, or the default sqrt(d D) / 2 nats as the
scale. Measured at the end of each of the last four of 15 parts of the training: by how many nats
the mean NLL of the part is above the one asked for, and the KL. Data are counts simulated like
those of 200 genes in 4,500 cells of six types; binary digits; and digits under a normal likelihood
with sigma = 0.1, far too small for the tolerance asked for.

Prints a table and writes all runs to benchmarks/results/nll_scale.json.
"""

import argparse
import itertools
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import records
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tqdm import tqdm

import tf_geco

RESULTS = Path(__file__).parent / "results" / "nll_scale.json"
PARTS, LAST = 15, 4
# Kind of data -> latents, and tolerances in nats.
CELLS = {"counts": (8, (250, 255, 268)), "digits": (16, (100, 150)), "sure": (16, (-300, 300))}
SCALES = ("default", "D / 2", "kappa")


def cells_by_type(n=4500, genes=200, seed=0):
    """Returns negative binomial counts of six types of cells, with two programmes of genes."""
    random = np.random.default_rng(seed)
    base = random.normal(-0.5, 1.2, genes)
    types = random.normal(0, 0.9, (6, genes)) * (random.random((6, genes)) < 0.3)
    programmes = random.normal(0, 0.3, (2, genes))
    factors, size = random.normal(size=(n, 2)), random.normal(0, 0.3, (n, 1))
    mean = np.exp(base + types[random.integers(6, size=n)] + factors @ programmes + size)
    return random.poisson(random.gamma(2.0, mean / 2.0)).astype("float32")


def digits():
    """Returns 4,500 digits, `[N, 784]`."""
    batches = tf_geco.datasets.load("mnist5k", 64, "train")
    images = np.concatenate([images for images, _ in batches.as_numpy_iterator()])
    return images.reshape(len(images), -1)


def problem(kind):
    """Returns data, likelihood, parameters per value, and the decoder's last activation."""
    if kind == "counts":
        return cells_by_type(), "negative_binomial", 2, None
    images = digits()
    if kind == "sure":
        return images, lambda mean: tfd.Normal(mean, 0.1), 1, "sigmoid"
    random = np.random.default_rng(0)
    return (random.random(images.shape) < images).astype("float32"), "bernoulli", 1, "sigmoid"


def train(kind, tolerance, scale, options):
    """Returns by how many nats the last parts are above the tolerance, their KL, and lambda."""
    keras.utils.set_random_seed(options.seed)
    data, likelihood, number, activation = problem(kind)
    size, latents = data.shape[1], CELLS[kind][0]
    given = {"default": None, "D / 2": size / 2, "kappa": abs(tolerance)}[scale]
    nll = tf_geco.constraints.NegativeLogLikelihood(tolerance, likelihood, scale=given)
    first = keras.layers.Activation(keras.ops.log1p if kind == "counts" else "linear")
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((size,)), first, layers.Dense(128, "gelu")])
    last = layers.Dense(number * size, activation)
    decoder = keras.Sequential([keras.Input((latents,)), layers.Dense(128, "gelu"), last])
    posterior = tf_geco.posteriors.DiagonalNormal(latents)
    model = tf_geco.VAE(encoder, decoder, posterior, tf_geco.GECO([nll]))
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False, steps_per_execution=10)
    model.objective.plan(options.steps)
    batches = tf.data.Dataset.from_tensor_slices(data).shuffle(len(data), seed=options.seed)
    part = batches.repeat().batch(64).take(options.steps // PARTS)
    logs = [model.fit(part, verbose=0).history for _ in range(PARTS)][-LAST:]
    return {
        "above": [found[nll.name][0] - tolerance for found in logs],
        "kl": [found["kl"][0] for found in logs],
        "lambda": float(model.objective.multiplier[0]),
        "scale": float(nll.scale()),
    }


def table(runs):
    """Returns all runs as text."""
    head = f"{'':28}{'scale':>7}{'above, in the last parts':>32}{'KL':>7}{'lambda':>8}"
    rows = []
    for key, run in runs.items():
        above = " ".join(f"{nats:7.1f}" for nats in run["above"])
        kl = np.mean(run["kl"])
        rows.append(f"{key:28}{run['scale']:>7.1f}{above:>32}{kl:>7.1f}{run['lambda']:>8.2g}")
    return "\n".join([head, *rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    record = records.load(RESULTS, steps=options.steps, seed=options.seed)
    tasks = [
        (kind, tolerance, scale)
        for kind in options.data
        for tolerance, scale in itertools.product(CELLS[kind][1], SCALES)
    ]
    for kind, tolerance, scale in tqdm(tasks, unit="run"):
        key = f"{kind} {tolerance}, {scale}"
        if key not in record["runs"]:
            record["runs"][key] = train(kind, tolerance, scale, options)
            RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(table(record["runs"]))


if __name__ == "__main__":
    main()
