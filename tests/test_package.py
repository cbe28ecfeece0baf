"""The shape of the package: floors and public names."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import tf_geco

ROOT = Path(__file__).parent.parent
FLOORS = [
    {"checks", "compiled"},
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
