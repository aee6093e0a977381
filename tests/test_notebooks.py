"""Notebooks and documents hold together: pairs, openings, outputs, links, review points."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import jupytext
import nbformat
import pytest

from helpers.config import PROJECT_ROOT

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*.ipynb"))
DOCUMENTS = [*NOTEBOOKS, PROJECT_ROOT / "README.md", PROJECT_ROOT / "notebooks" / "README.md"]
POINTS = [
    f"R{block}.{point}" for block, last in ((1, 19), (2, 6), (3, 10), (4, 4)) for point in range(1, last + 1)
]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def code_cells(path: Path) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def markdown_of(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text()
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def anchors_of(path: Path) -> set[str]:
    """Ids of headings: GitHub's for Markdown files, Jupyter's and nbconvert's for notebooks."""
    headings = re.findall(r"^#+ +(.+?) *$", markdown_of(path), flags=re.M)
    if path.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in headings}
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_numbered_notebooks():
    assert [path.name[:3] for path in NOTEBOOKS] == [
        f"{number:02d}_" for number in range(1, len(NOTEBOOKS) + 1)
    ]
    assert len(NOTEBOOKS) >= 4


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
    repository = urls["Repository"].removeprefix("https://github.com/")
    badge = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{path.name}"
    assert badge in markdown_of(path)
    assert urls["Repository"] in code_cells(path)[0].source


def test_no_output_names_a_place_on_this_machine(path):
    assert str(PROJECT_ROOT) not in path.read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_every_link_leads_somewhere(document):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", markdown_of(document)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = document if not file else document.parent / file
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def test_the_review_document_has_each_point_once_with_a_place_or_the_word_open():
    rows = re.findall(
        r"^\| (R\d\.\d+) \| .+ \| (.+) \|$", (PROJECT_ROOT / "notebooks" / "README.md").read_text(), re.M
    )
    assert [point for point, _ in rows] == POINTS
    assert [point for point, place in rows if "](" not in place and "*open*" not in place] == []
