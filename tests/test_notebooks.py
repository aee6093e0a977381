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


def test_a_notebook_equals_its_script(path):
    script = jupytext.read(path.with_suffix(".py"))
    sources = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in script.cells]
    notebook = nbformat.read(path, as_version=4)
    assert sources == [
        (cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells
    ], f"{path.name} and its script differ: run `make sync`, or `make outputs` to execute it too"


def test_a_notebook_was_run_from_top_to_bottom_without_errors_and_shows_figures(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "run `make outputs`"
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert outputs[0].text.startswith("Data: 15 simulated wells")
    assert not [out for out in outputs if out.output_type == "error" or out.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [place for place in (PROJECT_ROOT, Path.home()) if f"{place}/" in path.read_text()]


def test_all_notebooks_open_alike_by_setup_and_a_dozen_imports_and_name_the_repository(path):
    urls = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]["urls"]
    opening, setup = nbformat.read(path, as_version=4).cells[0].source, code_cells(path)[0].source
    assert setup == code_cells(NOTEBOOKS[0])[0].source
    assert f"({urls['Colab']}/{path.name})" in opening and urls["Repository"] in setup
    imports = next(cell.source for cell in code_cells(path) if "print_versions()" in cell.source)
    assert max(len(source.split("\n")) - source.count("\n\n") for source in (imports, setup)) <= 12


def test_no_notebook_but_the_ninth_scores_the_test_wells(path):
    if path.name.startswith("09"):
        return
    tells_of_test_wells = re.compile(r"test_wells|\.test\b|y_test|final_test")
    scores = re.compile(r"count_pixels|dice|iou\b|summarise|evaluate\(|scores_per_well|\bscore\(")
    for cell in code_cells(path):
        assert not (tells_of_test_wells.search(cell.source) and scores.search(cell.source)), cell.source
