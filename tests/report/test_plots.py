"""Figures of wells speak of degrees as the report does."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from groove_report import plots as well_plots
from groove_report.grooves import groove_report
from groove_report.pod import groove_shape
from helpers import plots


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
    axis = figure(well_plots.draw_report, -shape, mask, report).axes[0]
    assert outline_and_extent(axis) == (pytest.approx(azimuth), (0, 360))
    assert axis.texts[0].xy[0] == pytest.approx(azimuth)


def test_outlines_follow_a_groove_around_the_pipe_and_what_was_not_measured_is_seen_beside_it():
    mask = groove_shape((400, 36), row=20, azimuth=180, width=40, length=360, drift=100) > 0.5
    wall = np.where(mask, -0.05, 0.0)
    wall[:100] = np.nan
    axis = well_plots.draw_report(wall, mask.astype(int), groove_report(mask, wall)).axes[0]
    corners = np.concatenate([path.vertices for path in axis.collections[0].get_paths()])
    assert corners[:, 0].min() < 5 and corners[:, 0].max() > 355
    for start in range(40, 380, 60):  # it is drawn where the groove is at that depth
        near = corners[np.abs(corners[:, 1] - start) < 1, 0]
        middle = np.rad2deg(np.angle(np.exp(1j * np.deg2rad(near)).mean())) % 360
        assert abs((middle - (180 + (start - 199.5)) + 180) % 360 - 180) < 12
    share = axis.collections[1].get_paths()[0].vertices
    assert share[np.abs(share[:, 1] - 50) < 40, 0].max() == 370
    assert share[np.abs(share[:, 1] - 250) < 40, 0].max() == 410
    plt.close("all")
