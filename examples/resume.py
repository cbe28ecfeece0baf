"""A training that may be killed at any moment: run the script again, and it goes on.

`Backup` writes the whole state after each epoch, to one file: weights, multipliers, averages, the
optimizer, the noise, and what `GECOCallback` remembers. So a run that was killed ends as one that
was not, bit for bit. The epochs here are short, 20 steps, because that much is lost at most.

    python examples/resume.py                      # kill it, or press Ctrl+C; then run it again
    python examples/resume.py --kill-in-epoch 7    # kills itself, as a machine would
"""

import argparse
import os
import signal
from pathlib import Path

import keras

import tf_geco

STEPS = 20


class Kill(keras.callbacks.Callback):
    """Kills the process in the middle of an epoch: nothing is tidied up."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.current = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.current = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.current == self.epoch and batch == STEPS // 2:
            os.kill(os.getpid(), signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--kill-in-epoch", type=int, help="counted from 0")
    parser.add_argument("--outputs", type=Path, default=Path("outputs/resume"))
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    train, _ = tf_geco.datasets.load("mnist5k", batch_size=64)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((28, 28, 1), latent_dim=16),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=16),
        objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.15)]),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    began = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: print(f"begins after {int(model.objective.step)} steps")
    )
    backup = tf_geco.callbacks.Backup(str(options.outputs / "backup.weights.h5"))
    watch = tf_geco.GECOCallback(csv=str(options.outputs / "trajectory.csv"))
    model.fit(
        train.map(lambda image, label: image).repeat(),
        steps_per_epoch=STEPS,
        epochs=options.epochs,
        callbacks=[backup, watch, began, Kill(options.kill_in_epoch)],
        verbose=0,
    )
    multiplier, record = float(model.objective.multiplier[0]), watch.trajectory.arrays()
    print(f"ends after {int(model.objective.step)} steps with lambda {multiplier:.9g};")
    print(f"the trajectory begins with step {record['step'][0]:.0f}")


if __name__ == "__main__":
    main()
