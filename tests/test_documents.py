"""Documents hold together: links, both languages of the review, its figures, the address of the project."""

import ast
import re
import tomllib
from collections import Counter
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from helpers.config import PROJECT_ROOT

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*.ipynb"))
PLACES = ("*.md", "docs/*.md", "notebooks/*.md", "data/weights/*.md")
DOCUMENTS = [*NOTEBOOKS, *(path for place in PLACES for path in sorted(PROJECT_ROOT.glob(place)))]
REVIEW = PROJECT_ROOT / "notebooks" / "README.md"
REVIEW_RU = PROJECT_ROOT / "notebooks" / "README.ru.md"
POINTS = [
    f"R{block}.{point}" for block, last in ((1, 19), (2, 6), (3, 10), (4, 4)) for point in range(1, last + 1)
]
PROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
URLS = PROJECT["urls"]


def markdown_of(path: Path) -> str:
    """The text of a document, or of a notebook's Markdown cells."""
    if path.suffix == ".md":
        return path.read_text()
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def anchors_of(path: Path) -> set[str]:
    """Ids of headings: GitHub's for Markdown files, Jupyter's and nbconvert's for notebooks."""
    headings = re.findall(r"^#+ +(.+?) *$", without_code(markdown_of(path)), flags=re.M)
    if path.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in headings}
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links_of(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", without_code(text))


def sections_of(path: Path) -> dict[str, str]:
    """The text under each heading; a review point's is named by its number, others by their place."""
    opening, *parts = re.split(r"^##+ (.+)$", markdown_of(path), flags=re.M)  # a comment in code has one #
    return {"opening": opening} | {
        heading.split()[0] if re.match(r"R\d\.", heading) else f"heading {place}": text
        for place, (heading, text) in enumerate(zip(parts[::2], parts[1::2], strict=True))
    }


def code_of(text: str) -> list[str]:
    """The blocks of code, without their comments, which are words of the page's language."""
    return [re.sub(r" *#.*", "", code) for code in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)]


def numbers_of(text: str, decimal: str = ".") -> Counter:
    """Every number outside links and code, written alike: English 1,296 and 0.5 are Russian 1 296 and 0,5."""
    text = re.sub(r"\]\([^)]*\)", "]", without_code(text))
    text = re.sub(r"`[^`]*`|\bR\d\.\d+", "", text)
    thousands = "," if decimal == "." else "[\u00a0\u202f]"
    text = re.sub(rf"(?<=\d){thousands}(?=\d{{3}})", "", text)
    text = re.sub(rf"(?<=\d){re.escape(decimal)}(?=\d)", ".", text)
    return Counter(re.findall(r"−?\d+(?:\.\d+)?", text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_every_link_script_and_module_that_a_document_names_is_there(document):
    markdown, broken = markdown_of(document), []
    for link in links_of(markdown):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = document if not file else document.parent / file
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    text = without_code(markdown)
    files = re.findall(r"\b(?:experiments|benchmarks|tests|helpers)/[\w/]+\.py\b", text)
    broken += [file for file in files if not (PROJECT_ROOT / file).is_file()]
    modules = re.findall(r"`(helpers(?:\.[a-z_]+)+)", text)
    assert broken + [module for module in modules if not names_something(module)] == []


def names_something(dotted: str) -> bool:
    """Whether helpers.a.b is a module, or something in the module or package helpers.a."""
    try:
        return bool(import_module(dotted))
    except ModuleNotFoundError:
        holder, _, name = dotted.rpartition(".")
        return hasattr(import_module(holder), name)


def test_the_project_has_one_address():
    """Owner and branch stand in pyproject.toml; `make address` writes them everywhere else."""
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    ours = URLS["Repository"].removeprefix("https://github.com/")
    assert set(re.findall(rf"github(?:\.com)?/([\w.-]+/{ours.split('/')[1]})", text)) == {ours}
    found = re.findall(r"https://colab\.research\.google\.com/github/[^\s\")\\]+/notebooks", text)
    assert set(found) == {URLS["Colab"]}
    citation = (PROJECT_ROOT / "CITATION.cff").read_text()
    assert (
        f"\nversion: {PROJECT['version']}\n" in citation
        and f"repository-code: {URLS['Repository']}" in citation
    )


@pytest.mark.parametrize(
    ("path", "labels"),
    [(REVIEW, ("before", "now")), (REVIEW_RU, ("было", "стало"))],
    ids=["English", "Russian"],
)
def test_each_point_stands_once_in_the_review_lesson_first_then_before_and_now_and_a_place(path, labels):
    rows = re.findall(r"^\| \[(R\d\.\d+)\]\(", path.read_text(), re.M)  # of the table of small habits
    texts = {name: text for name, text in sections_of(path).items() if name in POINTS}
    assert sorted([*texts, *rows]) == sorted(POINTS)
    for point, text in texts.items():
        assert text.startswith("\n\n**") and links_of(text), point
        assert re.search(r"(?:<th>|\| ){}\b.*(?:<th>|\| ){}\b".format(*labels), text), point
        blocks = code_of(text)
        assert len(blocks) % 2 == 0, point
        for block in blocks:
            assert len(block.splitlines()) <= 7, point
            ast.parse(block.replace("!pip", "_ = 1  #"))  # a line of the shell is no Python


def test_both_languages_have_the_same_points_links_figures_and_code():
    english, russian = sections_of(REVIEW), sections_of(REVIEW_RU)
    assert list(english) == list(russian)

    def outward(text):  # anchors within the page are words of its language
        links = Counter(link for link in links_of(text) if not link.startswith("#"))
        return {link: n for link, n in links.items() if link not in (REVIEW.name, REVIEW_RU.name)}

    def within(text):  # so of these only the points are compared
        return Counter(re.findall(r"\]\(#(r\d+)", text))

    for name, text in english.items():
        other = russian[name]
        assert outward(text) == outward(other), name
        assert within(text) == within(other), name
        assert numbers_of(text) == numbers_of(other, decimal=","), name
        assert code_of(text) == code_of(other), name


def test_the_front_page_is_short_and_opens_every_notebook_here_and_in_colab():
    text = (PROJECT_ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    for path in NOTEBOOKS:
        assert f"(notebooks/{path.name})" in text
        assert f"({URLS['Colab']}/{path.name})" in text
