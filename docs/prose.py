"""How many words does each page have, and how many of them are numbers? `python docs/prose.py`

Prose is what stands in Markdown outside of code, tables, pictures and the addresses of links; R-numbers of
review points and names such as "U-Net 2" or "01 EDA" in a link are no figures. The aim: at most 1,800 words
in notebooks 01 to 04, 800 in later ones, and one number in 25 words or fewer.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NO_PROSE = re.compile(
    r"```.*?```|<!--.*?-->|^\s*\|.*?$|<[^>]+>|!\[[^\]]*\]\([^)]*\)|`[^`]*`|\bR\d\.\d+\b|\[\d\d [^\]]*\]|"
    r"^#+ [\d.]*|^\d+\. |(?<=\])\([^)]*\)",
    re.DOTALL | re.MULTILINE,
)


def prose_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return NO_PROSE.sub(" ", text)


if __name__ == "__main__":
    pages = sorted((ROOT / "notebooks").glob("*.ipynb")) + sorted((ROOT / "notebooks").glob("*.md"))
    for page in [*pages, ROOT / "README.md"]:
        words = re.findall(r"[\w'’.,%-]*\w[\w'’%-]*", prose_of(page))
        numbers = [word for word in words if re.match(r"[−-]?\d", word)]
        print(f"{len(words):6,} words, a number in {len(words) / max(1, len(numbers)):4.0f}  {page.name}")
