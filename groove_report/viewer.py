"""A well to scroll and to zoom, as one HTML file that needs no internet. Notebook 08."""

from pathlib import Path

import numpy as np
import pandas as pd
from bokeh.embed import file_html
from bokeh.layouts import row
from bokeh.models import ColorBar, HoverTool, LinearColorMapper
from bokeh.palettes import Greys256, RdBu11, interp_palette
from bokeh.plotting import figure
from bokeh.resources import INLINE

from helpers.files import replace_atomically

ROWS = 6000  # of the picture: of a longer well each of its rows shows the worst of a few


def write_viewer(
    path: Path,
    thickness: np.ndarray,
    probability: np.ndarray,
    grooves: pd.DataFrame,
    depth: np.ndarray | None = None,
    title: str = "",
) -> None:
    """Write thickness with the numbers of the grooves, and their probability beside it, by depth.

    thickness, probability : (H, W), arrays or memory-mapped files, inches and 0 to 1; NaN is white.
    grooves : a `groove_report`. depth : (H,) metres; without it places are rows. DataError : the file cannot
    be written.
    """
    starts = np.arange(0, len(thickness), -(-len(thickness) // ROWS))
    places, unit = (np.arange(len(thickness)), "row") if depth is None else (depth, "depth, m")
    top, bottom = float(places[0]), float(places[-1])
    wall, likely = np.fmin.reduceat(thickness, starts), np.fmax.reduceat(probability, starts)
    pictures = (
        ("thickness deviation, inch", wall, interp_palette(RdBu11[::-1], 255), -0.06, 0.06),
        ("groove probability", likely, Greys256[::-1], 0, 1),
    )
    plots = []
    for name, image, palette, low, high in pictures:
        ranges = {"x_range": plots[0].x_range, "y_range": plots[0].y_range} if plots else {}
        plot = figure(
            **ranges or {"x_range": (0, 360), "y_range": (bottom, top)},
            **{"title": name, "x_axis_label": "azimuth, °", "y_axis_label": unit},
            **{"tools": "ypan,ywheel_zoom,ybox_zoom,reset", "active_scroll": "ywheel_zoom"},
            **{"height": 760, "min_width": 160, "sizing_mode": "stretch_width"},
        )
        plot.xaxis.ticker = [0, 90, 180, 270, 360]
        mapper = LinearColorMapper(palette, low=low, high=high, nan_color="white")
        drawn = plot.image([image.astype("<f4")], 0, top, 360, bottom - top, color_mapper=mapper)
        tip = [(unit, "$y{0.00}"), ("azimuth", "$x{0}°"), (name, "@image{0.000}")]
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=tip))
        plot.add_layout(ColorBar(color_mapper=mapper), "below")
        plots.append(plot)
    marks = {
        "y": places[grooves["start_row"]],
        "x": grooves["azimuth_deg"],
        "text": grooves.index.astype(str),
    }
    style = {"text_font_size": "12px", "text_baseline": "bottom", "text_align": "center"}
    plots[0].text("x", "y", "text", source=marks, background_fill_color="white", **style)
    with replace_atomically(path) as temporary:
        page = file_html(row(*plots, sizing_mode="stretch_width"), INLINE, title)
        temporary.write_text(page, encoding="utf-8")
