"""The groove report as one HTML file that needs no network: to read, to print, to sign."""

import base64
import html
import io
from collections.abc import Callable
from pathlib import Path
from string import Template

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from groove_report.grooves import FAINT
from groove_report.logs import Log
from groove_report.plots import draw_detection, draw_report, draw_sections
from groove_report.pod import DetectionCurve, Measured, rate_interval
from helpers.files import listed, replace_atomically
from helpers.whole_wells.well_files import open_well

PAGE = Template("""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>$title</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 74rem; margin: 1rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
img { max-width: 100%; min-width: 34rem; height: auto } .wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem }
th, td { padding: .2rem .4rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th { border-bottom: 2px solid #888; vertical-align: bottom; white-space: normal }
dl { display: grid; grid-template-columns: minmax(7rem, auto) minmax(0, 1fr); gap: .1rem 1rem }
dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere }
.top { display: flex; flex-wrap: wrap; gap: 1rem 3rem } .top p { flex: 2 20rem; margin: 0 }
.sign { flex: 1 14rem } .sign span { display: block; border-top: 1px solid #222; margin-top: 2.2rem }
.box { border: 2px solid #b45309; padding: .2rem 1rem; margin: 1rem 0 } .box h2 { margin-top: .5rem }
@media print { body { margin: 0; font-size: 11px } img { min-width: 0 } .wide { overflow: visible }
  tr, img, .box, .top { break-inside: avoid } thead { display: table-header-group } h2 { break-after: avoid }
  h2 + p { break-after: avoid }
  table { font-size: 8px } th, td { padding: .1rem .25rem } @page { size: A4; margin: 12mm } }
</style></head><body><h1>$title</h1>
<div class="top"><p>$summary</p>
<div class="sign"><span>Inspected by</span><span>Date</span><span>Signature</span></div></div>
<div class="box"><h2>Not assessed</h2><ul>$gaps</ul></div>
<dl>$facts</dl>
<h2>The well</h2><p>Grooves are outlined in green. In grey: the share of each row that was measured.</p>$well
<h2>Grooves ($count)</h2>
<p>From the top downwards. Loss is measured against the mean of the sound wall within two rows and 90° of each
pixel, without collars. The mean leaves out the edges, where clearly less is lost than nearby in the groove;
the maximum is the 98th percentile of the median of five rows, less what the pattern of the sound wall adds.
Kind: a groove is long and slim (in mm 80 times as long as wide; without depth or diameter, 40 rows for each
10°), or equally wide all along. What is neither is area-like, as general corrosion is. Confidence is the mean
probability that the network gives the groove's pixels.</p>
$table$sections
<h2>Joints</h2>$tally
<h2>What was changed, and what could not be read</h2><ul>$notes</ul>
<h2>How deep must a groove be to be found?</h2>$detection
<h2>The network</h2><p>The network that ships with this program has learned from simulated wells only. Its
model card, <code>data/weights/README.md</code>, says how well it does, and what it cannot do.</p>
</body></html>""")
NOT_MEASURED = (
    "<p>Not measured for this network. <code>experiments/detection.py</code> plants grooves in a wall "
    "without any, and counts those that are found.</p>"
)
UNITS = {  # at the end of the tables' columns, how they are written, and their digits
    "deg_per_100_rows": ("° in 100 rows", 1), "deg_per_m": ("°/m", 1), "deg": ("°", 0), "mm": ("mm", 1),
    "m": ("m", 2), "ft": ("ft", 1), "pct": ("%", 0), "mpa": ("MPa", 1), "rows": ("rows", 0),
    "row": ("row", 0),
}  # fmt: skip


def write_page(
    path: Path,
    facts: dict[str, str],
    table: pd.DataFrame,
    places: tuple[pd.DataFrame, pd.DataFrame],
    numbers: np.ndarray,
    log: Log,
    curve: Measured | None,
    tally: tuple[pd.DataFrame, str] | None = None,
) -> None:
    """Write the report of a well as one HTML file.

    `facts` stand at the top, name -> text. `table` is the `engineers_report` of the grooves, `places` what
    `report_by_pieces` gives, `numbers`, (H, W), where they are. `curve` is the network's probability of
    detection and the trials that it was fitted to, `tally` of `joint_tally`, if the log gives a wall.
    """
    thickness, wall = open_well(log.path), open_well(log.measured)
    grooves, left_out = places
    well = draw_report(thickness, numbers, grooves, log.depth, "thickness deviation, inch")
    place = (lambda row: f"row {row:,}") if log.depth is None else (lambda row: f"{log.depth[row]:.2f} m")
    unread, lost = _unreadable(wall, place)
    notes, sections = [*log.notes, unread], ""
    if len(left_out):
        notes.append(
            f"{len(left_out)} finds of the network are not listed, since they have lost no metal, or under "
            f"{FAINT * 25.4:.1f} mm mostly beside what was not measured. They begin at "
            f"{listed([place(row) for row in left_out['start_row']], 20)}."
        )
    if len(table) and log.nominal:
        worst = grooves.loc[table["max_loss_mm"].nlargest(6).sort_index().index, "worst_row"]
        figure = draw_sections(wall, worst, log.nominal, 0.0 if log.is_wall else log.nominal)
        about = (
            "Cross-sections of the deepest at their worst row, with the least wall of its pixels; what the "
        )
        about += "list says remains is robust. The wall is drawn too thick; the circle is nominal."
        sections = f"<p>{about}</p>{_image(figure, 'Cross-sections of the pipe')}"
    page = PAGE.substitute(
        title=html.escape(f"Grooves of {facts['Log']}"),
        summary=_summary(table, tally),
        gaps=_items(_not_assessed(tally, lost)),
        facts="".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(fact)}</dd>" for name, fact in facts.items()
        ),
        well=_image(well, "The well, unrolled, grooves outlined and numbered"),
        count=len(table),
        table=_table(table) if len(table) else "<p>No groove was found.</p>",
        sections=sections,
        tally=f"<p>{tally[1]}</p>{_table(tally[0])}"
        if tally
        else "<p>The log gives no thickness of wall.</p>",
        notes=_items(notes),
        detection=_detection(*curve) if curve else NOT_MEASURED,
    )
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _items(texts: list[str]) -> str:
    return "".join(f"<li>{html.escape(text)}</li>" for text in texts)


def _summary(table: pd.DataFrame, tally: tuple[pd.DataFrame, str] | None) -> str:
    """How many grooves, the deepest, and the least wall, in a few sentences."""
    count = {0: "No groove was", 1: "1 groove was"}.get(len(table), f"{len(table)} grooves were")
    said = f"<strong>{count} found.</strong>"
    if len(table):
        worst = table.loc[number := table["max_loss_mm"].idxmax()]
        place = f"{worst['top_m']:.2f} m" if "top_m" in table else f"row {worst['top_row']:.0f}"
        left = f", and {worst['remaining_mm']:.1f} mm remain there" if "remaining_mm" in table else ""
        said += f" The deepest, no. {number} from {place} on, has lost {worst['max_loss_mm']:.1f} mm at most"
        areas = (table["kind"] == "area-like").sum()
        said += f"{left}." + (f" Area-like: {areas}." if areas else "")
    if tally and len(tally[0]):
        worst = tally[0].loc[number := tally[0]["least_wall_mm"].idxmin()]
        said += f" The least wall of all is {worst['least_wall_mm']:.1f} mm, in joint {number}: "
        said += f"{worst['penetration_pct']:.0f} % penetration."
    return said


def _not_assessed(tally: tuple[pd.DataFrame, str] | None, lost: float) -> list[str]:
    """What a signature under this report does not cover."""
    seen = "in the joint tally only" if tally else "nowhere here, since the log gives no thickness of wall"
    return [
        f"Pits: the network does not look for them. They show {seen}.",
        f"Uniform loss of wall: each row counts from its own mean. It shows {seen}.",
        "General corrosion: it may be missing. Where it is called, it stands in the list as area-like.",
        "Faint grooves that are wider than about 60°: the network has learned from narrow ones.",
        "What the tool does not see: cracks, connections, cement, and which side of the wall lost metal.",
        f"{lost:.2%} of the wall, which was not measured.",
    ]


def _unreadable(wall: np.ndarray, place: Callable[[int], str]) -> tuple[str, float]:
    """How many pixels hold no measurement, and the rows of which over half the pixels do not; their share."""
    pieces = (np.asarray(wall[start : start + 50_000]) for start in range(0, len(wall), 50_000))
    share = np.concatenate([np.isnan(piece).mean(axis=1) for piece in pieces])
    said = f"{share.sum() * wall.shape[1]:,.0f} of {wall.size:,} pixels ({share.mean():.2%}) "
    said += "hold no measurement."
    edges = np.flatnonzero(np.diff(np.r_[False, share > 0.5, False].astype(int))).reshape(-1, 2)
    longest = edges[np.sort(np.argsort(edges[:, 0] - edges[:, 1], kind="stable")[:20])]
    places = "; ".join(f"{place(first)} to {place(stop - 1)}" for first, stop in longest)
    more = f" and {len(edges) - 20} shorter ones" if len(edges) > 20 else ""
    return said + (f" Mostly without: {places}{more}." if places else ""), share.mean()


def _table(table: pd.DataFrame) -> str:
    text = {}
    for name, values in table.drop(columns="width_deg" if "width_mm" in table else []).reset_index().items():
        unit = next((unit for unit in UNITS if name.endswith(f"_{unit}")), None)
        written, digits = UNITS.get(unit, ("", 0 if name == table.index.name else 2))
        heading = name.removesuffix(f"_{unit}").replace("_", " ") + (f", {written}" if unit else "")
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
        f"planted in {curve.stretches} stretches of simulated wall without grooves. "
        f"There were {count} false calls in {rows:,} rows of these walls, {count / rows * 10_000:.0f} in "
        f"10,000 (95 % interval {low:.0f} to {high:.0f}). All this holds for walls simulated like those that "
        "the network learned from, and for what it calls by itself. On other walls expect more false calls, "
        "and grooves that must be deeper: the model card says what real walls without grooves showed.</p>"
    ) + _image(figure, "Probability of detection against depth")


def _image(figure: Figure, description: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<div class="wide"><img alt="{description}" src="data:image/png;base64,{data}"></div>'
