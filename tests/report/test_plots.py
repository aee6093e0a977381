"""Figures of wells speak of degrees as the report does."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import plots
from helpers.report import plots as well_plots
from helpers.report.grooves import groove_report
from helpers.report.pod import groove_shape


@pytest.fixture
def figure(monkeypatch):
    """The figure that a function would show."""
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("agg")

    def of(function, *arguments) -> plt.Figure:
        function(*arguments)
        return plt.gcf()

    yield of
    plt.close("all")


def outline_and_extent(axis: plt.Axes) -> tuple[float, tuple[float, float]]:
    """Middle of the outline and the ends of the picture, in degrees."""
    path = np.concatenate([path.vertices for path in axis.collections[0].get_paths()])
    return (path[:, 0].min() + path[:, 0].max()) / 2, tuple(axis.images[0].get_extent()[:2])


@pytest.mark.parametrize("columns", [36, 72])
@pytest.mark.parametrize("azimuth", [90, 180])
def test_a_groove_is_drawn_where_it_was_planted(figure, columns, azimuth):
    shape = groove_shape((100, columns), row=20, azimuth=azimuth, width=45, length=60)
    mask = (shape > 0.5).astype(np.uint8)
    report = groove_report(mask, -shape)
    strips = figure(plots.show_well_strips, {"well": -shape}, {"well": mask})
    assert outline_and_extent(strips.axes[0]) == (pytest.approx(azimuth), (0, 360))
    axis = figure(well_plots.show_report, -shape, report, "title").axes[0]
    box = axis.patches[0]
    assert box.get_x() + box.get_width() / 2 == pytest.approx(azimuth)
    assert (box.get_y(), box.get_height()) == (report.loc[1, "start_row"], report.loc[1, "length_rows"])
    assert axis.images[0].get_extent()[:2] == [0, 360] and axis.texts[0].xy[0] == pytest.approx(azimuth)
