"""What a step of GECO costs, against a handwritten ELBO step of plain Keras on the same networks.

    python benchmarks/step_time.py

Rounds of the contestants are interleaved in one process; the figures are medians of the ratio
within a round. Times are the processor's, of one thread: a busy machine does not stretch them, but
what several threads would do at once counts in full. Results go to
`benchmarks/results/step_time.json`.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import tf_geco
from tf_geco.constraints import ReconstructionError
from tf_geco.posteriors import DiagonalNormal

RESULTS = Path(__file__).parent / "results" / "step_time.json"
LATENT_DIM, BATCH = 32, 128
NETWORKS = {"dense": tf_geco.models.dense_networks, "conv": tf_geco.models.conv_networks}


class Handwritten(keras.Model):
    """The VAE of the Keras examples: mean, log variance, three running means, one train_step."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.parameters = keras.layers.Dense(2 * LATENT_DIM)
        self.seed_generator = keras.random.SeedGenerator(0)
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "error", "kl")]

    @property
    def metrics(self):
        return self.trackers

    def train_step(self, x):
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.parameters(self.encoder(x, training=True)), 2, -1)
            noise = keras.random.normal(tf.shape(mean), seed=self.seed_generator)
            z = mean + tf.exp(0.5 * log_variance) * noise
            errors = tf.reduce_mean((x - self.decoder(z, training=True)) ** 2, axis=(1, 2, 3))
            kls = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - log_variance - 1, axis=1)
            error, kl = tf.reduce_mean(errors), tf.reduce_mean(kls)
            loss = 784 / 2 * error / 0.1**2 + kl
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for tracker, value in zip(self.trackers, (loss, error, kl), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def contestants(networks):
    """Returns the models to compare, by name; the first is the measure of the others."""
    objectives = {
        "elbo": tf_geco.ELBO(sigma=0.1),
        "geco": tf_geco.GECO([ReconstructionError(0.1)]),
        "every tolerance": tf_geco.GECO([ReconstructionError(tf_geco.Range(0.08, 0.2))]),
    }
    models = {"handwritten": Handwritten(*networks((28, 28, 1), LATENT_DIM))}
    for name, objective in objectives.items():
        parts = networks((28, 28, 1), LATENT_DIM)
        models[name] = tf_geco.VAE(*parts, DiagonalNormal(LATENT_DIM), objective)
    return models


class Clock(keras.callbacks.Callback):
    """The processor's time of an epoch, without what `fit` does once: a range is measured there."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.process_time() - self.start


def seconds_per_step(model, data, steps):
    """Returns the processor's time of a step of `model.fit`."""
    clock = Clock()
    model.fit(data, steps_per_epoch=steps, epochs=1, verbose=0, callbacks=[clock])
    return clock.seconds / steps


def repeating(batches):
    """Returns a data set that yields batches `[N, B, ...]` in order, for ever."""
    endless = tf.data.Dataset.from_tensor_slices(batches).repeat()
    return tf_geco.datasets.without_autotuner(endless)


def measure(networks, steps_per_execution, steps, rounds, progress):
    """Returns, for each contestant, its times over the rounds."""
    # Real digits: a batch learned by heart leaves denormal numbers in Adam, which are slow.
    digits = tf_geco.datasets.load("mnist5k", BATCH, split="train")
    batches = list(digits.map(lambda image, label: image))
    data = repeating(tf.stack(batches))
    models = contestants(networks)
    for model in models.values():
        model.compile(keras.optimizers.Adam(1e-3), steps_per_execution=steps_per_execution)
        seconds_per_step(model, data, 2 * steps_per_execution)
    times = {name: [] for name in models}
    for index in range(rounds):
        order = list(models) if index % 2 else list(reversed(models))
        for name in order:
            times[name].append(seconds_per_step(models[name], data, steps))
            progress.update()
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=64, help="steps in a round")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    cases = [(name, spe) for name in NETWORKS for spe in (1, 16)]
    table = {}
    with tqdm(total=len(cases) * options.rounds * 4, desc="rounds") as progress:
        for name, spe in cases:
            times = measure(NETWORKS[name], spe, options.steps, options.rounds, progress)
            base = np.array(times["handwritten"])
            table[f"{name}, steps_per_execution={spe}"] = {
                other: round(float(np.median(np.array(values) / base)), 3)
                for other, values in times.items()
            }
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__}
    versions |= {"keras": keras.__version__, "tf_geco": tf_geco.__version__}
    settings = {"clock": "processor time, one thread", "rounds": options.rounds}
    settings |= {"steps": options.steps, "load_average": os.getloadavg()}
    record = {**settings, "ratio": table, "versions": versions}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    for case, ratios in table.items():
        print(f"{case:32}", "  ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main()
