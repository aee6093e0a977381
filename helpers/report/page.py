"""The groove report as one HTML file that needs no network: to read, to print, to sign."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.config import Config
from helpers.data.preprocess import usable_pixels
from helpers.files import replace_atomically
from helpers.report.plots import draw_detection, draw_report
from helpers.report.pod import DetectionCurve, rate_interval

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 1rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
img { max-width: 100%; min-width: 34rem; height: auto } .wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th { border-bottom: 2px solid #888; vertical-align: bottom; white-space: normal }
dt { font-weight: 600 } dd { margin: 0 0 .4rem }
pre { white-space: pre-wrap; font-size: .8rem; background: #f6f6f6; padding: .8rem }
.sign { display: flex; gap: 3rem; margin: 3rem 0 } .sign span { border-top: 1px solid #222; flex: 1 }
@media print { body { margin: 0; font-size: 11px } img { min-width: 0 }
  .wide { overflow: visible } tr, img { break-inside: avoid }
  thead { display: table-header-group } pre { background: none } }
"""
NOT_MEASURED = (
    "<p>Not measured for this network. <code>experiments/detection.py</code> plants grooves in a wall "
    "without any, and counts those that are found.</p>"
)
FORMS = {  # how a column's name ends: its unit, its digits
    "_deg_per_m": ("°/m", 1), "_deg_per_100_rows": ("° in 100 rows", 1), "_deg": ("°", 0), "_mm": ("mm", 3),
    "_m": ("m", 2), "_row": ("row", 0), "_rows": ("rows", 0), "confidence": ("", 3), "probability": ("", 3),
    "groove": ("", 0),
}  # fmt: skip


def write_page(
    path: Path,
    title: str,
    facts: dict[str, str],
    table: pd.DataFrame,
    places: pd.DataFrame,
    thickness: np.ndarray,
    depth: np.ndarray | None,
    notes: Sequence[str],
    curve: tuple[DetectionCurve, pd.DataFrame] | None,
    card: str,
    config: Config = Config(),
) -> None:
    """Write the report of a well as one HTML file.

    Parameters
    ----------
    facts : what stands at the top, name -> text. notes : sentences on what was changed or is unusual.
    table, places : of the grooves: `engineers_report`, and the `groove_report` that it was made of.
    thickness : (H, W), an array or a memory-mapped file. depth : (H,) metres, or None.
    curve : probability of detection of the network, and the trials of experiments/detection.py that it was
        fitted to. card : the network's model card.
    """
    title, notes = html.escape(title), [*notes, _unreadable(thickness, depth, config)]
    well = draw_report(thickness, places, depth, "thickness deviation, inch")
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>{STYLE}</style></head><body><h1>{title}</h1><dl>
{"".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(fact)}</dd>" for name, fact in facts.items())}
</dl><h2>The well</h2>
{_image(well, f"The well, unrolled, in {'rows' if depth is None else 'metres'}, grooves numbered")}
<h2>Grooves ({len(table)})</h2>
<p>From the top downwards. Loss is measured against the local background: the mean of the sound wall within
two rows and 65° of each pixel. Azimuth counts from the tool's first column. Confidence is the mean
probability that the network gives the groove's pixels.</p>
{_table(table)}
<h2>What was changed, and what could not be read</h2>
<ul>{"".join(f"<li>{html.escape(note)}</li>" for note in notes)}</ul>
<h2>How deep must a groove be to be found?</h2>
{_detection(*curve) if curve else NOT_MEASURED}
<h2>The network</h2><pre>{html.escape(card)}</pre>
<div class="sign"><span>Inspected by</span><span>Date</span><span>Signature</span></div></body></html>"""
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _unreadable(thickness: np.ndarray, depth: np.ndarray | None, config: Config) -> str:
    """How many pixels hold no measurement, and the rows of which over half the pixels do not."""
    pixels, bad = 0, np.zeros(len(thickness), bool)
    for start in range(0, len(thickness), 50_000):
        unusable = ~usable_pixels(np.asarray(thickness[start : start + 50_000]), config)
        pixels += int(unusable.sum())
        bad[start : start + 50_000] = unusable.mean(axis=1) > 0.5
    edges = np.flatnonzero(np.diff(np.r_[False, bad, False].astype(int)))
    runs = sorted(edges.reshape(-1, 2).tolist(), key=lambda run: run[0] - run[1])  # the longest first
    said = f"{pixels:,} of {thickness.size:,} pixels ({pixels / thickness.size:.2%}) hold no measurement."
    if not runs:
        return said
    name = (lambda row: f"row {row:,}") if depth is None else (lambda row: f"{depth[row]:.2f} m")
    places = "; ".join(f"{name(first)} to {name(stop - 1)}" for first, stop in sorted(runs[:20]))
    more = f" and {len(runs) - 20} shorter ones" if len(runs) > 20 else ""
    return f"{said} Mostly without: {places}{more}."


def _table(table: pd.DataFrame) -> str:
    """The table of grooves; "top_m" becomes "top, m"."""
    if table.empty:
        return "<p>No groove was found.</p>"
    shown, names, forms = table.reset_index(), {}, {}
    for column in shown:
        ending, (unit, digits) = next(form for form in FORMS.items() if column.endswith(form[0]))
        name = f"{column.removesuffix(ending)}, {unit}" if unit else column
        names[column], digits = name.replace("_", " "), 0 if column == "width_mm" else digits
        forms[names[column]] = lambda value, digits=digits: "–" if pd.isna(value) else f"{value:.{digits}f}"
    text = shown.rename(columns=names).to_html(index=False, border=0, formatters=forms)
    return f'<div class="wide">{text}</div>'


def _detection(curve: DetectionCurve, trials: pd.DataFrame) -> str:
    a90, bound = (25.4 * curve.depth_at(0.9, confidence) for confidence in (0.5, 0.95))
    walls = trials.drop_duplicates("columns")
    count, rows = int(walls["false_calls"].sum()), int(walls["wall_rows"].sum())
    low, high = rate_interval(count, rows)
    figure = draw_detection({"this network": curve}, {"this network": trials}, 25.4, "mm")
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
