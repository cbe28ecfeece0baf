"""Docstrings as the site shows them: sections that Google's style has no name for.

`Call arguments:` become a table of arguments; `Call returns:`, `Example:` and `Reference:` a
heading and their text.
"""

import re
import textwrap
from typing import Any

import griffe

SECTION = re.compile(r"^(Call returns|Example|Reference):\n((?:    .*\n?|\n)*)", re.MULTILINE)


def readable(docstring: str) -> str:
    """Returns a docstring whose sections all have a form that the site knows."""
    text = docstring.replace("Call arguments:\n", "Args: Call arguments:\n")
    return SECTION.sub(_heading, text)


def _heading(section: re.Match) -> str:
    name, body = section.groups()
    parts = textwrap.dedent(body).split("\n\n")
    text = "\n\n".join(_session(part) if part.startswith(">>>") else part for part in parts)
    return f"**{name}:**\n\n{text}"


def _session(lines: str) -> str:
    """Returns a session (>>>) as a block of code."""
    return f"```pycon\n{lines.rstrip()}\n```\n"


class Docstrings(griffe.Extension):
    """Makes each docstring readable before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = readable(obj.docstring.value)
