"""Pictures of the review's page and of notebook 04's opening, taken from the notebooks' stored outputs.

`python docs/review_pictures.py`, after a notebook was run anew.
"""

import base64
import json
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
# The picture, its notebook, and words of the cell that draws it
PICTURES = {
    "twin.png": ("01_EDA", "Copied from its twin"),
    "dilation.png": ("01_EDA", "2 x 2 dilation: the groove"),
    "brightness.png": ("02_Datasets_dataloaders_transforms", "A stock transform erases the groove"),
    "gradient.png": ("03_Models_losses_&_evaluation_score", "the surest mistakes have no gradient"),
    "curves.png": ("04_Baseline_model", "and the score jumps"),
}


def picture_of(notebook: str, words: str) -> bytes:
    """The picture below the one code cell that holds some words. ValueError : there is not one."""
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [c["outputs"] for c in cells if c["cell_type"] == "code" and words in "".join(c["source"])]
    found = [o["data"]["image/png"] for some in outputs for o in some if "image/png" in o.get("data", {})]
    if len(found) != 1:
        raise ValueError(f"Expected one picture by the words {words!r} in {notebook}, found {len(found)}.")
    return base64.b64decode(found[0])


if __name__ == "__main__":
    for name, place in PICTURES.items():
        (NOTEBOOKS / "pictures" / name).write_bytes(picture_of(*place))
