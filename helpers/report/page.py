"""The groove report as one HTML file that needs no network: to read, to print, to sign."""

import base64
import html
import io
from pathlib import Path
from string import Template

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.config import Config
from helpers.data.preprocess import usable_pixels
from helpers.files import replace_atomically
from helpers.report.logs import Log
from helpers.report.plots import draw_detection, draw_report
from helpers.report.pod import DetectionCurve, Measured, rate_interval

PAGE = Template("""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>$title</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 1rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
img { max-width: 100%; min-width: 34rem; height: auto } .wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th { border-bottom: 2px solid #888; vertical-align: bottom; white-space: normal }
dt { font-weight: 600 } dd { margin: 0 0 .4rem }
pre { white-space: pre-wrap; font-size: .8rem; background: #f6f6f6; padding: .8rem }
.sign { display: flex; gap: 3rem; margin: 3rem 0 } .sign span { border-top: 1px solid #222; flex: 1 }
@media print { body { margin: 0; font-size: 11px } img { min-width: 0 } .wide { overflow: visible }
  tr, img { break-inside: avoid } thead { display: table-header-group } pre { background: none } }
</style></head><body><h1>$title</h1><dl>$facts</dl>
<h2>The well</h2>$well
<h2>Grooves ($count)</h2>
<p>From the top downwards. Loss is measured against the local background: the mean of the sound wall within
two rows and 65° of each pixel. Azimuth counts from the tool's first column. Confidence is the mean
probability that the network gives the groove's pixels.</p>
$table
<h2>What was changed, and what could not be read</h2><ul>$notes</ul>
<h2>How deep must a groove be to be found?</h2>$detection
<h2>The network</h2><pre>$card</pre>
<div class="sign"><span>Inspected by</span><span>Date</span><span>Signature</span></div></body></html>""")
NOT_MEASURED = (
    "<p>Not measured for this network. <code>experiments/detection.py</code> plants grooves in a wall "
    "without any, and counts those that are found.</p>"
)
HEADINGS = {  # of the table's columns, and their digits
    "groove": ("groove", 0), "top_m": ("top, m", 2), "bottom_m": ("bottom, m", 2),
    "length_m": ("length, m", 2), "top_row": ("top, row", 0), "bottom_row": ("bottom, row", 0),
    "length_rows": ("length, rows", 0), "azimuth_deg": ("azimuth, °", 0), "width_deg": ("width, °", 0),
    "drift_deg_per_m": ("drift, °/m", 1), "drift_deg_per_100_rows": ("drift, ° in 100 rows", 1),
    "width_mm": ("width, mm", 0), "mean_loss_mm": ("mean loss, mm", 3), "max_loss_mm": ("max loss, mm", 3),
    "confidence": ("confidence", 3), "detection_probability": ("detection probability", 3),
}  # fmt: skip


def write_page(
    path: Path,
    facts: dict[str, str],
    table: pd.DataFrame,
    places: pd.DataFrame,
    thickness: np.ndarray,
    log: Log,
    curve: Measured | None,
    card: str,
    config: Config = Config(),
) -> None:
    """Write the report of a well as one HTML file.

    `facts` stand at the top, name -> text. `table` is the `engineers_report` of the grooves, `places` the
    `groove_report` that it was made of; `thickness` is (H, W), an array or a memory-mapped file. `curve` is
    the network's probability of detection and the trials that it was fitted to, `card` its model card.
    """
    well = draw_report(thickness, places, log.depth, "thickness deviation, inch")
    unit = "rows" if log.depth is None else "metres"
    notes = [*log.notes, _unreadable(thickness, log.depth, config)]
    page = PAGE.substitute(
        title=html.escape(f"Grooves of {facts['Log']}"),
        facts="".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(fact)}</dd>" for name, fact in facts.items()
        ),
        well=_image(well, f"The well, unrolled, in {unit}, grooves numbered"),
        count=len(table),
        table=_table(table) if len(table) else "<p>No groove was found.</p>",
        notes="".join(f"<li>{html.escape(note)}</li>" for note in notes),
        detection=_detection(*curve) if curve else NOT_MEASURED,
        card=html.escape(card),
    )
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _unreadable(thickness: np.ndarray, depth: np.ndarray | None, config: Config) -> str:
    """How many pixels hold no measurement, and the rows of which over half the pixels do not."""
    pieces = (np.asarray(thickness[start : start + 50_000]) for start in range(0, len(thickness), 50_000))
    share = np.concatenate([1 - usable_pixels(piece, config).mean(axis=1) for piece in pieces])
    said = f"{share.sum() * thickness.shape[1]:,.0f} of {thickness.size:,} pixels ({share.mean():.2%})"
    edges = np.flatnonzero(np.diff(np.r_[False, share > 0.5, False].astype(int))).reshape(-1, 2)
    longest = edges[np.sort(np.argsort(edges[:, 0] - edges[:, 1], kind="stable")[:20])]
    name = (lambda row: f"row {row:,}") if depth is None else (lambda row: f"{depth[row]:.2f} m")
    places = "; ".join(f"{name(first)} to {name(stop - 1)}" for first, stop in longest)
    more = f" and {len(edges) - 20} shorter ones" if len(edges) > 20 else ""
    return f"{said} hold no measurement." + (f" Mostly without: {places}{more}." if places else "")


def _table(table: pd.DataFrame) -> str:
    text = {}
    for name, values in table.reset_index().items():
        heading, digits = HEADINGS[name]
        text[heading] = ["–" if pd.isna(value) else f"{value:.{digits}f}" for value in values]
    return f'<div class="wide">{pd.DataFrame(text).to_html(index=False, border=0)}</div>'


def _detection(curve: DetectionCurve, trials: pd.DataFrame) -> str:
    a90, bound = (25.4 * curve.depth_at(0.9, confidence) for confidence in (0.5, 0.95))
    count, rows = trials.drop_duplicates("columns")[["false_calls", "wall_rows"]].sum()
    low, high = rate_interval(count, rows)
    figure = draw_detection({"this network": (curve, trials)}, 25.4, "mm")
    return (
        f"<p>Nine in ten grooves of {a90:.2f} mm are found (a90), with 95 % confidence of {bound:.2f} mm "
        f"(a90/95): {len(trials)} grooves of several widths and lengths, straight, drifting and broken, "
        f"planted in {curve.stretches} stretches of simulated wall without grooves. In real wall "
        "grooves had to be about twice as deep, at the same rate of false calls (model card below). "
        f"That rate: {count} false calls in {rows:,} rows of these walls, {count / rows * 10_000:.0f} in "
        f"10,000 (95 % interval {low:.0f} to {high:.0f}).</p>"
    ) + _image(figure, "Probability of detection against depth")


def _image(figure: Figure, description: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<div class="wide"><img alt="{description}" src="data:image/png;base64,{data}"></div>'
