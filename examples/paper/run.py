"""The figures and tables of "Taming VAEs" (Rezende and Viola, 2018), by one command.

    python examples/paper/run.py                                   # all, at laptop size
    python examples/paper/run.py --only figure_4 table_2
    python examples/paper/run.py --preset paper --download         # on an accelerator

Each result is a PNG, if it is a figure, and a JSON with seed, versions and time. Results and
trainings that are finished are kept: a run that was killed goes on where it was. CIFAR-10 and
CelebA come from TensorFlow Datasets (`--data-dir`, `--download`); what is not there is left out,
and said.
"""

import argparse
import functools
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import figure_1
import figure_2
import figure_3
import figure_4
import figure_5
import figure_7
import figure_8
import quality
import samples
import table_1
import table_2
from presets import PRESETS
from training import NEEDS_FILES, Paper, available

from tf_geco.versions import versions

RESULTS = {
    "figure_1": figure_1.make,
    "figure_2": figure_2.make,
    "figure_3": figure_3.make,
    "figure_4": figure_4.make,
    "figure_5": figure_5.make,
    **{name: functools.partial(samples.make, name=name) for name in samples.BLOCKS},
    "figure_7": figure_7.make,
    "figure_8": figure_8.make,
    "table_1": table_1.make,
    "table_2": table_2.make,
    "quality": quality.make,
}


def produce(paper: Paper, name: str, about: dict) -> dict:
    """Makes a result and writes its files; returns what is written."""
    start = time.perf_counter()
    figure, record = RESULTS[name](paper)
    if figure is not None:
        figure.savefig(paper.folder / f"{name}.png", dpi=110)
    seconds = round(time.perf_counter() - start, 1)
    kept = {**about, "seconds": seconds, "result": record}
    (paper.folder / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    return kept


def description(paper: Paper, preset: str) -> dict:
    """Returns what a result depends on, as JSON has it."""
    data = available(paper, NEEDS_FILES)
    sizes = {"preset": preset, "sizes": asdict(paper.preset), "data": data, "seed": paper.seed}
    return json.loads(json.dumps({**sizes, "versions": versions()}))


def finished(paper: Paper, name: str, about: dict) -> bool:
    """Returns whether a result is there, made with the same settings, data and versions."""
    file = paper.folder / f"{name}.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    return {**kept, **about} == kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=RESULTS, default=list(RESULTS))
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--outputs", type=Path, help="by default outputs/paper/PRESET")
    parser.add_argument("--data-dir", help="folder of TensorFlow Datasets")
    parser.add_argument("--download", action="store_true", help="what is missing there")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = options.outputs or Path("outputs/paper") / options.preset
    folder.mkdir(parents=True, exist_ok=True)
    preset = PRESETS[options.preset]
    paper = Paper(preset, folder, options.data_dir, options.download, options.seed)
    about = description(paper, options.preset)
    for number, name in enumerate(options.only, 1):
        print(f"{name} ({number} of {len(options.only)})", flush=True)
        if not finished(paper, name, about):
            print(f"{name}: {produce(paper, name, about)['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
