"""Schematic drawings of the nine architectures of notebook 03: what they have between input and mask."""

from collections.abc import Callable

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Rectangle

from helpers.plots import BLUE, GREEN, ORANGE

Place = tuple[float, float]  # x to the right in the order of calculation, y upwards: 0 is full height
GREY = "0.45"
HALF = 0.17  # half a box's side


def show_architectures(titles: dict[str, str]) -> None:
    """Draw the networks that have a drawing in `DRAWINGS`.

    Full height (36 rows) is on top, half and a quarter of it below. Boxes are blocks of convolutions.

    Parameters
    ----------
    titles : name of the architecture -> title of its drawing; names without a drawing are passed over.
    """
    titles = {name: title for name, title in titles.items() if name in DRAWINGS}
    figure, axes = plt.subplots(3, 3, figsize=(12, 8))
    for axis, (name, title) in zip(axes.flat, titles.items(), strict=True):
        axis.set(title=title, xlim=(-0.5, 6.5), ylim=(-2.75, 0.65), aspect="equal")
        axis.axis("off")
        DRAWINGS[name](axis)
    marks = {"block on the way down": (BLUE, "s"), "block on the way up": (ORANGE, "s")}
    marks |= {"gate": (GREEN, "D"), "mask": ("black", "*")}
    legend = [Line2D([], [], color=GREY, linestyle="--", label="skip")]
    for label, (colour, marker) in marks.items():
        legend.append(
            Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=9, label=label)
        )
    figure.legend(handles=legend, loc="outside lower center", ncols=5)
    plt.show()


def _box(axis: Axes, place: Place, colour: str, blocks: int = 1, residual: bool = False) -> None:
    """Convolutions, `blocks` of them where their number matters. A residual one has a way around it."""
    x, y = place
    width = 2 * HALF / min(blocks, 2)
    for block in range(blocks):
        corner = x + width * (block - blocks / 2), y - HALF
        axis.add_patch(Rectangle(corner, width, 2 * HALF, facecolor=colour, edgecolor="white", zorder=3))
    if residual:
        _arrow(axis, (x - HALF, y + 0.1), (x + HALF, y + 0.1), bend=-1.3)


def _arrow(axis: Axes, start: Place, end: Place, style: str = "-", bend: float = 0.0, gap: float = 0) -> None:
    axis.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=9, color=GREY, linestyle=style, shrinkA=gap,
            shrinkB=gap, connectionstyle=f"arc3,rad={bend}", zorder=2,
        )
    )  # fmt: skip


def _path(axis: Axes, *places: Place) -> None:
    for start, end in zip(places, places[1:], strict=False):
        _arrow(axis, start, end, gap=9)


def _mask(axis: Axes, place: Place) -> None:
    axis.plot(*place, "*", color="black", markersize=11, zorder=4)


def _u(
    axis: Axes,
    at: float = 0,
    blocks: tuple[int, ...] = (1, 1, 1),
    residual: bool = False,
    gates: bool = False,
) -> dict[str, Place]:
    """A U of two poolings from x = `at` on; returns where its parts stand."""
    down = [(at, 0.0), (at + 0.7, -1.0), (at + 1.4, -2.0)]
    up = [(at + 2.1, -1.0), (at + 2.8, 0.0)]
    for place, count in zip(down, blocks, strict=True):
        _box(axis, place, BLUE, count, residual)
    for place in up:
        _box(axis, place, ORANGE, 1, residual)
    _path(axis, *down, *up)
    for start, end, coarser in ((down[0], up[1], up[0]), (down[1], up[0], down[2])):
        if gates:
            gate = (end[0] - 0.45, end[1])
            axis.plot(*gate, "D", color=GREEN, markersize=7, zorder=4)
            _arrow(axis, coarser, gate, gap=6)
        _arrow(axis, start, end, "--", gap=9)
    return {"down": down, "up": up}


def _unet(axis: Axes) -> None:
    _path(axis, _u(axis)["up"][1], (3.8, 0))
    _mask(axis, (3.8, 0))


def _attention_unet(axis: Axes) -> None:
    _path(axis, _u(axis, gates=True)["up"][1], (3.8, 0))
    _mask(axis, (3.8, 0))


def _resunet(axis: Axes) -> None:
    _path(axis, _u(axis, residual=True)["up"][1], (3.8, 0))
    _mask(axis, (3.8, 0))
    axis.text(4.1, -1.2, "each block has\na way around it", fontsize=10)


def _vgg16_unet(axis: Axes) -> None:
    _path(axis, _u(axis, blocks=(2, 2, 3))["up"][1], (3.8, 0))
    _mask(axis, (3.8, 0))
    axis.text(4.1, -1.2, "VGG16's first\nthree stages", fontsize=10)


def _unetpp(axis: Axes) -> None:
    first = {row: (0.7 * row, -float(row)) for row in range(3)}
    inner, last, middle = (1.6, 0.0), (3.2, 0.0), (2.3, -1.0)
    for place in first.values():
        _box(axis, place, BLUE)
    for place in (inner, middle, last):
        _box(axis, place, ORANGE)
    _path(axis, *first.values())
    for below, above in ((first[1], inner), (first[2], middle), (middle, last)):
        _arrow(axis, below, above, gap=9)
    for start, end, bend in (
        (first[0], inner, 0), (inner, last, 0), (first[1], middle, 0), (first[0], last, -0.35),
    ):  # fmt: skip
        _arrow(axis, start, end, "--", bend, gap=9)
    _path(axis, last, (4.2, 0))
    _mask(axis, (4.2, 0))
    _arrow(axis, inner, (2.2, 0.55), gap=7)
    _mask(axis, (2.2, 0.55))
    axis.text(3.0, -1.9, "skips are networks;\nboth masks are supervised", fontsize=10)


def _ag_curesnest(axis: Axes) -> None:
    first, second = (_u(axis, at, gates=True) for at in (0, 3.2))
    for part in ("down", "up"):
        for start, end in zip(first[part], second[part], strict=True):
            _arrow(axis, start, end, ":", -0.25, gap=8)
    for each in (first, second):
        x, y = each["up"][1]
        _arrow(axis, (x, y), (x + 0.35, 0.6), gap=6)
        _mask(axis, (x + 0.35, 0.6))
    axis.text(0.1, -2.65, "coupled at every level (dotted); two masks", fontsize=10)


def _tokens(axis: Axes, place: Place, extra: int) -> None:
    """Nine squares for the tokens of the image, and those beside them that stand for no place."""
    x, y = place
    for row in range(3):
        for column in range(3):
            corner = (x + 0.22 * (column - 1.5), y + 0.22 * (row - 1.5))
            axis.add_patch(Rectangle(corner, 0.2, 0.2, facecolor=BLUE))
    for number in range(extra):
        axis.add_patch(Rectangle((x + 0.22 * (number - 1), y - 0.62), 0.2, 0.2, facecolor=GREEN))


def _transformer(axis: Axes, extra: int) -> Place:
    _tokens(axis, (0.3, -1.5), extra)
    _tokens(axis, (2.5, -1.5), extra)
    for offset in (-0.3, 0.0, 0.3):
        _arrow(axis, (0.7, -1.5 + offset), (2.1, -1.5 - offset))
        _arrow(axis, (0.7, -1.5 + offset), (2.1, -1.5 + offset))
    axis.text(1.4, -0.95, "12 layers: each\nlooks at all", ha="center", fontsize=10)
    return 2.5, -1.5


def _decoder(axis: Axes, start: Place, height: float, named: str) -> None:
    half, full = (start[0] + 1.1, height - 0.5), (start[0] + 2.0, height)
    _path(axis, start, half, full, (full[0] + 0.9, height))
    for place in (half, full):
        _box(axis, place, ORANGE)
    _mask(axis, (full[0] + 0.9, height))
    axis.text(full[0] + 0.6, height - 0.42, named, fontsize=10)


def _vit(axis: Axes) -> None:
    _decoder(axis, _transformer(axis, 1), -0.2, "")
    axis.text(-0.1, -2.65, "81 tokens of 4 x 4 pixels, and one more (green)", fontsize=10)


def _deit(axis: Axes) -> None:
    end = _transformer(axis, 2)
    _decoder(axis, end, 0.1, "labels")
    _decoder(axis, end, -1.6, "teacher's mask")
    axis.text(-0.1, -2.65, "as ViT, a token more and a second head", fontsize=10)


def _mask_rcnn(axis: Axes) -> None:
    down = [(0.0, 0.0), (0.5, -1.0), (1.0, -2.0)]
    pyramid = [(2.6, -2.0), (2.1, -1.0), (1.6, 0.0)]
    for place in down:
        _box(axis, place, BLUE, residual=True)
    for place in pyramid:
        _box(axis, place, ORANGE)
    _path(axis, *down)
    _path(axis, *pyramid)
    for start, end in zip(down, reversed(pyramid), strict=True):
        _arrow(axis, start, end, "--", gap=9)
    for place in pyramid:
        _arrow(axis, place, (3.7, -0.7), gap=9)
    axis.add_patch(Rectangle((3.7, -1.1), 0.5, 0.8, fill=False, edgecolor=GREEN, linewidth=2))
    axis.text(3.95, -1.5, "box of\na groove", ha="center", va="center", fontsize=10)
    _arrow(axis, (4.2, -0.7), (5.1, -0.7))
    _mask(axis, (5.2, -0.7))
    axis.text(5.3, -0.5, "in the box", ha="center", fontsize=10)


DRAWINGS: dict[str, Callable[[Axes], None]] = {
    "unet": _unet,
    "attention_unet": _attention_unet,
    "resunet": _resunet,
    "unet++": _unetpp,
    "vgg16_unet": _vgg16_unet,
    "ag_curesnest": _ag_curesnest,
    "vit": _vit,
    "deit": _deit,
    "mask_rcnn": _mask_rcnn,
}
