"""The tables of the pages of docs/, made of what benchmarks and examples/paper kept.

Each function of `TABLES` reads one file of `benchmarks/results/` or `docs/paper/` and returns a
table in Markdown. A page asks for it by a line of its own, such as
`[Table: holes](../benchmarks/results/holes.json)`.
"""

import ast
import statistics
import sys
from collections.abc import Callable
from typing import Any

from kept import ROOT, grid, read

sys.path.append(str(ROOT / "benchmarks"))

import frontier
import paper

MET = 1.02  # of the bound, as in the benchmarks
FEASIBLE = 1.05
OTHERS = {"alone": 2, "alone_kl": 1}  # what every tolerance is compared with
KLS = ("alone_kl", "betas_kl")


def spread(scores: list[float]) -> str:
    """Returns the range of scores and their median."""
    if not scores:
        return ""
    return f"{min(scores):.2f} to {max(scores):.2f}, median {statistics.median(scores):.2f}"


def verdicts(cells: list[dict[str, Any]]) -> list[str]:
    """Returns what cells add up to; each has `ratio`, `score`, `reached` and `beaten`."""
    reached = [cell for cell in cells if cell["reached"]]
    met = [cell for cell in reached if cell["ratio"] <= MET]
    others = [cell for cell in cells if not cell["reached"]]
    missed = [cell for cell in others if cell["ratio"] > MET]
    return [
        f"{len(met)} of {len(reached)}",
        spread([cell["score"] for cell in met if cell["score"]]),
        f"{len(others) - len(missed)}",
        f"{sum(cell['beaten'] for cell in missed)} of {len(missed)}",
    ]


VERDICTS = (
    "met, of those that some beta reaches",
    "scores of these",
    "met by no beta",
    "beaten, of those that nothing met",
)


def no_sweep() -> str:
    """Returns what GECO did on each data set and network, and on all."""
    rows = [r for r in frontier.scores(read("no_sweep")["runs"]) if r["kappa"] and r["swept"]]
    cells = [{**row, "reached": bool(row["frontier"])} for row in rows]
    groups = dict.fromkeys(row["group"] for row in sorted(rows, key=lambda row: row["group"]))
    by_group = {
        group.replace("/", ", "): [cell for cell in cells if cell["group"] == group]
        for group in groups
    }
    lines = {**by_group, "all": cells}.items()
    head = ("data, network", "cells", *VERDICTS)
    return grid(head, ([name, len(part), *verdicts(part)] for name, part in lines))


def settings() -> dict[str, tuple[str, bool]]:
    """Returns of each setting of breadth_cells.py its data, and whether it was held out."""
    tree = ast.parse((ROOT / "benchmarks" / "breadth_cells.py").read_text(encoding="utf-8"))
    found: Any = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        if ast.unparse(node.targets[0]) == "SETTINGS"
    )
    calls = {key.value: call for key, call in zip(found.keys, found.values, strict=True)}
    return {
        name: (call.args[0].value, any(option.arg == "held" for option in call.keywords))
        for name, call in calls.items()
    }


def breadth() -> str:
    """Returns what GECO did on the settings held out, and on those it was tuned on."""
    runs = read("breadth")["runs"]
    cells: dict[bool, list] = {True: [], False: []}
    for name, (data, held) in settings().items():
        betas = [run for key, run in runs.items() if key.startswith(f"{name}/beta ")]
        points = [(run["re"], run["kl"]) for run in betas]
        for key in (key for key in runs if key.startswith(f"{name}/geco ")):
            bound = (float(key.split()[-1]) * runs[f"data/{data}"]) ** 2
            cells[held].append(_cell(runs[key], points, bound))
    names = {True: "held out", False: "tuned on"}
    head = ("settings", "cells", *VERDICTS)
    return grid(head, ([names[held], len(part), *verdicts(part)] for held, part in cells.items()))


def _cell(run: dict[str, float], points: list, bound: float) -> dict[str, Any]:
    least = frontier.frontier_kl(points, bound)
    return {
        "ratio": run["re"] / bound,
        "score": run["kl"] / least if least else None,
        "reached": any(error <= bound for error, _ in points),
        "beaten": frontier.beaten(points, run["re"], run["kl"]),
    }


def constraints() -> str:
    """Returns what GECO did under each constraint, and how many fixed weights did as well."""
    runs = read("constraints")["runs"]
    rows = []
    for name in (key.removesuffix(", GECO") for key in runs if key.endswith(", GECO")):
        geco = runs[f"{name}, GECO"]
        fixed = [run for key, run in runs.items() if key.startswith(f"{name}, fixed")]
        reached = [run for run in fixed if max(run["ratio"]) <= FEASIBLE]
        ratios = ", ".join(f"{ratio:.2f}" for ratio in geco["ratio"])
        share = f"{len(reached)} of {len(fixed)}"
        rows.append([name.replace(" + ", " and "), ratios, f"{geco['kl']:.1f}", share])
    return grid(("cell", "1 + C / scale", "KL, nats", "fixed weights that meet it"), rows)


def nll_scale() -> str:
    """Returns how far from what was asked an NLL was, by three scales."""
    rows = []
    for key, run in read("nll_scale")["runs"].items():
        asked, scale = key.split(", ")
        above = f"{min(run['above']):.1f} to {max(run['above']):.1f}"
        kl = f"{statistics.mean(run['kl']):.1f}"
        rows.append([asked, f"{scale}: {run['scale']:.0f}", above, kl, f"{run['lambda']:.2g}"])
    return grid(("asked for", "scale, nats", "above, nats", "KL, nats", "lambda"), rows)


UNSEEN = {
    "dense": "RE, dense",
    "conv": "RE, convolutional",
    "batch_norm": "RE, batch normalisation",
    "recall_floor": "recall of eights",
    "accuracy": "CLA, dense",
}


def unseen() -> str:
    """Returns what tolerances held on training, validation and test data."""
    rows = []
    for key, run in read("unseen")["runs"].items():
        name = UNSEEN[key.split(",")[0]]
        digits = 4 if name.startswith("RE") else 3
        sets = [f"{run[part]:.{digits}f}" for part in ("training", "validation", "test")]
        said = ", and says so" if run["said"] else ""
        cell = [f"{name}, {run['epochs']} epochs", f"{run['tolerance']:g}", key.split(", ")[-1]]
        cost = f"{run['cost']:.{1 if run['cost'] >= 10 else 2}f}"
        rows.append([*cell, *sets, cost, run["verdict"] + said])
    parts = ("training", "validation", "test", "cost, nats", "on test")
    return grid(("cell", "asked", "`hold_on`", *parts), rows)


def holes() -> str:
    """Returns errors and KL of the ELBO and of GECO."""
    rows = []
    for name, run in read("holes")["results"].items():
        errors = [f"{run[part]:.3f}" for part in ("rmse_train", "rmse_test")]
        marginal = f"{run['marginal_kl']:.1f} ± {run['standard_error']:.1f}"
        rows.append([name, *errors, f"{run['average_kl']:.1f}", marginal])
    errors = ["RMS error, training", "RMS error, test"]
    return grid(["", *errors, "average KL, nats", "marginal KL, nats"], rows)


def head_start() -> str:
    """Returns what GECO reached by default, without the head start, and with smaller means."""
    runs = read("head_start")["runs"]
    variants = ("default", "without head start", "means x 0.1")
    rows = []
    for cell, _, seed in (key.split("; ") for key in runs if "; default; " in key):
        found = [runs.get(f"{cell}; {variant}; {seed}") for variant in variants]
        rows.append([f"{cell} ({seed})", *(_start(run) if run else "" for run in found)])
    return grid(("cell", *variants), rows)


def _start(run: dict[str, float]) -> str:
    """Returns RE over what was allowed, and KL, in bold where the tolerance is missed."""
    dead = f", {run['dead']} of 16 units dead" if "dead" in run else ""
    text = f"{run['ratio']:.2f}, {run['kl']:.1f} nats{dead}"
    return text if run["ratio"] <= MET else f"**{text}**"


def fixed_error() -> str:
    """Returns what the same error costs by three objectives."""
    record = read("fixed_error")
    costs = {**record["kl_at_the_error"], "GECO": record["geco"]["kl"]}
    error = f"KL at an error of {record['options']['tolerance']:g}, nats"
    return grid(("objective", error), ([name, f"{kl:.0f}"] for name, kl in costs.items()))


def rotation() -> str:
    """Returns how many predictions a classifier recognises, by step."""
    names = {"agreement": "predictions", "data": "true targets", "wrong angle": "wrong angle"}
    rows = [
        [f"{row['step']:,}", *(f"{100 * row[name]:.1f} %" for name in names)]
        for row in read("rotation")["rows"]
        if row["step"] in (1000, 3000, 10_000)
    ]
    return grid(("step", *names.values()), rows)


def conv_draw() -> str:
    """Returns the time of a step of ConvDRAW over that of others."""
    steps = read("conv_draw")["step"]
    others = ("handwritten TensorFlow", "PyTorch", "PyTorch, channels last")
    rows = [
        [size, *(f"{found['library / other'][other]:.2f}" for other in others)]
        for size, found in steps.items()
    ]
    return grid(("size", *others), rows)


def step_time() -> str:
    """Returns the time of a step over that of a handwritten ELBO step."""
    rows = []
    for case, ratios in read("step_time")["ratio"].items():
        network, steps = case.split(", steps_per_execution=")
        names = "elbo", "geco", "every tolerance"
        rows.append([network, steps, *(f"{ratios[name]:.2f}" for name in names)])
    return grid(("networks", "`steps_per_execution`", "ELBO", "GECO", "GECO, a range"), rows)


def xla() -> str:
    """Returns what XLA does to a step on a CPU, and to the first one."""
    keys = "step, XLA / none", "first step, seconds", "first step by XLA, seconds"
    rows = ([name, *map(found.get, keys)] for name, found in read("xla")["presets"].items())
    return grid(("preset", *keys), rows)


def every_tolerance() -> str:
    """Returns error and KL of one training, and of five trainings of each other kind."""
    rows = []
    for cell, found in read("every_tolerance")["cells"].items():
        for row in found["rows"]:
            others = [f"{row[key]:.{n}f}" if key in row else "" for key, n in OTHERS.items()]
            scores = [f"{row['kl'] / row[key]:.2f}" if key in row else "" for key in KLS]
            own = [f"{row['kappa']:.3g}", f"{row['train']:.2f}", f"{row['kl']:.1f}"]
            rows.append([cell, *own, *others, *scores, f"{row['held_out']:.2f}"])
    head = "cell", "kappa", "RE / kappa^2", "KL", "alone: RE / kappa^2", "alone: KL"
    return grid((*head, "KL over alone", "KL over betas", "held out, calibrated"), rows)


def faults() -> str:
    """Returns what was tried to break the promises, and what was found."""
    rows = [row for section in read("faults").values() for row in section["rows"]]
    words = {True: "yes", False: "NO", None: "no promise"}
    lines = ([r["what"], f"{r['tried']:,}", words[r["holds"]], r["found"]] for r in rows)
    return grid(("what", "tried", "holds", "found"), lines)


TABLES: dict[str, Callable[[], str]] = {
    table.__name__: table
    for table in (
        breadth,
        constraints,
        conv_draw,
        every_tolerance,
        faults,
        fixed_error,
        head_start,
        holes,
        nll_scale,
        no_sweep,
        paper.figure_8,
        paper.quality,
        paper.table_1,
        paper.table_2,
        rotation,
        step_time,
        unseen,
        xla,
    )
}


def versions(name: str) -> str:
    """Returns in words what a benchmark ran on."""
    record = read(name)
    found = record.get("versions") or next(iter(record.values()))["versions"]
    names = {"tensorflow": "TensorFlow", "keras": "Keras", "python": "Python"}
    return ", ".join(f"{words} {found[name]}" for name, words in names.items())
