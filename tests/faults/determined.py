"""Trains models of the catalogue with deterministic operations, and prints a digest of each.

Run by `test_determinism.py` and `benchmarks/faults.py` as `python -m tests.faults.determined SEED
NAME...`, in a process of its own, because determinism is of a process.
"""

import hashlib
import json
import os
import sys

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


def main():
    seed, *names = sys.argv[1:]
    tf.config.experimental.enable_op_determinism()
    print(json.dumps({name: digest(MODELS[name], int(seed)) for name in names or MODELS}))


if __name__ == "__main__":
    main()
