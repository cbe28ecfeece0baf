"""Does the tolerance hold on data that training has not seen? Three sets of digits, by `hold_on`.

    python benchmarks/unseen.py                  # every cell; a run that was killed goes on
    python benchmarks/unseen.py --cells conv     # cells whose name holds one of these words

The 5,000 digits of mnist5k are shuffled and cut in three: 4,000 train, 500 validate at the end of
each epoch, and 500 are looked at once, at the end. A cell is a network and a constraint. It is
trained twice, with tolerances that hold on the training data (the default) and on the validation
data (`hold_on="validation"`). Measured in inference mode, after the last epoch: what the constraint
measures on each set, what it costs, the gap, and what `evaluation.check` says of the last set.

Prints a table and writes all runs to benchmarks/results/unseen.json.
"""

import argparse
import functools
import importlib.util
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import records
from tqdm import tqdm

import tf_geco
from tf_geco.constraints import ClassificationAccuracy, ReconstructionError

ROOT = Path(__file__).parent
RESULTS = ROOT / "results" / "unseen.json"
SHAPE, LATENT_DIM, SIZES = (28, 28, 1), 32, (4000, 500, 500)
SETS = ("training", "validation", "test")


def digits(seed):
    """Returns training, validation and test digits, each a pair of images and labels."""
    parts = [tf_geco.datasets.load("mnist5k", n, s) for n, s in ((4500, "train"), (500, "test"))]
    x, y = (np.concatenate(part) for part in zip(*(next(iter(p)) for p in parts), strict=True))
    order = np.random.default_rng(seed).permutation(len(x))
    return [(x[part], y[part]) for part in np.split(order, np.cumsum(SIZES)[:-1])]


def normalised_networks():
    """Returns dense networks with batch normalisation."""
    layers = keras.layers

    def block(n):
        return [layers.Dense(n), layers.BatchNormalization(), layers.Activation("gelu")]

    last = [layers.Dense(784, activation="sigmoid"), layers.Reshape(SHAPE)]
    encoder = keras.Sequential([layers.Flatten(), *block(256), *block(128)])
    return encoder, keras.Sequential([*block(128), *block(256), *last])


def vae(networks, constraint, hold_on):
    """Returns a VAE, compiled."""
    model = tf_geco.VAE(
        *networks,
        posterior=tf_geco.posteriors.DiagonalNormal(LATENT_DIM),
        objective=tf_geco.GECO([constraint], hold_on=hold_on),
    )
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False, steps_per_execution=10)
    return model


def dense(hold_on, _, tolerance=0.1):
    networks = tf_geco.models.dense_networks(SHAPE, LATENT_DIM, (256, 128))
    return vae(networks, ReconstructionError(tolerance), hold_on)


def conv(hold_on, _):
    networks = tf_geco.models.conv_networks(SHAPE, LATENT_DIM)
    return vae(networks, ReconstructionError(0.1), hold_on)


def batch_norm(hold_on, _, tolerance=0.1):
    return vae(normalised_networks(), ReconstructionError(tolerance), hold_on)


def accuracy(hold_on, training):
    """A VAE whose reconstructions a classifier, trained on the same digits, must recognise."""
    network = tf_geco.models.classifier(filters=(8, 16), hidden=64)
    network.fit(*training, epochs=10, verbose=0)
    networks = tf_geco.models.dense_networks(SHAPE, LATENT_DIM, (256, 128))
    return vae(networks, ClassificationAccuracy(0.9, network), hold_on)


def recall_floor(hold_on, _):
    """The classifier of examples/recall_floor.py, with a floor of 0.95."""
    spec = importlib.util.spec_from_file_location(
        "recall_floor", ROOT.parent / "examples" / "recall_floor.py"
    )
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    floor = tf_geco.constraints.from_function(
        example.recognised,
        0.95,
        "recall",
        form=">=",
        proxy=example.probability,
        where=example.is_the_digit,
        scale=0.05,
    )
    objective = tf_geco.GECO([floor], hold_on=hold_on)
    loss = "sparse_categorical_crossentropy"
    model = tf_geco.models.Constrained(example.network(), loss, objective)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False, steps_per_execution=10)
    return model


CELLS = {
    "dense": (dense, 60),
    "dense, 0.125": (functools.partial(dense, tolerance=0.125), 60),
    "conv": (conv, 40),
    "batch_norm": (batch_norm, 60),
    "batch_norm, 0.125": (functools.partial(batch_norm, tolerance=0.125), 60),
    "recall_floor": (recall_floor, 60),
    "accuracy": (accuracy, 40),
}


def train(name, hold_on, options):
    """Returns what a cell measures on the three sets after its last epoch."""
    make, epochs = CELLS[name]
    sets = dict(zip(SETS, digits(options.seed), strict=True))
    keras.utils.set_random_seed(options.seed)
    model, callback = make(hold_on, sets["training"]), tf_geco.GECOCallback()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        history = model.fit(
            *sets["training"],
            batch_size=64,
            epochs=epochs,
            validation_data=sets["validation"],
            callbacks=[callback],
            verbose=0,
        ).history
    checks = {part: tf_geco.evaluation.check(model, data) for part, data in sets.items()}
    constraint = model.objective.constraints[0].name
    return {
        "epochs": epochs,
        "tolerance": checks["test"][constraint].tolerance,
        **{part: checks[part][constraint].reading for part in SETS},
        "standard_error": checks["test"][constraint].standard_error,
        "interval": checks["test"][constraint].interval,
        "verdict": checks["test"][constraint].verdict,
        "cost": history[model.progress.cost_name][-1],
        "gap": history.get("gap", [0.0])[-1],
        "lambda": history["lambda"][-1],
        "said": [str(w.message) for w in said if "Constraint" in str(w.message)],
    }


def table(runs):
    """Returns the runs that are done, as text."""
    columns = "".join(f"{part:>11}" for part in (*SETS, "st. err.", "cost", "gap", "lambda"))
    lines = [f"{'':26}{'asked':>8}{columns}  on test"]
    for key, run in runs.items():
        figures = [run[part] for part in (*SETS, "standard_error", "cost", "gap", "lambda")]
        row = "".join(f"{value:11.4g}" for value in figures)
        lines.append(f"{key:26}{run['tolerance']:8.3g}{row}  {run['verdict']}")
        lines += [f"    {sentence}" for sentence in run["said"]]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=[""], help="words that names must hold")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    record = records.load(RESULTS, seed=options.seed, sizes=list(SIZES))
    runs = record["runs"]
    todo = [
        (name, hold_on)
        for name in CELLS
        if any(word in name for word in options.cells)
        for hold_on in ("training", "validation")
        if f"{name}, {hold_on}" not in runs
    ]
    for name, hold_on in tqdm(todo, unit="run"):
        runs[f"{name}, {hold_on}"] = train(name, hold_on, options)
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(table(runs))


if __name__ == "__main__":
    main()
