"""Links of the site: to files of the repository, and from names in the text to the API."""

import ast
import functools
import os
import re
from pathlib import Path

import notebooks

ROOT = Path(__file__).parents[2]
# Files of the repository outside of docs/ that are pages or pictures of the site.
PLACES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{f"examples/{name}.ipynb": f"examples/{name}.md" for name in notebooks.names()},
    **{
        f"benchmarks/results/{path.name}": f"results/{path.name}"
        for path in sorted((ROOT / "benchmarks" / "results").glob("*.png"))
    },
}
LINK = re.compile(r"(?<=\]\()([\w./-]+)(?=[#)])")
NAME = re.compile(
    r"<(a|autoref|h\d|pre|label)\b.*?</\1>|<code>(?:tf_geco\.)?([\w.]+)(?:\([^<]*\))?</code>",
    re.DOTALL,
)


def home(uri: str) -> Path:
    """Returns the file of the repository that a page is made of."""
    source = next((source for source, place in PLACES.items() if place == uri), f"docs/{uri}")
    return Path(source)


def led(markdown: str, uri: str, repository: str) -> str:
    """Returns the Markdown of a page whose links into the repository lead somewhere."""
    folder = home(uri).parent

    def lead(link: re.Match) -> str:
        target = os.path.normpath(folder / link[0])
        place = target.removeprefix("docs/") if target.startswith("docs/") else PLACES.get(target)
        if place is not None:
            return os.path.relpath(place, Path(uri).parent)
        return f"{repository}/blob/main/{target}" if (ROOT / target).exists() else link[0]

    return LINK.sub(lead, markdown)


def public(room: str) -> list[str]:
    """Returns the public names of a room: what it lists in `__all__`, or else its classes."""
    folder = ROOT / "tf_geco" / room
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return [node.name for node in body if isinstance(node, ast.ClassDef)]


def rooms() -> list[str]:
    """Returns the public rooms of the library."""
    paths = {name: ROOT / "tf_geco" / name for name in public("")}
    return [
        name for name, path in paths.items() if path.is_dir() or path.with_suffix(".py").exists()
    ]


@functools.cache
def identifiers() -> dict[str, str]:
    """Returns the full name of what a text may call by less: `GECO`, `evaluation.check`."""
    full = {f"{room}.{name}": f"tf_geco.{room}.{name}" for room in rooms() for name in public(room)}
    short = {path.split(".")[1]: target for path, target in full.items()}
    return full | {name: target for name, target in short.items() if name != name.lower()}


def identifier(name: str) -> str | None:
    """Returns the full name of a name in the text, or of a method such as `GECO.loss`."""
    known, (owner, _, method) = identifiers(), name.rpartition(".")
    return known.get(name) or (f"{known[owner]}.{method}" if owner in known else None)


def linked(html: str) -> str:
    """Returns a page on which the names of the library lead to its API."""

    def link(found: re.Match) -> str:
        target, whole = identifier(found[2] or ""), found[0]
        return f'<autoref optional identifier="{target}">{whole}</autoref>' if target else whole

    return NAME.sub(link, html)
