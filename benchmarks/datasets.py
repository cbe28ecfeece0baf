"""How fast data sets are built and fed, and what pNCC adds to a step.

    python benchmarks/datasets.py            # everything that needs no download
    TFDS_DATA_DIR=... python benchmarks/datasets.py mnist cifar10

Targets: 20,000 28 x 28 images a second after the first epoch; mnist_sum and color_mnist of 60,000
built in 10 s; PatchNCC at most 15 % of a step of a convolutional VAE on 32 x 32 x 3. Figures are
kept in benchmarks/results/datasets.json.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tf_geco

RESULTS = Path(__file__).parent / "results" / "datasets.json"
NEED_FILES = ("mnist", "cifar10", "celeb_a")


def folder_of_images(place, number=2000):
    """Returns a folder of photographs' size and format, of noise."""
    for image in range(number):
        noise = tf.cast(tf.random.uniform([64, 64, 3], maxval=256, dtype=tf.int32), tf.uint8)
        tf.io.write_file(f"{place}/{image}.jpg", tf.io.encode_jpeg(noise))
    return place


def feed_rates(name, epochs=4, **options):
    """Returns seconds to build, and images a second in the first epoch and after it."""
    start = time.perf_counter()
    train = tf_geco.datasets.load(name, 128, "train", **options)
    built = time.perf_counter() - start
    rates = []
    for _ in range(epochs):
        start = time.perf_counter()
        batches = sum(1 for _ in train)
        rates.append(128 * batches / (time.perf_counter() - start))
    return built, rates[0], statistics.median(rates[1:])


def step_times(constraints, rounds=7, steps=10):
    """Returns milliseconds a step for objectives with these constraints, in interleaved rounds."""
    images = np.random.default_rng(0).uniform(size=(64, 32, 32, 3)).astype("float32")
    models = [vae(make()) for make in constraints]
    times = [[] for _ in models]
    for model in models:
        model.train_on_batch(images)
    for _ in range(rounds):
        for model, measured in zip(models, times, strict=True):
            start = time.perf_counter()
            for _ in range(steps):
                model.train_on_batch(images)
            measured.append((time.perf_counter() - start) / steps * 1e3)
    return [statistics.median(measured) for measured in times]


def vae(constraints):
    """Returns a convolutional VAE for 32 x 32 x 3 images."""
    model = tf_geco.VAE(
        *tf_geco.models.conv_networks((32, 32, 3), latent_dim=32),
        posterior=tf_geco.posteriors.DiagonalNormal(32),
        objective=tf_geco.GECO(constraints),
    )
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    return model


def main():
    """Prints all figures and keeps them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="data sets; by default those without a download")
    offline = [name for name in tf_geco.datasets.list_names() if name not in NEED_FILES]
    names = parser.parse_args().names
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"feeds": {}}
    print(f"{'data set':20} {'built, s':>9} {'first epoch':>12} {'after, images/s':>16}")
    for name in names or offline:
        with tempfile.TemporaryDirectory() as place:
            options = {"path": folder_of_images(place)} if name == "image_folder" else {}
            built, first, after = feed_rates(name, **options)
        print(f"{name:20} {built:9.2f} {first:12,.0f} {after:16,.0f}")
        figures = {"seconds_to_build": built, "first_epoch": first, "images_a_second": after}
        load = {"load_average": os.getloadavg()[0]}
        record["feeds"][name] = {k: round(v, 2) for k, v in (figures | load).items()}
    if not names:
        error = tf_geco.constraints.ReconstructionError
        plain, patches = step_times(
            [lambda: [error(0.1)], lambda: [error(0.1), tf_geco.constraints.PatchNCC(0.9)]]
        )
        print(f"step {plain:.1f} ms, with PatchNCC {patches:.1f} ms: {patches / plain - 1:+.1%}")
        record["step with PatchNCC / without"] = round(patches / plain, 3)
    versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
    record |= {"versions": {"python": platform.python_version(), **versions}}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
