"""What the site adds to docs/: pages from elsewhere in the repository, tables, cards and links.

Pages are written for readers of the repository, and link to its files as `../examples/theory.py`.
On the site such a link leads to the page of that file, or to the file in the repository.
"""

import re
from typing import Any

import links
import notebooks
import tables
from mkdocs.structure.files import File, Files

TABLE = re.compile(r"^\[Table: (\w+)\]\((\S+/(\w+)\.json)\)$", re.MULTILINE)
EXAMPLE = re.compile(r"^\| \[`(\w+)\.\w+`\]\((\S+)\) \| (.*) \|$", re.MULTILINE)
HEAD = re.compile(r"^\| in `examples/` .*\n\| --- .*\n", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages and pictures that do not lie in docs/."""
    for source, place in links.PLACES.items():
        if not source.endswith(".ipynb"):
            files.append(File.generated(config, place, abs_src_path=str(links.ROOT / source)))
    for name in notebooks.names():
        contents: dict[str, Any] = dict(notebooks.pictures(name))
        contents[f"{name}.md"] = notebooks.page(name, _repository(config))
        for file, content in contents.items():
            files.append(File.generated(config, f"examples/{file}", content=content))
    for room in links.rooms():
        content = f"# {room.capitalize()}\n\n::: tf_geco.{room}\n"
        files.append(File.generated(config, f"api/{room}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Puts tables and cards in their places, and leads links to where they belong."""
    uri = page.file.src_uri
    if uri == "index.md":
        page.meta["hide"] = ["navigation"]
    markdown = TABLE.sub(_table, markdown)
    if uri == "gallery.md":
        markdown = HEAD.sub('<div class="grid cards" markdown>\n\n', markdown)
        markdown = EXAMPLE.sub(_card, markdown) + "\n</div>\n"
    return links.led(markdown, uri, _repository(config))


def on_page_content(html: str, **_: Any) -> str:
    """Leads the names of the library to its API."""
    return links.linked(html)


def _repository(config: Any) -> str:
    return config.repo_url.rstrip("/")


def _table(marker: re.Match) -> str:
    """Returns a table, and what it was measured on."""
    name, path, record = marker.groups()
    return f"{tables.TABLES[name]()}\n\n[`{record}.json`]({path}): {tables.versions(record)}."


def _card(row: re.Match) -> str:
    """Returns the card of an example: its last picture, its name, and what it shows."""
    name, link, text = row.groups()
    pictures = [f"examples/{file}" for file in notebooks.pictures(name)]
    shown = [f"[![What {name} draws]({picture})]({link})" for picture in pictures[-1:]]
    parts = [*shown, f"**[{notebooks.title(name)}]({link})**", text[:1].upper() + text[1:]]
    return "-   " + "\n\n    ".join(parts) + "\n"
