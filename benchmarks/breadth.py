"""Other people's cells: GECO's defaults against constant betas, on networks that are not ours.

    python benchmarks/breadth.py                  # all settings of breadth_cells.py: hours
    python benchmarks/breadth.py "keras.io, 2 latents" sines

As `no_sweep.py`, on the settings of `breadth_cells.py`, which were written down before the rule was
tuned; half of them, the held ones, were not looked at while tuning. Betas have the same networks,
initial weights and steps. All figures are measured after training, on the training data, as the
model is used (inference mode). Runs that are finished are kept in `results/breadth.json`.
"""

import argparse
import itertools
import json
import os
import platform
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from breadth_cells import DATA, SETTINGS
from frontier import beaten, frontier_kl, outcome
from tqdm import tqdm

import tf_geco

RESULTS = Path(__file__).parent / "results" / "breadth.json"
RATIO = 1.56  # of neighbouring betas around each tolerance
EPOCHS, LAST = 20, 2000  # epochs of a training; examples that are measured after it


def posterior(setting):
    """Returns the posterior of a setting."""
    if setting.posterior == "flow":
        return tf_geco.posteriors.RealNVP(setting.latents, hidden=64)
    return tf_geco.posteriors.DiagonalNormal(setting.latents)


def pipeline(data, setting):
    """Returns batches without end."""
    batches = tf.data.Dataset.from_tensor_slices(data).shuffle(len(data), seed=0).repeat()
    return tf_geco.datasets.without_autotuner(batches.batch(setting.batch))


def train(setting, data, objective, seed=0):
    """Returns what a model measures after its training, and what was told of it."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(setting.policy)
    networks = setting.networks(data.shape[1:], setting.latents)
    model = tf_geco.VAE(*networks, posterior(setting), objective)
    length = setting.steps // EPOCHS
    model.compile(setting.optimizer(setting.steps), steps_per_execution=length)
    callbacks = [tf_geco.GECOCallback()]
    if setting.plateau:
        callbacks += [keras.callbacks.ReduceLROnPlateau("kl", 0.3, 4, mode="min", min_lr=1e-4)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = {"steps_per_epoch": length, "epochs": EPOCHS, "verbose": 0}
        history = model.fit(pipeline(data, setting), callbacks=callbacks, **options).history
    told = [str(w.message) for w in caught if "looks out of reach" in str(w.message)]
    logs = model.evaluate(data[:LAST], batch_size=500, verbose=0, return_dict=True)
    keras.config.set_dtype_policy("float32")
    row = {"re": logs["reconstruction_error"] ** 2, "kl": logs["kl"]}
    row |= {"trained_re": history["reconstruction_error"][-1] ** 2, "trained_kl": history["kl"][-1]}
    if "lambda" in history:
        row |= {"lambda": history["lambda"][-1], "peak": max(history["lambda"])}
    row = {name: float(f"{value:.5g}") for name, value in row.items()}
    return row | ({"told": True} if told else {})


class Runs:
    """The finished runs, by name; what is asked for and missing is trained."""

    def __init__(self, path):
        self.path = path
        self.finished = json.loads(path.read_text())["runs"] if path.exists() else {}
        self.progress = tqdm(unit="run")
        self.data = {}

    def get(self, name, run, make):
        """Returns a run of a setting; `make` makes its objective."""
        key = f"{name}/{run}"
        if key not in self.finished:
            self.progress.set_description(key)
            setting = SETTINGS[name]
            if setting.data not in self.data:
                self.data[setting.data] = DATA[setting.data]()
            self.finished[key] = train(setting, self.data[setting.data], make())
            self.progress.update()
            self.save()
        return self.finished[key]

    def spread(self, name):
        """Returns the error of the mean example of a setting's data."""
        key = f"data/{SETTINGS[name].data}"
        if key not in self.finished:
            data = DATA[SETTINGS[name].data]()
            self.finished[key] = float(np.sqrt(np.mean((data - data.mean(0)) ** 2)))
        return self.finished[key]

    def beta(self, name, power):
        """Returns the run of a constant beta, in units of the tightest tolerance's."""
        sigma = min(SETTINGS[name].shares) * self.spread(name)
        return self.get(name, f"beta {power}", lambda: tf_geco.ELBO(sigma=sigma, beta=RATIO**power))

    def geco(self, name, share):
        """Returns the run of GECO with its defaults."""
        kappa = share * self.spread(name)
        error = tf_geco.constraints.ReconstructionError
        return self.get(name, f"geco {share}", lambda: tf_geco.GECO([error(kappa)]))

    def save(self):
        """Writes what is finished; another process may have finished other settings."""
        if self.path.exists():
            self.finished = json.loads(self.path.read_text())["runs"] | self.finished
        versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
        versions["python"] = platform.python_version()
        lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(self.finished.items())]
        body = ",\n".join(lines)
        self.path.write_text(f'{{"versions": {json.dumps(versions)},\n"runs": {{\n{body}\n}}}}\n')


def sweep(runs, name):
    """Trains constant betas until each tolerance lies between two neighbours, or is out of reach.

    Every fourth power first; then the middle of those that enclose a tolerance.
    """
    bounds = [(share * runs.spread(name)) ** 2 for share in SETTINGS[name].shares]
    known = {power: runs.beta(name, power)["re"] for power in (0, 4)}
    while max(known) < 12 and known[max(known)] < max(bounds):
        known[max(known) + 4] = runs.beta(name, max(known) + 4)["re"]
    falls = True
    while min(known) > -12 and known[min(known)] > min(bounds) and falls:
        least = min(known.values())
        known[min(known) - 4] = runs.beta(name, min(known) - 4)["re"]
        falls = known[min(known)] < 0.96 * least
    for width in (4, 2):
        tried = sorted(known)
        for low, high in itertools.pairwise(tried):
            if high - low == width and any(known[low] < b < known[high] for b in bounds):
                middle = (low + high) // 2
                known[middle] = runs.beta(name, middle)["re"]


def rows(runs, names):
    """Returns a row for each cell that was run."""
    table = []
    for name in names:
        for share in SETTINGS[name].shares:
            run = runs.finished.get(f"{name}/geco {share}")
            keys = [key for key in runs.finished if key.startswith(f"{name}/beta")]
            points = [(runs.finished[key]["re"], runs.finished[key]["kl"]) for key in keys]
            if run and points:
                table.append(_row(name, share, run, points, (share * runs.spread(name)) ** 2))
    return table


def _row(name, share, run, points, bound):
    least = frontier_kl(points, bound)
    reached = any(re <= bound for re, _ in points)
    row = {"setting": name, "share": share, "ratio": run["re"] / bound, "kl": run["kl"]}
    row |= {"reachable": reached, "score": run["kl"] / least if least else None}
    row |= {"trained": run["trained_re"] / bound, "held": SETTINGS[name].held}
    row |= {"beaten": beaten(points, run["re"], run["kl"]), "told": "told" in run}
    return row | {"lambda": run["lambda"], "peak": run["peak"]}


def table(cells):
    """Returns all cells as text, and what they add up to."""
    head = f"{'setting':26}{'share':>6}{'RE/k^2':>8}{'trained':>8}{'KL':>8}{'score':>7}"
    lines = [head + f"{'lambda':>9}{'peak':>9}"]
    for row in cells:
        score = f"{row['score']:7.3f}" if row["score"] else f"{'-':>7}"
        lines.append(
            f"{row['setting']:26}{row['share']:6}{row['ratio']:8.3f}{row['trained']:8.3f}"
            f"{row['kl']:8.1f}{score}{row['lambda']:9.3g}{row['peak']:9.3g}"
            f"  {outcome(row, row['reachable'])}"
        )
    for held in (False, True):
        lines.append(f"{'held out' if held else 'tuned on'}: {summary(cells, held)}")
    return "\n".join(lines)


def summary(cells, held):
    """Returns how many tolerances were met, and how the scores are spread."""
    reachable = [row for row in cells if row["held"] == held and row["reachable"]]
    met = [row for row in reachable if row["ratio"] <= 1.02]
    scores = [row["score"] for row in met if row["score"]]
    spread = f"{np.median(scores):.2f}, worst {max(scores):.2f}" if scores else "none"
    return f"{len(met)} of {len(reachable)} reachable tolerances met, median score {spread}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", default=list(SETTINGS))
    parser.add_argument("--only", nargs="*", default=["geco", "betas"])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    runs = Runs(options.results)
    for name in options.settings:
        if "geco" in options.only:
            for share in SETTINGS[name].shares:
                runs.geco(name, share)
        if "betas" in options.only:
            sweep(runs, name)
    runs.progress.close()
    print(table(rows(runs, options.settings)))


if __name__ == "__main__":
    main()
