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

from helpers.files import replace_atomically
from helpers.report.grooves import GROOVE_LIKE, GROOVE_LIKE_ROWS
from helpers.report.logs import Log
from helpers.report.plots import draw_detection, draw_report, draw_sections
from helpers.report.pod import DetectionCurve, Measured, rate_interval
from helpers.whole_wells.well_files import open_well

PAGE = Template("""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>$title</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 1rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
img { max-width: 100%; min-width: 34rem; height: auto } .wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem }
th, td { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th { border-bottom: 2px solid #888; vertical-align: bottom; white-space: normal }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem } dt { font-weight: 600 }
dd { margin: 0 } .top { display: flex; flex-wrap: wrap; gap: 1rem 3rem } .top p { flex: 2 20rem; margin: 0 }
.sign { flex: 1 14rem } .sign span { display: block; border-top: 1px solid #222; margin-top: 2.2rem }
.box { border: 2px solid #b45309; padding: .2rem 1rem; margin: 1rem 0 } .box h2 { margin-top: .5rem }
@media print { body { margin: 0; font-size: 11px } img { min-width: 0 } .wide { overflow: visible }
  tr, img, .box, .top { break-inside: avoid } thead { display: table-header-group } h2 { break-after: avoid }
  table { font-size: 8px } th, td { padding: .1rem .25rem } @page { size: A4; margin: 12mm } }
</style></head><body><h1>$title</h1>
<div class="top"><p>$summary</p>
<div class="sign"><span>Inspected by</span><span>Date</span><span>Signature</span></div></div>
<div class="box"><h2>Not assessed</h2><ul>$gaps</ul></div>
<dl>$facts</dl>
<h2>The well</h2>$well
<h2>Grooves ($count)</h2>
<p>From the top downwards. Loss is measured against the local background: the mean of the sound wall within
two rows and 90° of each pixel, without collars. Maximum loss is the 98th percentile of the median of five
rows. Confidence is the mean probability that the network gives the groove's pixels. Kind: a groove is long
and slim ($slim), or as wide all along; what is neither is area-like, as general corrosion is.</p>
$table$sections
<h2>Joints</h2>$tally
<h2>What was changed, and what could not be read</h2><ul>$notes</ul>
<h2>How deep must a groove be to be found?</h2>$detection
<h2>The network</h2>$card</body></html>""")
NOT_MEASURED = (
    "<p>Not measured for this network. <code>experiments/detection.py</code> plants grooves in a wall "
    "without any, and counts those that are found.</p>"
)
HEADINGS = {  # of the tables' columns, and their digits
    "groove": ("groove", 0), "top_m": ("top, m", 2), "bottom_m": ("bottom, m", 2), "top_ft": ("top, ft", 1),
    "bottom_ft": ("bottom, ft", 1), "kind": ("kind", 0), "joint": ("joint", 0),
    "length_m": ("length, m", 2), "top_row": ("top, row", 0), "bottom_row": ("bottom, row", 0),
    "length_rows": ("length, rows", 0), "azimuth_deg": ("azimuth, °", 0), "width_deg": ("width, °", 0),
    "drift_deg_per_m": ("drift, °/m", 1), "drift_deg_per_100_rows": ("drift, ° in 100 rows", 1),
    "width_mm": ("width, mm", 0), "mean_loss_mm": ("mean loss, mm", 2), "max_loss_mm": ("max loss, mm", 2),
    "remaining_mm": ("remaining wall, mm", 2), "penetration_pct": ("penetration, %", 0),
    "mean_wall_mm": ("mean wall, mm", 2), "least_wall_mm": ("least wall, mm", 2),
    "least_at_m": ("least at, m", 2), "least_at_row": ("least at, row", 0),
    "least_azimuth_deg": ("least at, °", 0), "class_pct": ("class, %", 0), "burst_mpa": ("burst, MPa", 1),
    "unmeasured_pct": ("not measured, %", 1), "confidence": ("confidence", 2),
    "detection_probability": ("detection probability", 2),
}  # fmt: skip


def write_page(
    path: Path,
    facts: dict[str, str],
    table: pd.DataFrame,
    places: pd.DataFrame,
    numbers: np.ndarray,
    log: Log,
    curve: Measured | None,
    card: str,
    tally: tuple[pd.DataFrame, str] | None = None,
) -> None:
    """Write the report of a well as one HTML file.

    `facts` stand at the top, name -> text. `table` is the `engineers_report` of the grooves, `places` the
    `groove_report` that it was made of, `numbers`, (H, W), where they are. `curve` is the network's
    probability of detection and the trials that it was fitted to, `card` its model card, `tally` what
    `joint_tally` gives of a log with the wall's thickness.
    """
    thickness, wall = open_well(log.path), open_well(log.measured)
    well = draw_report(thickness, numbers, places, log.depth, "thickness deviation, inch")
    unit = "rows" if log.depth is None else "metres"
    unread, lost = _unreadable(wall, log.depth)
    sections, deepest = "", table["max_loss_mm"].nlargest(6).sort_index().index
    if len(deepest) and log.nominal:
        offset = 0.0 if log.is_wall else log.nominal
        at = places.loc[deepest, "worst_row"]
        sections = "<p>Cross-sections at the worst row, thickness four times too large against the pipe; the "
        sections += "orange circle is the nominal wall.</p>" + _image(
            draw_sections(wall, at, log.nominal, offset),
            "Cross-sections at the worst row of the deepest grooves",
        )
    slim = f"{GROOVE_LIKE} times as long as wide"
    if "width_mm" not in table or log.depth is None:
        slim = f"{GROOVE_LIKE_ROWS} rows long for each 10° of width"
    page = PAGE.substitute(
        title=html.escape(f"Grooves of {facts['Log']}"),
        summary=_summary(table, tally),
        gaps=_items(_gaps(tally, lost)),
        facts="".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(fact)}</dd>" for name, fact in facts.items()
        ),
        well=_image(well, f"The well, unrolled, in {unit}, grooves outlined and numbered"),
        count=len(table),
        slim=slim,
        table=_table(table) if len(table) else "<p>No groove was found.</p>",
        sections=sections,
        tally=f"<p>{tally[1]}</p>{_table(tally[0])}"
        if tally
        else "<p>The log has no absolute thickness.</p>",
        notes=_items([*log.notes, unread]),
        detection=_detection(*curve) if curve else NOT_MEASURED,
        card=f"<p>{html.escape(card)}</p>",
    )
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _items(texts: list[str]) -> str:
    return "".join(f"<li>{html.escape(text)}</li>" for text in texts)


def _summary(table: pd.DataFrame, tally: tuple[pd.DataFrame, str] | None) -> str:
    """How many grooves, the deepest, and what remains at the worst place, in a few sentences."""
    found = f"{len(table)} grooves were found." if len(table) else "No groove was found."
    said = [f"<strong>{found}</strong>"]
    if len(table):
        worst = table.loc[number := table["max_loss_mm"].idxmax()]
        place = f"{worst['top_m']:.2f} m" if "top_m" in table else f"row {worst['top_row']:.0f}"
        said += [f"The deepest, no. {number} from {place} on, has lost {worst['max_loss_mm']:.1f} mm at most"]
        left = "remaining_mm" in table and f", and {worst['remaining_mm']:.1f} mm remain there"
        said[-1] += f"{left or ''}. {(table['kind'] == 'area-like').sum()} are area-like."
    if tally and len(tally[0]):
        worst = tally[0].loc[number := tally[0]["least_wall_mm"].idxmin()]
        said += [f"The least wall of all, {worst['least_wall_mm']:.1f} mm, is in joint {number} "
                 f"({worst['penetration_pct']:.0f} % penetration)."]  # fmt: skip
    return " ".join(said)


def _gaps(tally: tuple[pd.DataFrame, str] | None, lost: float) -> list[str]:
    """What a signature under this report does not cover."""
    uniform = "Uniform loss of wall shows in the joint tally only, against the nominal wall."
    if not tally:
        uniform = (
            "Uniform loss of wall, since the log gives no absolute thickness: each row counts from its mean."
        )
    pits = (
        "the joint tally shows the deepest place of each joint" if tally else "there is no tally of the wall"
    )
    return [
        f"Pits: the network does not look for them; {pits}.",
        uniform,
        "General corrosion: where it is called, it stands in the list as area-like; it may be missing.",
        "Faint grooves wider than about 60°: the network learned from narrow ones.",
        "What the tool cannot see: cracks, the outside against the inside, cement, connections and collars.",
        f"{lost:.2%} of the wall, which was not measured.",
    ]


def _unreadable(wall: np.ndarray, depth: np.ndarray | None) -> tuple[str, float]:
    """How many pixels hold no measurement, and the rows of which over half the pixels do not; their share."""
    pieces = (np.asarray(wall[start : start + 50_000]) for start in range(0, len(wall), 50_000))
    share = np.concatenate([np.isnan(piece).mean(axis=1) for piece in pieces])
    said = f"{share.sum() * wall.shape[1]:,.0f} of {wall.size:,} pixels ({share.mean():.2%})"
    edges = np.flatnonzero(np.diff(np.r_[False, share > 0.5, False].astype(int))).reshape(-1, 2)
    longest = edges[np.sort(np.argsort(edges[:, 0] - edges[:, 1], kind="stable")[:20])]
    name = (lambda row: f"row {row:,}") if depth is None else (lambda row: f"{depth[row]:.2f} m")
    places = "; ".join(f"{name(first)} to {name(stop - 1)}" for first, stop in longest)
    more = f" and {len(edges) - 20} shorter ones" if len(edges) > 20 else ""
    said += " hold no measurement." + (f" Mostly without: {places}{more}." if places else "")
    return said, share.mean()


def _table(table: pd.DataFrame) -> str:
    text = {}
    for name, values in table.reset_index().items():
        heading, digits = HEADINGS[name]
        text[heading] = [
            value if isinstance(value, str) else "–" if pd.isna(value) else f"{value:.{digits}f}"
            for value in values
        ]
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
        "grooves had to be about twice as deep, at the same rate of false calls. "
        f"That rate: {count} false calls in {rows:,} rows of these walls, {count / rows * 10_000:.0f} in "
        f"10,000 (95 % interval {low:.0f} to {high:.0f}). It holds for walls simulated like those that the "
        "network learned from; on walls that others simulated it was up to three times as high.</p>"
    ) + _image(figure, "Probability of detection against depth")


def _image(figure: Figure, description: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<div class="wide"><img alt="{description}" src="data:image/png;base64,{data}"></div>'
