"""Counts of genes in cells: a VAE with a negative binomial likelihood, and a map of its latents.

The tolerance is a negative log-likelihood in nats. `nll_guide` says what simple models reach. The
cells are made here: five types, in each of which some of 200 genes are more active, and cells of
different sizes; counts scatter more than Poisson's.

    python examples/counts.py                      # two minutes on two CPU cores
"""

import argparse
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

import tf_geco

CELLS, GENES, TYPES = 3000, 200, 5


def cells(seed=0):
    """Returns counts `[N, genes]`, and the type of each cell."""
    random = np.random.default_rng(seed)
    types = random.integers(TYPES, size=CELLS)
    activity = random.normal(0.5, 1.0, GENES) + random.normal(0.0, 0.7, (TYPES, GENES))
    size = random.normal(0.0, 0.3, (CELLS, 1))
    mean = np.exp(activity[types] + size)
    counts = random.poisson(mean * random.gamma(3.0, 1 / 3.0, mean.shape))
    return counts.astype("float32"), types


def networks(latent_dim):
    """Returns an encoder of counts, and a decoder to the two parameters of each gene."""
    encoder = [layers.Activation(keras.ops.log1p), layers.Dense(128, activation="gelu")]
    decoder = [layers.Dense(128, activation="gelu"), layers.Dense(2 * GENES)]
    return (
        keras.Sequential([keras.Input((GENES,)), *encoder]),
        keras.Sequential([keras.Input((latent_dim,)), *decoder]),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tolerance", type=float, help="nats; by default what the guide suggests")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    counts, types = cells()
    guide = tf_geco.evaluation.nll_guide(counts, "negative_binomial", max_examples=1000)
    print(guide)
    tolerance = min(guide.nll) if options.tolerance is None else options.tolerance

    model = tf_geco.VAE(
        *networks(latent_dim=8),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=8),
        objective=tf_geco.GECO(
            [tf_geco.constraints.NegativeLogLikelihood(tolerance, "negative_binomial")]
        ),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(counts, batch_size=64, epochs=options.epochs, verbose=2).history
    print(f"\nasked for {tolerance:.1f} nats, reached {history['negative_log_likelihood'][-1]:.1f}")
    print(f"KL {history['kl'][-1]:.2f} nats")

    options.outputs.mkdir(parents=True, exist_ok=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    tf_geco.plotting.latent_map(model.encode_mean(counts), types, title="cells", axes=left)
    drawn = model.generate(1000, draw="data", seed=0)
    for name, values in {"cells": counts, "drawn by the model": drawn}.items():
        mean, variance = values.mean(axis=0), values.var(axis=0)
        right.loglog(mean, variance, ".", ms=4, label=name)
    right.loglog(mean, mean, color="black", lw=1, label="Poisson")
    right.set(xlabel="mean of a gene", ylabel="its variance")
    right.legend(frameon=False)
    figure.savefig(options.outputs / "counts.png", dpi=100)


if __name__ == "__main__":
    main()
