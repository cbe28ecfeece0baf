"""The quickstart's VAE on several workers, which together do what one does with the whole batch.

On one machine, three workers that this script starts and watches over:

    python examples/distributed.py --workers 3

On several machines, the same script on each, with an environment variable that names them all and
says which one this is; the first is the chief:

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}' python examples/distributed.py

If a worker dies, the others end with an error that names it. Run the same command again, and
training goes on with the epoch in which it stopped. docs/distributed.md has more.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import tensorflow as tf

import tf_geco

OUTPUTS = Path("outputs/distributed")


def launch(number, arguments):
    """Starts workers on this machine and waits; if one fails, TensorFlow ends the others."""
    ports = [free_port() for _ in range(number)]
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    workers = []
    for index in range(number):
        config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        quiet = None if index == 0 else subprocess.DEVNULL  # the chief speaks for all
        workers.append(
            subprocess.Popen(
                [sys.executable, __file__, *arguments],
                env={**os.environ, "TF_CONFIG": config},
                stdout=quiet,
            )
        )
    try:
        codes = [worker.wait() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return max(abs(code) for code in codes)


def free_port():
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def train(options):
    """Trains as one worker of those that TF_CONFIG names."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else runs
    keras.utils.set_random_seed(0)  # the same first weights on each worker
    train, _ = tf_geco.datasets.load("mnist5k", batch_size=options.batch_size)
    with strategy.scope():
        model = tf_geco.VAE(
            *tf_geco.models.conv_networks((28, 28, 1), latent_dim=32),
            posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=32),
            objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)]),
        )
        model.compile(keras.optimizers.Adam(1e-3))
    chief = json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0
    model.fit(
        train.map(lambda image, label: image).repeat(),
        steps_per_epoch=options.steps,
        epochs=options.epochs,
        callbacks=[
            tf_geco.GECOCallback(csv=str(OUTPUTS / "trajectory.csv")),
            tf_geco.callbacks.Backup(str(OUTPUTS / "backup.weights.h5")),
        ],
        verbose=2 if chief else 0,
    )
    model.save(OUTPUTS / "vae.keras")  # every worker calls it; the chief's file stays


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, help="start so many on this machine")
    parser.add_argument("--batch-size", type=int, default=64, help="of all workers together")
    parser.add_argument("--steps", type=int, default=70, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    OUTPUTS.mkdir(parents=True, exist_ok=True)
    if options.workers is None:
        train(options)
        return
    names = ("batch_size", "steps", "epochs")
    given = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names]
    sys.exit(launch(options.workers, given))


if __name__ == "__main__":
    main()
