"""Trainings that are killed at random moments: do they end as one that was not?

    python benchmarks/kills.py              # 50 kills for each kind of backup
    python benchmarks/kills.py --kills 5

A small VAE trains with many short epochs, so that many kills (SIGKILL) fall into the writing of a
file. It is started again until it ends, and then compared with a training that was not killed, bit
for bit: weights, multipliers, averages, optimizer, noise; trajectory, best weights, patience.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import tf_geco

EPOCHS, STEPS = 40, 5
KINDS = ("Backup", "BackupAndRestore")


def backup_of(kind, folder):
    """Returns the callback that keeps the state of the training."""
    if kind == "Backup":
        return tf_geco.callbacks.Backup(folder / "backup.weights.h5")
    return keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False)


def data(kind):
    """Returns batches in a fixed order; those of Keras's own backup are the same in each epoch."""
    rows = np.random.default_rng(0).random((16 * STEPS, 6), "float32")
    batches = tf.data.Dataset.from_tensor_slices(rows).batch(8)
    return batches.repeat() if kind == "Backup" else batches.take(STEPS)


def train(kind, folder, begun=None, ended=None):
    """Trains as a script would, from its start, and sends a digest of all that it ends with."""
    keras.utils.set_random_seed(0)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,)),
        posterior=tf_geco.posteriors.DiagonalNormal(2),
        objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.2)]),
    )
    model.compile(keras.optimizers.Adam(1e-2))
    options = {"every": 1, "restore_best_weights": True, "csv": folder / "trajectory.csv"}
    watch = tf_geco.GECOCallback(**options, checkpoint=folder / "best.keras")
    each = keras.callbacks.ModelCheckpoint(folder / "{epoch}.keras")
    starts = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: begun and begun.set())
    steps = {"steps_per_epoch": STEPS} if kind == "Backup" else {}
    callbacks = [backup_of(kind, folder), watch, each, starts]
    model.fit(data(kind), epochs=EPOCHS, verbose=0, callbacks=callbacks, **steps)
    if ended is not None:
        ended.put(digests(model, watch, folder))


def digests(model, watch, folder):
    """Returns a digest of the state of training, and one of what the callback remembers."""
    state = [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]
    best = keras.models.load_model(folder / "best.keras").get_weights()
    memory = [*watch.trajectory.arrays().values(), np.array(watch.best_epoch or -1), *best]
    return tuple(
        hashlib.sha256(b"".join(a.tobytes() for a in p)).hexdigest() for p in (state, memory)
    )


def run(context, kind, folder, moment=None):
    """Runs a training, kills it at a moment after its begin, and returns how it went.

    Returns:
        The digests, or `None` if it was killed; its length in seconds; whether it was writing.
    """
    begun, ended = context.Event(), context.Queue()
    process = context.Process(target=train, args=(kind, folder, begun, ended))
    process.start()
    begun.wait(120)
    start, found = time.monotonic(), None
    while process.is_alive() and found is None:
        left = None if moment is None else moment - (time.monotonic() - start)
        if left is not None and left <= 0:
            process.kill()
            break
        time.sleep(0.001 if left is None else min(left, 0.001))
        found = None if ended.empty() else ended.get()
    process.join()
    length, writing = time.monotonic() - start, any(folder.rglob(".partial-*"))
    if found is None and process.exitcode >= 0:
        raise RuntimeError(f"A restart failed: see above. Exit code {process.exitcode}.")
    return found, length, writing


def killed(kind, kills, seed, progress):
    """Returns a row of the table for one kind of backup."""
    context, draw = multiprocessing.get_context("forkserver"), random.Random(seed)
    context.set_forkserver_preload(["tensorflow", "keras", "tensorflow_probability", "tf_geco"])
    with tempfile.TemporaryDirectory() as root:
        expected, length, _ = run(context, kind, _folder(root, "whole"))
        row = {"kind": kind, "seed": seed, "kills": 0, "while writing": 0, "runs": 0, "equal": 0}
        row |= {"callbacks equal": 0}
        while row["kills"] < kills:
            folder, found = _folder(root, f"run {row['runs']}"), None
            while found is None:
                moment = draw.uniform(0, 0.5 * length) if row["kills"] < kills else None
                found, _, writing = run(context, kind, folder, moment)
                if found is None:
                    row["kills"] += 1
                    row["while writing"] += writing
                    progress.update()
            row["runs"] += 1
            row["equal"] += found[0] == expected[0]
            row["callbacks equal"] += found[1] == expected[1]
    return row


def _folder(root, name):
    folder = Path(root) / name
    folder.mkdir()
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tqdm(total=options.kills * len(KINDS), unit="kill") as progress:
        rows = [killed(kind, options.kills, options.seed, progress) for kind in KINDS]
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
