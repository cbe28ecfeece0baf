"""The tables of docs/paper.md, made of what examples/paper kept in docs/paper/."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "paper"


def read(name: str) -> dict[str, Any]:
    """Returns what was kept of a result of the paper."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def grid(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Returns a table in Markdown."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def table_1() -> str:
    """Returns the constraints by the names of the paper, with the defaults of their classes."""
    rows = []
    for short, found in read("table_1")["result"].items():
        arguments = ", ".join(f"{name}: {value}" for name, value in found["arguments"].items())
        formula = found["C"].replace("|", "\\|")
        rows.append([short, f"`constraints.{found['class']}`", f"`{formula}`", arguments])
    return grid(("paper", "class", "C, at most 0", "arguments and defaults"), rows)


def figure_8() -> str:
    """Returns what each model of seven digits spends and leaves uncovered."""
    rows = [
        [
            name,
            f"{found['error']:.3f}",
            f"{found['average kl']:.2f}",
            f"{found['marginal kl']:.2f} ± {found['standard error']:.2f}",
        ]
        for name, found in read("figure_8")["result"].items()
    ]
    return grid(("objective", "RMS error", "average KL, nats", "marginal KL, nats"), rows)


def table_2() -> str:
    """Returns the marginal KL of VAE + NVP by objective."""
    rows = [
        [
            data,
            name,
            f"{found['error']:.3f}",
            f"{found['average kl']:.1f}",
            f"{found['marginal kl']:.1f} ± {found['standard error']:.1f}",
        ]
        for data, models in read("table_2")["result"].items()
        for name, found in models.items()
    ]
    return grid(("data", "objective", "RMS error", "average KL, nats", "marginal KL, nats"), rows)


def quality() -> str:
    """Returns how good samples are."""
    rows = [
        [
            data,
            name,
            f"{found['confidence']:.3f}",
            f"{found['evenness']:.3f}",
            f"{found['Frechet distance']:.1f}",
        ]
        for data, models in read("quality")["result"].items()
        for name, found in models.items()
    ]
    return grid(("data", "samples of", "confidence", "evenness", "Frechet distance"), rows)
