"""The plan of helpers/: a ground floor, wings that import from it, and no circles."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from helpers.config import PROJECT_ROOT

WINGS = {  # a wing and the wings that it may use
    "studies": set(),
    "whole_wells": set(),
    "labels": {"studies", "whole_wells"},
    "report": {"whole_wells"},
}
FILES = sorted((PROJECT_ROOT / "helpers").rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path) for path in FILES}


def imported(path: Path) -> set[str]:
    """The modules of helpers that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            for name in (
                node.names
            ):  # "from helpers import plots" names a module, "from helpers.data.wells import …" not
                inner = f"{node.module}.{name.name}"
                found.add(inner if inner in MODULES else node.module)
    return found & MODULES


def wing_of(module: str) -> str | None:
    part = module.split(".")[1] if "." in module else None
    return part if part in WINGS else None


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_module_imports_only_what_its_place_allows(path):
    wing = wing_of(module_of(path))
    allowed = {None} if wing is None else {None, wing} | WINGS[wing]
    wrong = {module for module in imported(path) if wing_of(module) not in allowed}
    assert not wrong, f"{module_of(path)} may not import {sorted(wrong)}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {module_of(path): imported(path) - {module_of(path)} for path in FILES}
    assert list(TopologicalSorter(graph).static_order())


def test_nothing_but_these_wings_and_models_lies_beside_the_ground_floor():
    folders = {path.parent.name for path in FILES if path.parent.parent.name == "helpers"}
    assert folders == {"models", *WINGS}
