"""The plan of helpers/: a small ground floor, wings that import from it, no circles; how long they may be."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from helpers.config import PROJECT_ROOT

FOLDERS = {"data", "training", "models"}  # of the ground floor
WINGS = {"whole_wells", "labels"}  # which use the ground floor, and not each other
FILES = sorted((PROJECT_ROOT / "helpers").rglob("*.py"))
NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("0[1-4]_*.py"))  # the review: complete in themselves
OF_WHOLE_WELLS = {"well_resunet.py"}  # a network that notebooks 01 to 04 never build


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


@cache
def imported(path: Path) -> set[str]:
    """The modules of helpers that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text().replace("\n%", "\n#"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:  # a module, or what is in one
                inner = f"{node.module}.{name.name}"
                found.add(inner if inner in MODULES else node.module)
    return found & set(MODULES)


def wing_of(module: str) -> str | None:
    part = module.split(".")[1] if "." in module else None
    return part if part in WINGS else None


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_module_imports_only_what_its_place_allows(path):
    wing = wing_of(module_of(path))
    allowed = {None, wing}
    wrong = {module for module in imported(path) if wing_of(module) not in allowed}
    assert not wrong, f"{module_of(path)} may not import {sorted(wrong)}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {module_of(path): imported(path) - {module_of(path)} for path in FILES}
    assert list(TopologicalSorter(graph).static_order())


def test_nothing_else_lies_beside_the_ground_floor():
    folders = {path.parent.name for path in FILES if path.parent.parent.name == "helpers"}
    assert folders == FOLDERS | WINGS


def ground_floor() -> set[Path]:
    """What notebooks 01 to 04 import, with all that those imports pull in, and every network of theirs."""
    reached = {path for path in FILES if path.parent.name == "models" and path.name not in OF_WHOLE_WELLS}
    ahead = [*NOTEBOOKS, *reached]
    while ahead:
        for module in imported(ahead.pop()):
            parts = module.split(".")
            for end in range(1, len(parts) + 1):  # a package's __init__ too
                path = MODULES[".".join(parts[:end])]
                if path not in reached:
                    reached.add(path)
                    ahead.append(path)
    return reached


def lines(paths: set[Path]) -> int:
    return sum(len(path.read_text().splitlines()) for path in paths)


def test_notebooks_1_to_4_need_a_small_ground_floor_and_nothing_else():
    ground = ground_floor()
    assert {wing_of(module_of(path)) for path in ground} == {None}
    assert not [path for path in NOTEBOOKS if re.search(r"(from|import) experiments", path.read_text())]
    models = {path for path in ground if path.parent.name == "models"}
    files = {path for path in ground - models if path.name != "__init__.py"}
    assert len(files) <= 18
    assert lines(ground - models) <= 3_000
    assert lines(models) <= 1_000


@pytest.mark.parametrize(
    ("places", "most"),
    [
        (["helpers"], 5_000),
        (["groove_report"], 1_600),
        (["experiments", "benchmarks"], 2_000),
        (["tests", "conftest.py"], 7_000),
    ],
)
def test_the_project_stays_small(places, most):
    folders = [PROJECT_ROOT / place for place in places]
    files = {path for path in folders if path.is_file()}
    assert lines(files.union(*(folder.rglob("*.py") for folder in folders))) <= most


def code_lines(node: ast.FunctionDef) -> int:
    """Lines of a function without its docstring, blank lines and comments, from `def` to the end."""
    without_docstring = node.body[1:] if ast.get_docstring(node) else node.body
    node = ast.FunctionDef(node.name, node.args, without_docstring, [], node.returns, lineno=0)
    return len(ast.unparse(ast.fix_missing_locations(node)).splitlines())


@cache
def shown() -> set[str]:
    """The names that notebooks 01 to 04 show by `show_code`."""
    names = set()
    for path in NOTEBOOKS:
        for node in ast.walk(ast.parse(path.read_text().replace("\n%", "\n#"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "show_code":
                names |= {argument.attr if isinstance(argument, ast.Attribute) else argument.id
                          for argument in node.args}  # fmt: skip
    return names


def test_a_function_that_is_taught_has_at_most_25_lines_of_code():
    long = {}
    for path in ground_floor():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in shown():
                parts = node.body if isinstance(node, ast.ClassDef) else [node]
                for part in parts:
                    if isinstance(part, ast.FunctionDef) and code_lines(part) > 25:
                        long[f"{node.name}.{part.name}"] = code_lines(part)
    assert shown() and not long
