"""Build the site from the repository as it lies: pages, menu, links, and a check that every link holds."""

from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from urllib.parse import quote, unquote, urlsplit

from bs4 import BeautifulSoup
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PICTURES = sorted([*ROOT.glob("notebooks/*.png"), *ROOT.glob("notebooks/pictures/*.*")])
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
PAGES = {"Running it": "running", "Results": "results", "The code": "house"}  # in docs/
DOCUMENTS = [path for place in ("*.md", "docs/*.md", "notebooks/*.md", "data/weights/*.md")
             for path in sorted(ROOT.glob(place))]  # fmt: skip
# Files that documents link to become pages too, so that the site needs no network.
SOURCES = [
    *(ROOT / name for name in ("LICENSE", "CITATION.cff", "Makefile", "pyproject.toml")),
    *(ROOT / name for name in ("mkdocs.yml", "docs/hooks.py")),
    *sorted(ROOT.glob("requirements*.txt")),
    *(path for folder in ("helpers", "groove_report", "experiments", "benchmarks", "tests")
      for path in sorted((ROOT / folder).rglob("*.py"))),
]  # fmt: skip
LANGUAGES = {".py": "python", ".toml": "toml", ".cff": "yaml", ".yml": "yaml", ".yaml": "yaml"}


def uri(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The menu: documents, then notebooks, whichever there are, then the code."""
    notebooks = [{path.stem.replace("_", " "): uri(path)} for path in NOTEBOOKS]
    code = [path for path in SOURCES if uri(path).startswith(("helpers/", "groove_report/"))]
    config.nav = [
        {"Overview": "README.md"},
        *({title: f"docs/{page}.md"} for title, page in PAGES.items()),
        {"The review": [{"In English": "notebooks/README.md"}, {"По-русски": "notebooks/README.ru.md"}]},
        {"Notebooks": notebooks},
        {"Code": [{uri(path).removeprefix("helpers/"): f"{uri(path)}.md"} for path in code]},
        {"Weights": "data/weights/README.md"},
        {"Contributing": "CONTRIBUTING.md"},
    ]
    return config


@event_priority(100)  # before the notebook plugin looks for notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path in [*DOCUMENTS, *NOTEBOOKS, *PICTURES]:
        files.append(File(uri(path), str(ROOT), config.site_dir, config.use_directory_urls))
    for path in SOURCES:
        language = LANGUAGES.get(path.suffix, "makefile" if path.name == "Makefile" else "text")
        found = "boost: 0.5" if uri(path).startswith(("helpers/", "groove_report/")) else "exclude: true"
        meta = f"---\nsearch: {{{found}}}\nhide: [toc]\n---\n\n"
        page = f"{meta}# {uri(path)}\n\n````{language}\n{path.read_text()}\n````\n"
        files.append(File.generated(config, f"{uri(path)}.md", content=page))
    return files


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the repository into links to their pages; wide tables may scroll."""
    soup = BeautifulSoup(html, "html.parser")
    here = PurePosixPath(page.file.src_uri.removesuffix(".py.md")).parent
    for tag, attribute in (("a", "href"), ("img", "src")):
        for element in soup.find_all(tag, **{attribute: True}):
            element[attribute] = _target(element[attribute], here, page, files)
    for badge in soup.find_all("img", src=lambda source: source.startswith("http")):
        badge.parent["class"] = "badge"  # its words instead of a picture from the network
        badge.replace_with(badge["alt"])
    if page.file.src_uri.endswith(
        ".ipynb"
    ):  # as Jupyter and code hosts name a heading, not only as this tool does
        for heading in soup.find_all(["h1", "h2", "h3", "h4"]):
            heading.insert_before(soup.new_tag("a", id=heading.get_text().strip("¶ ").replace(" ", "-")))
    for table in soup.select(".jp-RenderedHTMLCommon table"):
        table.wrap(soup.new_tag("div", attrs={"class": "scroll"}))
    return str(soup)


def _target(link: str, here: PurePosixPath, page: Page, files: Files) -> str:
    parts = urlsplit(link)
    if parts.scheme or not parts.path:
        return link
    path = normpath(str(here / unquote(parts.path)))
    for name in (path, f"{path}.md"):
        file = files.get_file_from_path(name)
        if file is not None:
            place = relpath(file.dest_uri, str(PurePosixPath(page.file.dest_uri).parent))
            return quote(place) + (f"#{parts.fragment}" if parts.fragment else "")
    return link


class _Page(HTMLParser):
    """Collects what a page links to, what it fetches, and what can be linked to in it."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.fetched, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        self.ids.add(attributes.get("name"))
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        elif tag in ("img", "script", "link") and attributes.get("rel") != "canonical":
            self.fetched.append(attributes.get("src") or attributes.get("href") or "")


def on_post_build(config: MkDocsConfig) -> None:
    """Fail if a link leads nowhere, or a page fetches anything from the network."""
    site = Path(config.site_dir)
    pages = {path: _Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}
    broken = []
    for path, page in pages.items():
        for link in [*page.links, *page.fetched]:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https") or link.startswith("//"):
                if link in page.fetched:
                    broken.append(f"{path.relative_to(site)} fetches {link}")
                continue
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found = pages.get(target)
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and found is not None and anchor not in found.ids):
                broken.append(f"{path.relative_to(site)} -> {link}")
    if broken:
        raise PluginError("Links that do not hold:\n" + "\n".join(sorted(set(broken))))
