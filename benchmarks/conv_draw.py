"""What a step of ConvDRAW costs, against handwritten TensorFlow and PyTorch, and in memory.

    python benchmarks/conv_draw.py [--rounds 15] [--no-memory]

Needs PyTorch (`pip install torch`). Times: rounds of the contestants are interleaved in one
process; the figures are medians of ratios within a round. Tracing and memory: a fresh process for
each case.
Writes benchmarks/results/conv_draw.json.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import tf_geco
from tf_geco.models.conv_draw.model import PRESETS

RESULTS = Path(__file__).parent / "results" / "conv_draw.json"
MEDIUM = {"steps": 8, "latent_channels": 12, "hidden_channels": 64, "kernel_size": 5}
SIZES = {"small": (PRESETS["small"], 32), "default": (MEDIUM, 16)}


def compiled(sizes, **options):
    """Returns the library's model, compiled."""
    keras.utils.set_random_seed(0)
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    model = tf_geco.ConvDRAW((28, 28, 1), objective, **sizes, **options)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    return model


def library_step(sizes):
    """Returns the training step that `fit` runs, images -> logs."""
    model = compiled(sizes)
    return tf.function(lambda images: model.train_step((images,)))


def contestants(sizes):
    """Returns name -> (step, whether it takes NumPy arrays)."""
    from draw_steps import tensorflow_step, torch_step  # noqa: PLC0415

    return {
        "library": (library_step(sizes), False),
        "handwritten TensorFlow": (tensorflow_step(sizes), False),
        "PyTorch": (torch_step(sizes, channels_last=False), True),
        "PyTorch, channels last": (torch_step(sizes, channels_last=True), True),
    }


def seconds(step, batches, steps):
    """Returns the time of a step, the result of each read as a user's logs are."""
    start = time.perf_counter()
    for index in range(steps):
        result = step(batches[index % len(batches)])
        keras.tree.map_structure(float, result)
    return (time.perf_counter() - start) / steps


def step_times(rounds, steps):
    """Returns size -> medians of the library's time over each contestant's, and the times."""
    digits = tf_geco.datasets.load("mnist5k", split="train", batch_size=32)
    digits = [image.numpy() for image, _ in digits.take(16)]
    table = {}
    for name, (sizes, batch) in SIZES.items():
        batches = [image[:batch] for image in digits]
        as_tensors = [tf.constant(image) for image in batches]
        steps_of = contestants(sizes)
        times = {contestant: [] for contestant in steps_of}
        for step, on_arrays in steps_of.values():
            seconds(step, batches if on_arrays else as_tensors, 5)
        for _ in tqdm(range(rounds), desc=name):
            for contestant, (step, on_arrays) in steps_of.items():
                data = batches if on_arrays else as_tensors
                times[contestant].append(seconds(step, data, steps))
        library = np.array(times["library"])
        table[name] = {
            "seconds": {c: float(np.median(t)) for c, t in times.items()},
            "library / other": {
                c: round(float(np.median(library / np.array(t))), 3) for c, t in times.items()
            },
        }
        print(name, json.dumps(table[name], indent=2), flush=True)
    return table


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_case(options):
    """In a process of its own: prints times, and the peak of memory by stages."""
    sizes = {**SIZES[options["size"]][0], "steps": options["steps"]}
    batch = options.get("batch", SIZES[options["size"]][1])
    images = np.random.default_rng(0).random((batch, 28, 28, 1), "float32")
    before = peak_mb()
    start = time.perf_counter()
    model = compiled(sizes, **options["model"])
    step = tf.function(lambda images: model.train_step((images,)))
    step.get_concrete_function(tf.constant(images))
    traced = peak_mb()
    seconds(step, [tf.constant(images)], 1)
    first = time.perf_counter() - start
    figures = {
        "first_step_seconds": first,
        "step_seconds": seconds(step, [tf.constant(images)], 3),
        "peak_mb": peak_mb(),
        "traced_mb": traced,
        "before_mb": before,
    }
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


CASES = [
    {"size": "small", "steps": 16, "model": {}},
    *({"size": "small", "steps": steps, "model": {"unroll": False}} for steps in (4, 64)),
    *(
        {"size": "default", "steps": steps, "model": model}
        for steps in (8, 16, 32)
        for model in ({}, {"rematerialize": True})
    ),
    {"size": "default", "steps": 1, "model": {}},
    # With more examples what a step keeps of each outweighs the gradients of its weights.
    {"size": "default", "steps": 16, "batch": 64, "model": {}},
    {"size": "default", "steps": 16, "batch": 64, "model": {"rematerialize": True}},
]


def in_processes():
    """Returns the figures of each case."""
    rows = []
    for case in tqdm(CASES, desc="fresh processes"):
        command = [sys.executable, __file__, "--case", json.dumps(case)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append({**case, **json.loads(run.stdout.splitlines()[-1])})
        print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=5, help="steps in a round")
    parser.add_argument("--no-memory", action="store_true", help="only the times of steps")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        one_case(json.loads(options.case))
        return
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not options.no_memory:
        record["tracing and memory"] = in_processes()
    import torch  # noqa: PLC0415

    record["step"] = step_times(options.rounds, options.steps)
    versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
    versions |= {"python": platform.python_version(), "torch": torch.__version__}
    record |= {"cores": os.cpu_count(), "load_average": os.getloadavg(), "versions": versions}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
