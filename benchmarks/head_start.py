"""What the head start of the decoder does, and where the means of the posterior start.

    python benchmarks/head_start.py                       # every cell; a killed run goes on
    python benchmarks/head_start.py --cells keras.io      # cells whose name holds a word
    python benchmarks/head_start.py --data-dir DIR        # with CIFAR-10, from a folder of TFDS

GECO, trained as by default and twice otherwise: without the head start in which the decoder
learns alone, and with it but with the means at a tenth of Keras's initial weights, as the
scales have. Measured after training, on 2,000 training examples in inference mode: RE over what was
allowed, the KL, and of the ReLUs that the encoder ends with how many never answer.

Prints a table and writes all runs to benchmarks/results/head_start.json.
"""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import records
import tensorflow as tf
from breadth_cells import dense, keras_example
from tqdm import tqdm

import tf_geco

RESULTS = Path(__file__).parent / "results" / "head_start.json"
EPOCHS, MEASURED = 20, 2000


@dataclass(frozen=True)
class Cell:
    """Data, networks, what is asked for, and the length of a training."""

    data: str
    networks: Any
    latents: int
    tolerance: float
    steps: int
    batch: int = 64
    posterior: Any = tf_geco.posteriors.DiagonalNormal


def preset(shape, latents):
    return tf_geco.models.dense_networks(shape, latents, hidden=(256, 128))


def small_conv(shape, latents):
    return tf_geco.models.conv_networks(shape, latents, filters=(8, 16), hidden=64)


def flow(latents):
    return tf_geco.posteriors.RealNVP(latents, hidden=64)


CELLS = {
    "keras.io, 16 latents, 0.15": Cell("mnist5k", keras_example, 16, 0.15, 2000, 128),
    "keras.io, 2 latents, 0.21": Cell("mnist5k", keras_example, 2, 0.21, 2000, 128),
    "plain ReLUs, 0.14": Cell("mnist5k", dense, 16, 0.14, 1500),
    "dense, 0.2, short": Cell("mnist5k", preset, 16, 0.2, 300),
    "dense, 0.1": Cell("mnist5k", preset, 32, 0.1, 3000),
    "RealNVP, 0.125": Cell("mnist5k", preset, 32, 0.125, 1500, posterior=flow),
    "conv, 0.125": Cell("mnist5k", small_conv, 32, 0.125, 1500),
    "colour, dense, 0.175": Cell("color_mnist", preset, 32, 0.175, 1500),
    "CIFAR-10, dense, 0.1": Cell("cifar10", preset, 64, 0.1, 3000),
}
VARIANTS = ("default", "without head start", "means x 0.1")


def images(name, data_dir):
    """Returns the training images of a data set, `[N, ...]`."""
    options = {"color_mnist": {"size": 5000}, "cifar10": {"data_dir": data_dir, "download": False}}
    batches = tf_geco.datasets.load(name, 500, "train", **options.get(name, {}))
    return np.concatenate([image for image, _ in batches.as_numpy_iterator()])


def pipeline(data, batch, seed):
    """Returns batches without end."""
    batches = tf.data.Dataset.from_tensor_slices(data).shuffle(len(data), seed=seed).repeat()
    return tf_geco.datasets.without_autotuner(batches.batch(batch))


def vae(cell, shape, variant):
    """Returns a model, compiled, by one of the variants."""
    posterior = cell.posterior(cell.latents)
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(cell.tolerance)])
    if variant == "without head start":
        objective.with_head_start = lambda *encoded: encoded
    model = tf_geco.VAE(*cell.networks(shape, cell.latents), posterior, objective)
    if variant == "means x 0.1":
        kernel = getattr(posterior, "base", posterior).parameters.kernel
        kernel.assign(kernel * np.repeat([0.1, 1.0], cell.latents))
    model.compile(
        keras.optimizers.Adam(1e-3), jit_compile=False, steps_per_execution=cell.steps // EPOCHS
    )
    return model


def train(cell, variant, seed, data):
    """Returns what a model measures after its training."""
    keras.utils.set_random_seed(seed)
    model = vae(cell, data.shape[1:], variant)
    batches = pipeline(data, cell.batch, seed)
    model.fit(batches, steps_per_epoch=cell.steps // EPOCHS, epochs=EPOCHS, verbose=0)
    logs = model.evaluate(data[:MEASURED], batch_size=500, verbose=0, return_dict=True)
    ratio = (logs["reconstruction_error"] / cell.tolerance) ** 2
    row = {"ratio": ratio, "kl": logs["kl"], "lambda": float(model.objective.multiplier[0])}
    row = {name: float(f"{value:.4g}") for name, value in row.items()}
    if cell.networks is keras_example:
        features = model.encoder(data[:MEASURED]).numpy()
        row["dead"] = int((features.max(axis=0) <= 0).sum())
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="*", default=[""], help="words of names")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--data-dir", help="of TFDS, for CIFAR-10; without it that is left out")
    arguments = parser.parse_args()
    record = records.load(RESULTS, measured=MEASURED)
    names = [n for n in CELLS if any(word in n for word in arguments.cells)]
    names = [n for n in names if arguments.data_dir or CELLS[n].data != "cifar10"]
    runs = [(n, v, s) for s in arguments.seeds for n in names for v in VARIANTS]
    for name, variant, seed in tqdm(runs, unit="training"):
        key = f"{name}; {variant}; seed {seed}"
        if key not in record["runs"]:
            data = images(CELLS[name].data, arguments.data_dir)
            record["runs"][key] = train(CELLS[name], variant, seed, data)
            RESULTS.write_text(json.dumps(record, indent=1) + "\n")
            tqdm.write(f"{key}: {record['runs'][key]}")


if __name__ == "__main__":
    main()
