"""What XLA does on a CPU: to a step of each preset, and to the first, which is traced and compiled.

    python benchmarks/xla.py [--rounds 7]

All times are the processor's, of one thread, which a busy machine does not stretch. Rounds with and
without XLA take turns; the figures are medians of the ratio within a round. Results go to
`benchmarks/results/xla.json`.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
import records
import tensorflow as tf
from tqdm import tqdm

import tf_geco
from tf_geco.constraints import ReconstructionError
from tf_geco.posteriors import DiagonalNormal, RealNVP

RESULTS = Path(__file__).parent / "results" / "xla.json"
SHAPE, LATENT_DIM, BATCH = (28, 28, 1), 32, 64


def objective():
    return tf_geco.GECO([ReconstructionError(0.1)])


def vae(networks, posterior):
    return tf_geco.VAE(*networks(SHAPE, LATENT_DIM), posterior(LATENT_DIM), objective())


PRESETS = {
    "dense": lambda: vae(tf_geco.models.dense_networks, DiagonalNormal),
    "conv": lambda: vae(tf_geco.models.conv_networks, DiagonalNormal),
    "RealNVP": lambda: vae(tf_geco.models.dense_networks, RealNVP),
    "ConvDRAW, 2 steps": lambda: tf_geco.ConvDRAW(
        SHAPE, objective(), steps=2, latent_channels=4, hidden_channels=8
    ),
}


def seconds(model, data, steps):
    """Returns the processor's seconds of some steps of `fit`."""
    start = time.process_time()
    model.fit(data, steps_per_epoch=steps, verbose=0)
    return time.process_time() - start


def measure(build, data, steps, rounds, progress):
    """Returns ratios of XLA to none, and the seconds of the first step."""
    models, first, times = {}, {}, {}
    for xla in (False, True):
        models[xla] = build()
        models[xla].compile(keras.optimizers.Adam(1e-3), jit_compile=xla)
        first[xla], times[xla] = seconds(models[xla], data, 1), []
        seconds(models[xla], data, 2)
    for index in range(rounds):
        for xla in (True, False) if index % 2 else (False, True):
            times[xla].append(seconds(models[xla], data, steps))
        progress.update()
    return {
        "step, XLA / none": round(float(np.median(np.divide(times[True], times[False]))), 3),
        "step, milliseconds": round(1e3 * float(np.median(times[False])) / steps, 2),
        "first step, seconds": round(first[False], 2),
        "first step by XLA, seconds": round(first[True], 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=32, help="steps in a round")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    train = tf_geco.datasets.load("mnist5k", BATCH, split="train")
    data, found = train.map(lambda image, label: image).repeat(), {}
    with tqdm(total=len(PRESETS) * options.rounds, desc="rounds") as progress:
        for name, build in PRESETS.items():
            found[name] = measure(build, data, options.steps, options.rounds, progress)
    record = {"clock": "processor time, one thread", "presets": found}
    RESULTS.write_text(json.dumps({**record, "versions": records.versions()}, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
