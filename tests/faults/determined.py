"""Trains models of the catalogue with deterministic operations, and prints a digest of each.

`digests` runs it as `python -m tests.faults.determined SEED NAME...`, in a process of its own,
because determinism is of a process.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from tests.catalogue import MODELS, train


def digest(case, seed):
    """Returns what stands for every bit of a training: multipliers, weights, slots, samples."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    model = case.compiled()
    multipliers = train(model, case.data(), epochs=2)
    sample = model.sample(**case.given(3)).numpy()
    parts = [v.numpy() for v in [*model.variables, *model.optimizer.variables]]
    found = hashlib.sha256()
    for part in [multipliers, sample, *parts]:
        found.update(part.tobytes())
    return found.hexdigest()


def digests(seed, names):
    """Returns the digest of the training of each model, from a process of its own."""
    command = [sys.executable, "-m", "tests.faults.determined", str(seed), *names]
    root = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr[-3000:])
    return json.loads(run.stdout.splitlines()[-1])


def main():
    seed, *names = sys.argv[1:]
    tf.config.experimental.enable_op_determinism()
    print(json.dumps({name: digest(MODELS[name], int(seed)) for name in names}))


if __name__ == "__main__":
    main()
