"""What a training bears: bad batches, odd arguments, untrusted files, kills, long lives, threads.

    python benchmarks/faults.py                # the long form
    python benchmarks/faults.py --short        # a few cases of each, for CI
    python benchmarks/faults.py --only fuzz    # one section, or several

Each section checks laws of `tests/faults` and returns rows of a table: what was tried, how often,
what came of it, and the seed that repeats it. The table goes to `benchmarks/results/faults.json`,
with the versions of what it ran on. The exit status is 1 if what was found is not what is promised.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the laws are those of the tests

import hypothesis
import keras
import kills
import numpy as np
import records
from hypothesis import HealthCheck, Phase, settings
from tqdm import tqdm

import tf_geco
from tests.catalogue import MODELS
from tests.faults import soak as lives
from tests.faults.determined import digests
from tests.faults.fuzz import cases, outcome

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "faults.json"
FLAT = 0.05  # by how much memory may grow after a quarter of a run


def row(what, tried, found, holds, **more):
    """Returns a line of the table: what was tried, how often, and what came of it.

    `holds` is whether a promise is kept, or `None` where nothing is promised.
    """
    holds = None if holds is None else bool(holds)
    return {"what": what, "tried": tried, "found": found, "holds": holds, **more}


def laws(what, file, words, seed=7):
    """Returns a row on the tests of a file, from another process.

    Args:
        what: The name of the row.
        file: In `tests/faults`.
        words: What the names of the tests hold; none for all, in their long form.
        seed: That of the tests.
    """
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider"]
    command += [f"tests/faults/{file}", *(["-k", words] if words else ["--long"])]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", run.stdout)}
    found = ", ".join(f"{number} {word}" for word, number in counts.items())
    return row(what, sum(counts.values()), found, run.returncode == 0, seed=seed)


def bad_batches(options):
    """Batches that are not finite, odd, empty or of another shape."""
    words = "dense and not replica" if options.short else ""
    return [laws("bad batches: left out, taken or refused", "test_bad_batches.py", words)]


def fuzz(options):
    """Arguments of every public class, and inputs of any shape and type."""
    number = 40 if options.short else 2000
    counts, faults = collections.Counter(), {}
    progress = tqdm(total=number, desc="cases", leave=False)

    @hypothesis.seed(options.seed)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(cases())
    def tried(case):
        progress.update()
        try:
            counts[outcome(*case)] += 1
        except Exception as error:  # a fault is counted, and the fuzz goes on
            counts["faults"] += 1
            faults[f"{case[0]} {case[1]}"] = f"{type(error).__name__}: {error}"[:300]

    tried()
    progress.close()
    found = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    line = row("arguments: trained, or refused by name", counts.total(), found, not faults)
    return [{**line, "seed": options.seed, "faults": faults}]


def files(options):
    """Files that name the code of others, or are cut in half."""
    words = "own_function or half" if options.short else ""
    return [laws("untrusted files: none of their code ran", "test_untrusted.py", words)]


def grown(resident):
    """Returns by how much memory grew after a quarter of a run, in words, and whether it is flat.

    Args:
        resident: MiB of memory, at equal distances of the run.
    """
    warm = resident[len(resident) // 4 :]
    growth = max(warm) / warm[0] - 1.0
    return f"{warm[0]:.0f} MiB, at most {100 * growth:+.1f} %", growth <= FLAT


def watched(desc, rounds, work):
    """Returns the memory after each round of work."""
    memory = []
    for _ in tqdm(range(rounds), desc=desc, leave=False):
        work()
        memory.append(lives.resident())
    return memory


def soak(options):
    """Many steps, many fits and many models in one process."""
    steps, fits, models = (4_000, 8, 4) if options.short else (200_000, 200, 50)
    keras.utils.set_random_seed(options.seed)
    model, data = lives.compiled(steps_per_execution=50), lives.endless()
    traces = lives.counted(model)
    lives.steps(model, steps // 20, data)
    first = len(traces)
    memory = watched("steps", 19, lambda: lives.steps(model, steps // 20, data))
    words, flat = grown(memory)
    fine = flat and len(traces) == first and lives.in_bounds(model)
    taken = int(model.objective.step)
    rows = [row("steps: memory, traces, lambda", taken, words, fine, retraced=len(traces) - first)]
    model = lives.compiled()
    memory = watched("fits", fits, lambda: lives.fit(model))
    words, flat = grown(memory)
    rows.append(row("fits: memory, lambda", fits, words, flat and lives.in_bounds(model)))
    left = []
    memory = watched("models", models, lambda: left.append(lives.dropped(1)))
    each = (memory[-1] - memory[0]) / (models - 1)
    words = f"{sum(left)} left; {each:.1f} MiB each of graphs that TensorFlow keeps"
    rows.append(row("models made and dropped: freed", models, words, not sum(left)))
    return [{**line, "seed": options.seed} for line in rows]


def determinism(options):
    """Two runs with one seed and deterministic operations, each in a process of its own."""
    names = ["dense", "flow"] if options.short else list(MODELS)
    first, second = (digests(options.seed, names) for _ in range(2))
    equal = sum(first[name] == second[name] for name in names)
    words = f"{equal} of {len(names)} models equal"
    line = row("deterministic operations: bit for bit", len(names), words, first == second)
    return [{**line, "seed": options.seed}]


def threads(options):
    """Many threads that call one model, and two that train two."""
    words = "dense" if options.short else ""
    return [laws("threads: what one thread finds", "test_threads.py", words)]


def workers(options):
    """Several workers against one device, and one that is killed."""
    words = "killed" if options.short else ""
    return [laws("workers: one device's figures; killed: resumed", "../test_workers.py", words)]


def killed(options):
    """Trainings that are killed at random moments, and started again until they end."""
    number, rows = 2 if options.short else 50, []
    for kind in kills.KINDS[:1] if options.short else kills.KINDS:
        with tqdm(total=number, desc=kind, leave=False, unit="kill") as progress:
            found = kills.killed(kind, number, options.seed, progress)
        words = f"{found['equal']} of {found['runs']} runs end as one without kills"
        words += (
            f", {found['callbacks equal']} with callbacks; {found['while writing']} while writing"
        )
        # Keras's own repeats an epoch if it is killed between its two files: no promise of ours.
        fine = found["equal"] == found["callbacks equal"] == found["runs"]
        fine = fine if kind == "Backup" else None
        rows.append(row(f"kills, {kind}: bit for bit", number, words, fine, seed=options.seed))
    return rows


PARTS = (bad_batches, fuzz, files, soak, determinism, threads, workers, killed)
SECTIONS = {section.__name__: section for section in PARTS}


def table(rows):
    """Returns the rows as text; NO marks one that breaks a promise, - one without a promise."""
    lines = [f"{'':45}{'tried':>8}  {'seed':>4}  {'holds':5}  found"]
    for line in rows:
        holds = {True: "yes", False: "NO", None: "-"}[line["holds"]]
        start = f"{line['what']:45}{line['tried']:8,}  {line['seed']:4}"
        lines.append(f"{start}  {holds:5}  {line['found']}")
    return "\n".join(lines)


def versions():
    """Returns what this ran on."""
    packages = {"numpy": np, "hypothesis": hypothesis, "tf_geco": tf_geco}
    found = {name: package.__version__ for name, package in packages.items()}
    return {**records.versions(), **found}


def keep(name, rows):
    """Writes a section of the table, and leaves the others as they are."""
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    record = {**record, name: {"rows": rows, "versions": versions()}}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a few cases of each; keeps no record")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--seed", type=int, default=0, help="of fuzz, soak and determinism")
    options = parser.parse_args()
    rows = []
    for name in tqdm(options.only, unit="section"):
        rows += (found := SECTIONS[name](options))
        if not options.short:
            keep(name, found)
    print(table(rows))
    sys.exit(any(line["holds"] is False for line in rows))


if __name__ == "__main__":
    main()
