"""The groove report as one HTML file that needs no network: to read, to print, to sign."""

import base64
import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.config import Config
from helpers.files import replace_atomically
from helpers.plots import PREDICTION_LINE, draw_thickness
from helpers.preprocess import usable_pixels
from helpers.whole_wells.plots import draw_detection
from helpers.whole_wells.pod import DetectionCurve, rate_interval

STRIPS, ROWS = 6, 1500  # of the picture: a longer well is shown in every second, third ... row
NUMBERED = 60  # grooves with their number in the picture, the longest

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


def unreadable_rows(
    thickness: np.ndarray, config: Config = Config(), step: int = 50_000
) -> tuple[int, list[tuple[int, int]]]:
    """Count the pixels without a measurement, and list the rows that are mostly so.

    Parameters
    ----------
    thickness : (H, W), an array or a memory-mapped file.

    Returns
    -------
    pixels, and (first, last) of each run of rows of which over half the pixels are unusable.
    """
    pixels, bad = 0, np.zeros(len(thickness), bool)
    for start in range(0, len(thickness), step):
        unusable = ~usable_pixels(np.asarray(thickness[start : start + step]), config)
        pixels += int(unusable.sum())
        bad[start : start + step] = unusable.mean(axis=1) > 0.5
    edges = np.flatnonzero(np.diff(np.r_[False, bad, False].astype(int)))
    return pixels, [(int(first), int(last) - 1) for first, last in edges.reshape(-1, 2)]


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
    facts : what stands at the top, name -> text.
    table, places : of the grooves: `engineers_report`, and the `groove_report` that it was made of.
    thickness : (H, W), an array or a memory-mapped file. depth : (H,) metres, or None.
    notes : sentences on what was changed or is unusual.
    curve : probability of detection of the network, and the trials that it was fitted to, with columns
        of experiments/detection.py: false_calls in wall_rows of each wall.
    card : the model card.

    Raises
    ------
    DataError : the file cannot be written.
    """
    pixels, runs = unreadable_rows(thickness, config)
    notes = [*notes, _said_unreadable(thickness.shape, pixels, runs, depth)]
    unit = "rows" if depth is None else "metres"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        "<dl>" + "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in facts.items()),
        "</dl><h2>The well</h2>",
        _image(
            _well_picture(thickness, places, depth), f"The well, unrolled, depth in {unit}, grooves numbered"
        ),
        f"<h2>Grooves ({len(table)})</h2>",
        "<p>From the top downwards. Loss is measured against the local background: the mean of the sound "
        "wall within two rows and 65° of each pixel. Azimuth counts from the tool's first column. "
        "Confidence is the mean probability that the network gives the groove's pixels.</p>",
        _table(table),
        "<h2>What was changed, and what could not be read</h2>",
        "<ul>" + "".join(f"<li>{_text(note)}</li>" for note in notes) + "</ul>",
        "<h2>How deep must a groove be to be found?</h2>",
        _detection(curve),
        "<h2>The network</h2>",
        f"<pre>{html.escape(card)}</pre>",
        '<div class="sign"><span>Inspected by</span><span>Date</span><span>Signature</span></div>',
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _text(value: str) -> str:
    return html.escape(str(value))


def _said_unreadable(
    shape: tuple[int, int], pixels: int, runs: list[tuple[int, int]], depth: np.ndarray | None
) -> str:
    share = pixels / (shape[0] * shape[1])
    said = f"{pixels:,} of {shape[0] * shape[1]:,} pixels ({share:.2%}) hold no measurement."
    if not runs:
        return said
    name = (lambda row: f"row {row:,}") if depth is None else (lambda row: f"{depth[row]:.2f} m")
    longest = sorted(sorted(runs, key=lambda run: run[0] - run[1])[:20])
    places = "; ".join(f"{name(first)} to {name(last)}" for first, last in longest)
    more = f" and {len(runs) - 20} shorter ones" if len(runs) > 20 else ""
    return f"{said} Mostly without: {places}{more}."


def _table(table: pd.DataFrame) -> str:
    if table.empty:
        return "<p>No groove was found.</p>"
    digits = {
        name: 3 if name.endswith(("_mm", "confidence", "probability")) else 2 if name.endswith("_m") else 0
        for name in table
    }
    digits |= {"width_mm": 0, "drift_deg_per_m": 1, "drift_deg_per_100_rows": 1}
    shown = table.reset_index()

    def form(digits: int) -> Callable[[float], str]:
        return lambda value: "–" if pd.isna(value) else f"{value:.{digits}f}"

    formats = {name: form(digits.get(name, 0)) for name in shown}
    headers = {name: _header(name) for name in shown}
    text = shown.rename(columns=headers).to_html(
        index=False, border=0, formatters={headers[name]: formats[name] for name in shown}
    )
    return f'<div class="wide">{text}</div>'


def _header(name: str) -> str:
    """From "top_m" to "top, m"."""
    for ending, unit in (
        ("_deg_per_m", "°/m"), ("_deg_per_100_rows", "° in 100 rows"), ("_deg", "°"), ("_mm", "mm"),
        ("_m", "m"), ("_row", "row"), ("_rows", "rows"),
    ):  # fmt: skip
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')}, {unit}"
    return name.replace("_", " ")


def _detection(curve: tuple[DetectionCurve, pd.DataFrame] | None) -> str:
    if curve is None:
        return (
            "<p>Not measured for this network. <code>experiments/detection.py</code> plants grooves in a "
            "wall without any, and counts those that are found.</p>"
        )
    fitted, trials = curve
    a90, bound = (25.4 * fitted.depth_at(0.9, confidence) for confidence in (0.5, 0.95))
    walls = trials.drop_duplicates("columns")
    count, rows = int(walls["false_calls"].sum()), int(walls["wall_rows"].sum())
    low, high = rate_interval(count, rows)
    figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
    draw_detection(axis, "this network", fitted, trials)
    ticks = np.array([0.1, 0.2, 0.5, 1, 2])  # mm, where the curve is in inches
    axis.set_xticks(ticks / 25.4, [f"{tick:g}" for tick in ticks])
    axis.set_xlabel("depth of the planted groove, mm")
    axis.legend(fontsize=9)
    said = (
        f"Nine in ten grooves of {a90:.2f} mm are found (a90), with 95 % confidence of {bound:.2f} mm "
        f"(a90/95): {len(trials)} grooves of several widths and lengths, straight, drifting and broken, "
        f"planted in {fitted.stretches} stretches of simulated wall without grooves. In real wall "
        "grooves had to be about twice as deep, at the same rate of false calls (model card below). "
        f"That rate: {count} false calls in {rows:,} rows of these walls, {count / rows * 10_000:.0f} in "
        f"10,000 (95 % interval {low:.0f} to {high:.0f})."
    )
    return f"<p>{said}</p>" + _image(figure, "Probability of detection against depth")


def _well_picture(thickness: np.ndarray, places: pd.DataFrame, depth: np.ndarray | None) -> plt.Figure:
    """The well in strips from left to right, each groove as a box with its number."""
    height = len(thickness)
    every = max(1, -(-height // (STRIPS * ROWS)))
    strips = min(STRIPS, max(1, -(-height // 400)))
    rows = -(-height // strips)
    figure, axes = plt.subplots(
        1, strips, figsize=(2.1 * strips + 1.2, 8), squeeze=False, layout="constrained"
    )
    numbered = set(places["length_rows"].astype(int).nlargest(NUMBERED).index)
    for axis, start in zip(axes[0], range(0, height, rows), strict=False):
        stop = min(start + rows, height)
        extent = (0, 360, stop, start)
        picture = draw_thickness(axis, np.asarray(thickness[start:stop:every]), extent=extent, aspect="auto")
        here = places[(places["start_row"] < stop) & (places["end_row"] >= start)]
        for number, groove in here.iterrows():
            half = max(groove["width_deg"], 8.0)
            box = (groove["azimuth_deg"] - half, groove["start_row"])
            axis.add_patch(
                plt.Rectangle(
                    box, 2 * half, groove["length_rows"], fill=False, lw=1.2, color=PREDICTION_LINE["colors"]
                )
            )
            if number in numbered:
                place = (groove["azimuth_deg"], max(groove["start_row"], start))
                label = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
                axis.annotate(
                    str(number), place, fontsize=9, ha="center", va="bottom", bbox=label, clip_on=True
                )
        axis.set(xlim=(0, 360), ylim=(start + rows, start), xticks=[0, 180, 360], xlabel="azimuth, °")
        ticks = np.linspace(start, stop - 1, 6).astype(int)
        axis.set_yticks(ticks, [f"{tick:,}" if depth is None else f"{depth[tick]:.1f}" for tick in ticks])
        axis.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("row" if depth is None else "depth, m")
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=25, pad=0.01, extend="both")
    bar.set_label("thickness deviation, inch", fontsize=9)
    return figure


def _image(figure: plt.Figure, description: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    data = base64.b64encode(file.getvalue()).decode()
    image = f'<img alt="{html.escape(description)}" src="data:image/png;base64,{data}">'
    return f'<div class="wide">{image}</div>'
