"""The trainings that figures share: each is done once, kept, and taken up where it was killed."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from presets import Preset, Training

import tf_geco
from tf_geco import constraints

EPOCHS = 20  # of a training: one of them is lost if it is killed
NEEDS_FILES = ("cifar10", "celeb_a")  # data sets of TensorFlow Datasets


class Run(NamedTuple):
    """A training: a data set, a network (`"conv_draw"`, ...), an objective (`"RE 0.1"`, ...)."""

    data: str
    network: str
    objective: str

    @property
    def key(self) -> str:
        """The name of its files."""
        return "-".join(self).replace(" ", "-")


@dataclass(frozen=True)
class Paper:
    """What all results need.

    Attributes:
        preset: Their size.
        folder: Where they are kept, and the trained models.
        data_dir: Folder of TensorFlow Datasets, by default its own.
        download: Whether it may download.
        seed: Of weights, data and noise.
    """

    preset: Preset
    folder: Path
    data_dir: str | None = None
    download: bool = False
    seed: int = 0

    def training(self, run: Run) -> Training:
        """Returns how long a network is trained, and how large it is."""
        return getattr(self.preset, run.network)


def load(paper: Paper, data: str, batch: int, split: str = "train", size: int | None = None) -> Any:
    """Returns batches `(x, labels)` of a data set of the paper."""
    where = {"data_dir": paper.data_dir, "download": paper.download}
    if data in NEEDS_FILES:
        return tf_geco.datasets.load(data, batch, split, seed=paper.seed, **where)
    if data == "mnist":
        where = where if paper.preset.source == "mnist" else {}
        return tf_geco.datasets.load(paper.preset.source, batch, split, seed=paper.seed, **where)
    where = {"source": paper.preset.source, **where, "size": size or paper.preset.size}
    return tf_geco.datasets.load(data, batch, split, seed=paper.seed, **where)


def available(paper: Paper, names: Sequence[str]) -> list[str]:
    """Returns the data sets that are there, and says which are not."""
    found = []
    for name in names:
        try:
            load(paper, name, 1, "test")
            found.append(name)
        except (RuntimeError, ImportError) as error:
            print(f"without {name}: {str(error).splitlines()[0][:100]}")
    return found


def examples(
    paper: Paper, data: str, number: int, split: str = "train", size: int | None = None
) -> Any:
    """Returns so many examples of a data set, of a given size, as arrays: x, and their labels."""
    batches, found = load(paper, data, min(number, 500), split, size), []
    for batch in batches.as_numpy_iterator():
        found.append(batch)
        if len(found) * len(keras.tree.flatten(batch)[0]) >= number:
            break
    join = lambda *parts: np.concatenate(parts)[:number]  # noqa: E731
    return keras.tree.map_structure(join, *found)


def shapes(paper: Paper, data: str) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Returns the shape of an image, and that of its context if it has one."""
    x = load(paper, data, 1, "test").element_spec[0]
    if isinstance(x, dict):
        return tuple(x["target"].shape[1:]), tuple(x["context"].shape[1:])
    return tuple(x.shape[1:]), None


def objective(paper: Paper, run: Run) -> tf_geco.objectives.Objective:
    """Returns the objective of a run by its name."""
    if run.objective == "ELBO":
        return tf_geco.ELBO("optimal")
    if run.objective == "annealed beta":
        schedule = keras.optimizers.schedules.PolynomialDecay
        return tf_geco.ELBO("optimal", schedule(2.0, paper.training(run).steps // 3, 0.7))
    kind, tolerance = run.objective.split()
    if kind == "CLA":
        return tf_geco.GECO(
            [constraints.ClassificationAccuracy(float(tolerance), classifier(paper, "mnist"))]
        )
    kinds = {
        "RE": constraints.ReconstructionError,
        "FRE": constraints.FeatureReconstructionError,
        "pNCC": constraints.PatchNCC,
    }
    return tf_geco.GECO([kinds[kind](float(tolerance))])


def build(paper: Paper, run: Run) -> keras.Model:
    """Returns the model of a run, untrained."""
    keras.utils.set_random_seed(paper.seed)
    image, context = shapes(paper, run.data)
    sizes = dict(paper.training(run).sizes)
    if run.network == "conv_draw":
        sizes |= {} if context is None else {"context_shape": context}
        preset = sizes.pop("preset")
        return tf_geco.ConvDRAW.from_preset(preset, image, objective(paper, run), **sizes)
    latents, flow = sizes.pop("latents"), sizes.pop("flow")
    make = tf_geco.models.conv_networks if "filters" in sizes else tf_geco.models.dense_networks
    posterior = tf_geco.posteriors.RealNVP(latents, hidden=flow)
    return tf_geco.VAE(*make(image, latents, **sizes), posterior, objective(paper, run))


def trained(paper: Paper, runs: Sequence[Run]) -> dict[Run, keras.Model]:
    """Returns the trained models of runs; those that are missing are trained."""
    train_missing(paper, runs)
    return {run: keras.models.load_model(path(paper, run, "keras")) for run in runs}


def train_missing(paper: Paper, runs: Sequence[Run]) -> None:
    """Trains the models of runs that are missing."""
    left = [run for run in runs if record(paper, run) is None]
    if left:
        bar = keras.utils.Progbar(EPOCHS * len(left), unit_name="epoch")
        for run in left:
            print(f"\n{run.objective} on {run.data} with {run.network}")
            train(paper, run, bar)


def train(paper: Paper, run: Run, bar: Any) -> None:
    """Trains a model and keeps it, with how it got there."""
    how, model, start = paper.training(run), build(paper, run), time.perf_counter()
    length = max(1, how.steps // EPOCHS)
    points = max(1, how.steps // 200)  # steps between two of the trajectory
    model.compile(keras.optimizers.Adam(how.learning_rate), steps_per_execution=points)
    watch = tf_geco.GECOCallback(every=points)
    model.fit(
        load(paper, run.data, how.batch).repeat(),
        steps_per_epoch=length,
        epochs=max(1, how.steps // length),
        shuffle=False,
        verbose=0,
        callbacks=[
            tf_geco.callbacks.Backup(path(paper, run, "weights.h5")),
            watch,
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: bar.add(1)),
        ],
    )
    model.save(path(paper, run, "keras"))
    trajectory = {key: np.asarray(v).tolist() for key, v in watch.trajectory.arrays().items()}
    kept = {"settings": settings(paper, run), "seconds": time.perf_counter() - start}
    Path(path(paper, run, "json")).write_text(json.dumps({**kept, "trajectory": trajectory}))


def record(paper: Paper, run: Run) -> dict[str, Any] | None:
    """Returns how a model got where it is, `None` if it was not trained with these settings."""
    file = Path(path(paper, run, "json"))
    kept = json.loads(file.read_text()) if file.exists() else {"settings": None}
    return kept if kept["settings"] == settings(paper, run) else None


def settings(paper: Paper, run: Run) -> dict[str, Any]:
    """Returns what a run depends on, as JSON has it."""
    preset = paper.preset
    found = {**asdict(paper.training(run)), "seed": paper.seed, "source": preset.source}
    return json.loads(json.dumps({**found, "size": preset.size}))


def path(paper: Paper, run: Run, ending: str) -> str:
    """Returns the file of a run."""
    folder = paper.folder / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{run.key}.{ending}")


def classifier(paper: Paper, data: str) -> keras.Model:
    """Returns a frozen classifier of digits, or of photographs; trained once and kept."""
    file = paper.folder / "models" / f"classifier-{data}.keras"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.set_random_seed(paper.seed)
        model = tf_geco.models.classifier() if data == "mnist" else tf_geco.models.resnet()
        batches = load(paper, data, 64)
        model.fit(batches, epochs=paper.preset.classifier, shuffle=False, verbose=0)
        model.save(file)
    return keras.models.load_model(file)


def measured(paper: Paper, model: keras.Model, x: Any, samples: int) -> dict[str, float]:
    """Returns error, average and marginal KL of a model, the last by so many samples."""
    seed, evaluation = {"seed": paper.seed}, tf_geco.evaluation
    marginal = evaluation.marginal_kl(model, x, samples, **seed)
    return {
        "error": evaluation.optimal_sigma(model, x, **seed),
        "average kl": evaluation.average_kl(model, x, **seed).value,
        "marginal kl": marginal.value,
        "standard error": marginal.standard_error,
    }


def at_the_error_of(paper: Paper, run: Run) -> Run:
    """Returns the run that asks GECO for the error at which a run by its ELBO ended."""
    model = trained(paper, [run])[run]
    x, _ = examples(paper, run.data, paper.preset.measured)
    error = tf_geco.evaluation.optimal_sigma(model, x, seed=paper.seed)
    return run._replace(objective=f"RE {error:.3g}")
