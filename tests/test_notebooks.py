"""Notebooks hold together: pairs, openings, outputs. Their links are checked with the documents'."""

import re
import tomllib
from pathlib import Path

import jupytext
import nbformat
import pytest

from helpers.config import PROJECT_ROOT

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def code_cells(path: Path) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_there_are_numbered_notebooks():
    numbers = [int(re.fullmatch(r"(\d\d)_.+", path.stem)[1]) for path in NOTEBOOKS]
    assert numbers == sorted(set(numbers))
    assert numbers[:4] == [1, 2, 3, 4]


def test_a_notebook_equals_its_script(path):
    script = jupytext.read(path.with_suffix(".py"))
    sources = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in script.cells]
    notebook = nbformat.read(path, as_version=4)
    assert sources == [
        (cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells
    ], f"{path.name} and its script differ: run `make sync`, or `make outputs` to execute it too"


def test_a_notebook_was_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "run `make outputs`"


def test_a_notebook_shows_neither_errors_nor_warnings(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert [
        output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ] == []


def test_a_notebook_shows_figures(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_a_notebook_says_first_which_data_it_runs_on(path):
    first = next(output for cell in code_cells(path) for output in cell.outputs)
    assert first.text.startswith("Data: 15 simulated wells")


def test_all_notebooks_open_with_the_same_setup_cell():
    assert len({code_cells(path)[0].source for path in NOTEBOOKS}) == 1


def test_badge_and_setup_name_the_repository(path):
    urls = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]["urls"]
    opening = nbformat.read(path, as_version=4).cells[0].source
    assert f"({urls['Colab']}/{path.name})" in opening
    assert urls["Repository"] in code_cells(path)[0].source


def test_no_output_names_a_place_on_this_machine(path):
    assert [place for place in (PROJECT_ROOT, Path.home()) if f"{place}/" in path.read_text()] == []


def test_imports_are_a_dozen_lines_at_most(path):
    imports = next(cell.source for cell in code_cells(path) if "print_versions()" in cell.source)
    assert len([line for line in imports.splitlines() if line.strip()]) <= 12


def test_no_notebook_but_the_ninth_scores_the_test_wells(path):
    if path.name.startswith("09"):
        return
    tells_of_test_wells = re.compile(r"test_wells|\.test\b|y_test|final_test")
    scores = re.compile(r"count_pixels|dice|iou\b|summarise|evaluate\(|scores_per_well|\bscore\(")
    for cell in code_cells(path):
        assert not (tells_of_test_wells.search(cell.source) and scores.search(cell.source)), cell.source
