"""The shape of the package: floors and public names."""

import ast
import configparser
import importlib
import importlib.metadata
import inspect
import pkgutil
from pathlib import Path

import keras
import pytest
import tensorflow as tf

import tf_geco

ROOT = Path(__file__).parent.parent
FLOORS = [
    {"checks", "compiled", "versions"},
    {"configs", "dtypes", "schedules", "strategies"},
    {"constraints", "multipliers", "distributions", "networks", "theory", "plotting", "datasets"},
    {"posteriors", "objectives"},
    {"training"},
    {"models"},
    {"callbacks", "evaluation"},
]
# These know nothing of the rest of the library.
ALONE = {"theory", "plotting", "datasets"}


def room(path):
    """Returns the module or package right below tf_geco that a file belongs to."""
    return path.relative_to(ROOT / "tf_geco").parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "tf_geco" and len(parts) > 1:
                yield parts[1]


def modules():
    return [p for p in sorted((ROOT / "tf_geco").rglob("*.py")) if p.parent.name != "tf_geco"] + [
        p for p in sorted((ROOT / "tf_geco").glob("*.py")) if p.name != "__init__.py"
    ]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_import_from_lower_floors_only(path):
    floor = {name: level for level, names in enumerate(FLOORS) for name in names}
    here = room(path)
    for other in set(imported_rooms(path)) - {here}:
        assert here not in ALONE or other == "checks", f"{here} imports {other}"
        below = floor[other] < floor[here]
        assert below, f"{here} imports {other}, which is not on a lower floor"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_use_public_keras_and_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert "keras.src" not in text
    assert "pickle" not in text
    assert len(text.splitlines()) <= 260


def packages():
    names = ["tf_geco"]
    for module in pkgutil.walk_packages(tf_geco.__path__, "tf_geco."):
        if module.ispkg:
            names.append(module.name)
    return names


# `models` is handled by the change that gives its modules folders.
@pytest.mark.parametrize("name", [name for name in packages() if name != "tf_geco.models"])
def test_no_public_name_hides_a_module(name):
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(package.__path__):
        public = module.name in package.__all__
        assert not public or inspect.ismodule(getattr(package, module.name)), module.name


@pytest.mark.parametrize("name", packages())
def test_public_names_are_listed_documented(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        assert getattr(module, public).__doc__, f"{name}.{public} has no docstring"


def bounds(lines):
    """Returns the version of each requirement, by name: `a >= 1.2` and `a == 1.2.*` are alike."""
    parts = [line.partition("#")[0].split() for line in lines]
    return {p[0]: p[2].removesuffix(".*") for p in parts if len(p) == 3}


def test_the_oldest_set_is_that_of_the_lower_bounds():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    declared = bounds(setup["options"]["install_requires"].splitlines())
    tested = bounds((ROOT / ".ci" / "oldest.txt").read_text().splitlines())
    # Keras 2 under its other name must be of TensorFlow's own minor version.
    assert tested.pop("tf_keras") == tested["tensorflow"]
    assert tested == declared


def test_versions_are_those_of_what_is_installed(capsys):
    tf_geco.show_versions()
    printed = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    printed = {name: value.strip() for name, value in printed.items()}
    assert printed["tf_geco"] == tf_geco.__version__ == importlib.metadata.version("tf_geco")
    assert printed["keras"] == keras.__version__
    assert printed["tensorflow"] == tf.__version__
    assert printed["precision"] == "float32"
    assert "CPU" in printed["devices"]


def test_what_is_cited_is_this_version():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    cited = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {setup['metadata']['version']}" in cited
