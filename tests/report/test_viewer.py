"""The page to scroll and zoom in."""

import numpy as np
import pytest

from groove_report.grooves import groove_report
from groove_report.viewer import ROWS, write_viewer
from helpers.files import DataError


def test_the_page_needs_no_internet_and_stays_small_however_long_the_well(tmp_path):
    rng = np.random.default_rng(0)
    thickness = rng.normal(0, 0.01, (3 * ROWS, 36)).astype(np.float32)
    mask = np.zeros(thickness.shape, bool)
    mask[100:200, 3:6] = True
    grooves = groove_report(mask, thickness)
    depth = np.linspace(1000, 1500, len(thickness))
    write_viewer(tmp_path / "well.html", thickness, mask.astype(np.float32), grooves, depth, "a well")
    page = (tmp_path / "well.html").read_text(encoding="utf-8")
    assert '<script src="http' not in page and 'href="http' not in page
    assert len(page) < 5_000_000
    assert "depth, m" in page and "groove probability" in page


def test_a_well_without_grooves_or_depth_has_a_page_too_and_a_bad_place_is_told(tmp_path):
    none = groove_report(np.zeros((40, 36)), np.zeros((40, 36)))
    write_viewer(tmp_path / "well.html", np.zeros((40, 36)), np.zeros((40, 36)), none)
    assert "row" in (tmp_path / "well.html").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="could not be written"):
        (tmp_path / "file").write_text("")
        write_viewer(tmp_path / "file" / "well.html", np.zeros((40, 36)), np.zeros((40, 36)), none)
