"""README and docs: code blocks run, tables are those of the results, links go where they should."""

import importlib
import inspect
import re
import sys
import types
from pathlib import Path

import jupytext
import numpy as np
import pytest
import tensorflow as tf
from matplotlib import pyplot

import tf_geco

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "docs" / "hooks"))

import links  # noqa: E402
import notebooks  # noqa: E402
import tables  # noqa: E402

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
TEXTS = {p.name: p.read_text("utf-8") for p in [ROOT / "README.md", *ROOT.glob("docs/*.md")]}
MARKERS = set(re.findall(r"^\[Table: (\w+)", "\n".join(TEXTS.values()), re.MULTILINE))
REPOSITORY = re.search(r"^repo_url: (\S+?)/?$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M)[1]


@pytest.mark.parametrize("name", sorted(name for name in TEXTS if BLOCK.search(TEXTS[name])))
def test_code_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    contexts = rng.random((4, 28, 28, 2), "float32")
    pairs = {"context": contexts, "target": rng.random((4, 28, 28, 1), "float32")}
    given = {
        "sequences": rng.random((64, 64, 1), "float32"),
        **{name: rng.random((8, 28, 28, 1), "float32") for name in ("images", "validation", "new")},
        "contexts": contexts,
        "pairs": tf.data.Dataset.from_tensors(pairs),
    }
    for block in BLOCK.finditer(TEXTS[name]):
        code = re.sub(r"epochs=\d+", "epochs=1, steps_per_epoch=2", block[1])
        above = "\n" * TEXTS[name].count("\n", 0, block.start(1))  # lines as in the page
        exec(compile(above + code, name, "exec"), given)
    pyplot.close("all")


def test_each_table_has_a_place():
    assert set(tables.TABLES) == MARKERS


@pytest.mark.parametrize("name", sorted(tables.TABLES))
def test_a_table_is_whole(name):
    head, rule, *rows = (line.split(" | ") for line in tables.TABLES[name]().splitlines())
    assert rows
    assert {len(row) for row in [head, rule, *rows]} == {len(head)}
    assert "nan" not in str(rows)
    assert re.fullmatch(r"TensorFlow [\d.]+, Keras [\d.]+, Python [\d.]+", tables.versions(name))


def test_the_readme_says_what_the_tables_say():
    claims = re.sub(r"\s+", " ", TEXTS["README.md"])
    everything = tables.no_sweep().splitlines()[-1].strip("| ").split(" | ")
    met, scores, by_no_beta, beaten = everything[2:]
    low, high, median = re.findall(r"[\d.]+", scores)
    assert f"GECO met {met} tolerances that some beta reached" in claims
    assert f"with {low} to {high} times the nats of the best beta (median {median})" in claims
    assert (by_no_beta, beaten) == ("3", "2 of 38")
    held = next(row for row in tables.breadth().splitlines() if "held out" in row).split(" | ")
    assert f"There it met {held[2]} tolerances held out, at a median of {held[3][-4:]}" in claims


def test_verdicts_count_each_cell_once():
    cell = {"ratio": 1.0, "score": 0.5, "reached": True, "beaten": False}
    missed = {**cell, "ratio": 1.5}
    out_of_reach = {"ratio": 1.5, "score": None, "reached": False, "beaten": True}
    by_no_beta = {**out_of_reach, "ratio": 1.0, "beaten": False}
    found = tables.verdicts([cell, missed, out_of_reach, by_no_beta])
    assert found == ["1 of 2", "0.50 to 0.50, median 0.50", "1", "1 of 1"]


@pytest.mark.parametrize("name", notebooks.names())
def test_a_notebook_opens_in_colab_from_the_one_address(name):
    for kind in ("ipynb", "py"):
        cells = jupytext.read(ROOT / "examples" / f"{name}.{kind}").cells
        badge = notebooks.BADGE.search(cells[0].source)
        assert badge[1] == notebooks.colab(name, REPOSITORY)


@pytest.mark.parametrize("name", notebooks.names())
def test_a_page_of_a_notebook_shows_all_its_pictures(name):
    page, pictures = notebooks.page(name, REPOSITORY), notebooks.pictures(name)
    assert re.findall(r"!\[[^\]]*\]\((\S+\.png)\)", page) == list(pictures)
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert f"[Open in Colab]({notebooks.colab(name, REPOSITORY)})" in page


def test_links_lead_to_pages_of_the_site_or_to_the_repository():
    def led(link, uri="theory.md"):
        return links.led(f"[x]({link})", uri, "https://host/o/r")[4:-1]

    assert led("../examples/theory.ipynb") == "examples/theory.md"
    assert led("../examples/theory.py") == "https://host/o/r/blob/main/examples/theory.py"
    assert led("../CONTRIBUTING.md#measuring") == "contributing.md#measuring"
    assert led("docs/theory.md", "index.md") == "theory.md"
    assert led("no_such_file.md") == "no_such_file.md"


def test_names_lead_to_the_api_outside_of_code_and_links():
    assert 'identifier="tf_geco.objectives.GECO"' in links.linked("<code>tf_geco.GECO</code>")
    assert 'identifier="tf_geco.evaluation.check"' in links.linked("<code>evaluation.check</code>")
    for html in ("<code>check</code>", "<pre><code>GECO</code></pre>", "<a><code>GECO</code></a>"):
        assert links.linked(html) == html


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_reads_alike_in_the_repository_and_on_the_site(name):
    """The site's Markdown ends a list at a paragraph within it, and keeps `\\|` in code."""
    text = re.sub(r"^```.*?^```", "", TEXTS[name], flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"\n\n {1,3}\S.*", text)
    assert not re.findall(r"`[^`\n]*\\\|[^`\n]*`", text)


def test_the_site_has_every_public_room():
    rooms = {name for name in tf_geco.__all__ if inspect.ismodule(getattr(tf_geco, name))}
    assert set(links.rooms()) == rooms
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert all(f"api/{room}.md" in nav for room in links.rooms())


def test_sections_of_docstrings_have_a_form_that_the_site_knows(monkeypatch):
    # griffe is there only where the site is built.
    griffe = types.SimpleNamespace(Extension=object, Object=object)
    monkeypatch.setitem(sys.modules, "griffe", griffe)
    docstrings = importlib.import_module("docstrings")
    text = "Call arguments:\n    x: Data.\n\nExample:\n    >>> 1\n    1\n\nReference:\n    A.\n"
    assert docstrings.readable(text) == (
        "Args: Call arguments:\n    x: Data.\n\n**Example:**\n\n```pycon\n>>> 1\n1\n```\n\n\n"
        "**Reference:**\n\nA.\n"
    )
