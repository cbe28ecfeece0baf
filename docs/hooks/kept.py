"""What benchmarks and examples/paper kept, and how it becomes a table."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "benchmarks" / "results", ROOT / "docs" / "paper")


def read(name: str) -> dict[str, Any]:
    """Returns what was kept under a name."""
    file = next(folder / f"{name}.json" for folder in FOLDERS if (folder / f"{name}.json").exists())
    return json.loads(file.read_text(encoding="utf-8"))


def grid(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Returns a table in Markdown."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
