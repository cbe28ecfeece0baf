"""Conditional ConvDRAW on mnist_rotate: do its predictions show the right digit at the right angle?

    python benchmarks/rotation.py [--steps 12000] [--source mnist --data-dir FOLDER]

Trains on pairs of MNIST digits by GECO, and every so often predicts targets for contexts of
held-out digits, turns them back by the angle asked for, and asks a frozen classifier, trained on
upright digits, which digit it sees. "wrong angle" is the same, turned back by another angle. Writes
benchmarks/results/rotation.json and .png.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from scipy import ndimage

import tf_geco

RESULTS = Path(__file__).parent / "results" / "rotation.json"


def turned_back(images, turns):
    """Returns images `[N, 28, 28, 1]`, each rotated clockwise by its number of 30 degrees."""
    options = {"axes": (0, 1), "reshape": False, "order": 1}
    back = [ndimage.rotate(i, -30 * t, **options) for i, t in zip(images, turns, strict=True)]
    return np.clip(np.stack(back), 0, 1)


class Agreement(keras.callbacks.Callback):
    """Every `every` steps, the share of predictions that a classifier agrees with."""

    def __init__(self, classifier, test, every):
        super().__init__()
        self.classifier, self.every, self.rows = classifier, every, []
        batches = list(test)
        self.context = np.concatenate([x["context"] for x, _ in batches])
        self.target = np.concatenate([x["target"] for x, _ in batches])
        self.labels = np.concatenate([labels for _, labels in batches])
        self.start = time.perf_counter()

    def agreement(self, images, turns):
        seen = self.classifier.predict(turned_back(images, turns), verbose=0).argmax(1)
        return float(np.mean(seen == self.labels[:, 0]))

    def on_epoch_end(self, epoch, logs=None):
        parts = np.array_split(self.context, 10)
        drawn = np.concatenate([self.model.sample(context=c, seed=i) for i, c in enumerate(parts)])
        other = (self.labels[:, 1] + 1 + np.arange(len(drawn)) % 9) % 10
        row = {
            "step": (epoch + 1) * self.every,
            "seconds": time.perf_counter() - self.start,
            "agreement": self.agreement(drawn, self.labels[:, 1]),
            "data": self.agreement(self.target, self.labels[:, 1]),
            "wrong angle": self.agreement(drawn, other),
            **{name: float(value) for name, value in logs.items()},
        }
        self.rows.append(row)
        print({name: round(value, 4) for name, value in row.items()}, flush=True)


def picture(model, callback, path):
    """Draws contexts, a held-out target, and two predictions for each."""
    context = callback.context[:16]
    rows = {"digit": context[..., :1], "turn": context[..., 1:], "target": callback.target[:16]}
    rows |= {f"prediction {k}": model.sample(context=context, seed=k) for k in (1, 2)}
    tf_geco.plotting.samples_grid(rows).savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("--tolerance", type=float, default=0.15)
    parser.add_argument("--size", type=int, default=60_000, help="pairs to train on")
    parser.add_argument("--source", default="mnist5k", help="or mnist, by TFDS")
    parser.add_argument("--data-dir", help="folder of TFDS's data")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    source = {"source": options.source, "data_dir": options.data_dir}
    load = tf_geco.datasets.load
    classifier = tf_geco.models.classifier()
    classifier.fit(load("mnist5k", split="train"), epochs=8, verbose=0)
    train = load("mnist_rotate", batch_size=32, split="train", size=options.size, **source)
    test = load("mnist_rotate", batch_size=100, split="test", size=1_000, seed=1, **source)
    model = tf_geco.ConvDRAW.from_preset(
        "small",
        (28, 28, 1),
        tf_geco.GECO([tf_geco.constraints.ReconstructionError(options.tolerance)]),
        context_shape=(28, 28, 2),
    )
    rate = keras.optimizers.schedules.CosineDecay(2e-3, options.steps)
    model.compile(keras.optimizers.Adam(rate), jit_compile=False)
    callback = Agreement(classifier, test, options.every)
    epochs, batches = options.steps // options.every, train.repeat()
    model.fit(
        batches, epochs=epochs, steps_per_epoch=options.every, verbose=0, callbacks=[callback]
    )
    versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
    record = {
        "options": {k: v for k, v in vars(options).items() if k != "data_dir"},
        "rows": callback.rows,
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), **versions},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    picture(model, callback, RESULTS.with_suffix(".png"))


if __name__ == "__main__":
    main()
