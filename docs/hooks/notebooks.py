"""Notebooks of examples/ as pages of the site, with the pictures that they were saved with.

A notebook that has not been executed is a page without pictures.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)\n*", re.IGNORECASE)


def names() -> list[str]:
    """Returns the names of all notebooks."""
    return sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))


def cells(name: str) -> list[dict[str, Any]]:
    """Returns the cells of a notebook, none if an example is only a script."""
    file = EXAMPLES / f"{name}.ipynb"
    return json.loads(file.read_text(encoding="utf-8"))["cells"] if file.exists() else []


def title(name: str) -> str:
    """Returns the heading of a notebook, or of a script its name in words."""
    for cell in cells(name):
        return _text(cell["source"]).splitlines()[0].removeprefix("# ")
    return name.replace("_", " ").capitalize()


def colab(name: str, repository: str) -> str:
    """Returns the address at which Colab opens a notebook."""
    owner_and_name = repository.removeprefix("https://github.com/")
    base = "https://colab.research.google.com/github"
    return f"{base}/{owner_and_name}/blob/main/examples/{name}.ipynb"


def pictures(name: str) -> dict[str, bytes]:
    """Returns the PNG pictures of a notebook by the names of their files, in order."""
    outputs = [output for cell in cells(name) for output in cell.get("outputs", [])]
    found = [
        data["image/png"] for data in (o.get("data", {}) for o in outputs) if "image/png" in data
    ]
    return {f"{name}-{n}.png": base64.b64decode(picture) for n, picture in enumerate(found, 1)}


def page(name: str, repository: str) -> str:
    """Returns a notebook as Markdown; its pictures lie beside it, by their names."""
    left = iter(pictures(name))
    parts = [part for cell in cells(name) for part in _parts(cell, left)]
    script = f"{repository}/blob/main/examples/{name}.py"
    links = f"[Open in Colab]({colab(name, repository)}) · [Script]({script})\n\n"
    return BADGE.sub(lambda _: links, "\n\n".join(parts), count=1)


def _parts(cell: dict[str, Any], left: Any) -> list[str]:
    """Returns the parts of a page that a cell makes."""
    source = _text(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    parts = [f"```python\n{source}\n```"]
    for output in cell["outputs"]:
        if "image/png" in output.get("data", {}):
            parts.append(f"![What the cell above draws]({next(left)})")
        elif "text" in output:
            parts.append(f"```text\n{_text(output['text']).rstrip()}\n```")
    return parts


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
