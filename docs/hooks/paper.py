"""The tables of docs/paper.md, made of what examples/paper kept in docs/paper/."""

from collections.abc import Callable
from typing import Any

from kept import grid, read

MEASURED = ("RMS error", "average KL, nats", "marginal KL, nats")


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
    found = read("figure_8")["result"].items()
    return grid(("objective", *MEASURED), ([name, *measured(row, 2)] for name, row in found))


def measured(row: dict[str, float], digits: int) -> list[str]:
    """Returns error, average and marginal KL of a model, in nats to so many digits."""
    average, marginal, error = (
        f"{row[key]:.{digits}f}" for key in ("average kl", "marginal kl", "standard error")
    )
    return [f"{row['error']:.3f}", average, f"{marginal} ± {error}"]


def table_2() -> str:
    """Returns the marginal KL of VAE + NVP by objective."""
    rows = by_data("table_2", lambda row: measured(row, 1))
    return grid(("data", "objective", *MEASURED), rows)


def quality() -> str:
    """Returns how good samples are."""
    digits = {"confidence": 3, "evenness": 3, "Frechet distance": 1}
    rows = by_data("quality", lambda row: [f"{row[key]:.{n}f}" for key, n in digits.items()])
    return grid(("data", "samples of", *digits), rows)


def by_data(name: str, cells: Callable[[dict], list[str]]) -> list[list[Any]]:
    """Returns a row for each model on each data set of a result."""
    found = read(name)["result"].items()
    return [[data, key, *cells(row)] for data, models in found for key, row in models.items()]
