"""How fast each preset trains and is evaluated on whatever device there is.

    python benchmarks/accelerator.py                    # the first accelerator, or else the CPU
    python benchmarks/accelerator.py --large            # sizes for an accelerator
    python benchmarks/accelerator.py --only dense --rounds 3

Steps and images a second, TFLOP/s and the peak of memory, with and without XLA, in float32 and in
mixed bfloat16: medians of interleaved rounds. TFLOP/s counts products and convolutions, as
TensorFlow's profiler does. Writes benchmarks/results/accelerator.json, by device.
"""

import argparse
import itertools
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import records
import tensorflow as tf
from tqdm import tqdm

import tf_geco

RESULTS = Path(__file__).parent / "results" / "accelerator.json"
PRESETS = ("dense", "conv", "nvp", "conv_draw")
POLICIES = ("float32", "mixed_bfloat16")
STEPS, EXECUTIONS = 10, 10  # of a round


def device():
    """Returns the name of what trains, and the device whose memory can be asked for, if any."""
    accelerators = tf.config.list_physical_devices("GPU") + tf.config.list_physical_devices("TPU")
    if not accelerators:
        return f"CPU, {os.cpu_count()} cores", None
    details = tf.config.experimental.get_device_details(accelerators[0])
    name = details.get("device_name", accelerators[0].device_type)
    return name, accelerators[0].name.removeprefix("/physical_device:")


def build(preset, large):
    """Returns a model of a preset, and its image shape."""
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    shape = (64, 64, 3) if large else (28, 28, 1)
    if preset == "conv_draw":
        size = "large" if large else "small"
        return tf_geco.ConvDRAW.from_preset(size, shape, objective), shape
    latents = 128 if large else 32
    if preset == "conv":
        filters = (64, 128, 256) if large else (32, 64)
        networks = tf_geco.models.conv_networks(shape, latents, filters)
    else:
        networks = tf_geco.models.dense_networks(shape, latents)
    kinds = tf_geco.posteriors.RealNVP, tf_geco.posteriors.DiagonalNormal
    return tf_geco.VAE(*networks, kinds[preset != "nvp"](latents), objective), shape


def flops(model, images):
    """Returns the floating point operations of a step, by TensorFlow's profiler."""
    step = tf.function(model.train_step, jit_compile=False)
    graph = step.get_concrete_function((tf.constant(images),)).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


class Case:
    """A compiled model and its batches."""

    def __init__(self, preset, policy, xla, large, batch):
        keras.config.set_dtype_policy(policy)
        keras.utils.set_random_seed(0)
        self.model, shape = build(preset, large)
        self.model.compile(keras.optimizers.Adam(1e-3), jit_compile=xla, steps_per_execution=STEPS)
        self.batch = batch
        self.images = np.random.default_rng(0).random((batch, *shape), "float32")
        images = tf.data.Dataset.from_tensors(self.images).repeat()
        self.data = tf_geco.datasets.without_autotuner(images)
        start = time.perf_counter()
        self.fit(1)
        self.first = time.perf_counter() - start
        self.model.score(self.images)
        self.flops = flops(self.model, self.images)

    def fit(self, times):
        options = {"epochs": 1, "verbose": 0, "shuffle": False}
        self.model.fit(self.data, steps_per_epoch=times * STEPS, **options)

    def train(self):
        """Returns the steps a second of a round."""
        start = time.perf_counter()
        self.fit(EXECUTIONS)
        return EXECUTIONS * STEPS / (time.perf_counter() - start)

    def evaluate(self):
        """Returns the images a second that `score` takes."""
        start = time.perf_counter()
        self.model.score(self.images)
        return self.batch / (time.perf_counter() - start)


def measured(cases, rounds, where):
    """Returns the figures of some cases, by name: medians of interleaved rounds."""
    found = {name: {"steps": [], "scored": []} for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            found[name]["steps"].append(case.train())
            found[name]["scored"].append(case.evaluate())
    rows = {}
    for name, case in cases.items():
        rate = statistics.median(found[name]["steps"])
        rows[name] = {
            "steps / s": round(rate, 2),
            "images / s": round(rate * case.batch),
            "TFLOP / s": float(f"{rate * case.flops / 1e12:.3g}"),
            "images scored / s": round(statistics.median(found[name]["scored"])),
            "first steps, s": round(case.first, 1),
        }
        if where:
            peak = tf.config.experimental.get_memory_info(where)["peak"]
            rows[name]["peak of memory, MiB"] = round(peak / 2**20)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    name, where = device()
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found = {"versions": records.versions(), "batch": options.batch, "presets": {}}
    for preset in tqdm(options.only, unit="preset"):
        cases = {}
        for policy, xla in itertools.product(POLICIES, (False, True)):
            key = f"{policy}, {'XLA' if xla else 'no XLA'}"
            cases[key] = Case(preset, policy, xla, options.large, options.batch)
        found["presets"][preset] = measured(cases, options.rounds, where)
        record[f"{name}{', large' if options.large else ''}"] = found
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")
        for key, row in found["presets"][preset].items():
            tqdm.write(f"{preset}, {key}: {row}")


if __name__ == "__main__":
    main()
