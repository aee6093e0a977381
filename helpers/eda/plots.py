"""Figures of notebook 01's studies. Each function shows its figure and returns nothing."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns


def show_grey_patches(images: np.ndarray, titles: Sequence[str], columns: int, heading: str) -> None:
    """A grid of 8-bit pictures, (n, H, W), black 0 and white 255."""
    rows = math.ceil(len(images) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.9 * columns, 2.25 * rows), squeeze=False)
    for axis, image, title in zip(axes.flat, images, titles, strict=True):
        axis.axis("off")
        picture = axis.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(title, fontsize=9)
    figure.colorbar(picture, ax=axes, shrink=0.7, pad=0.01).set_label("grey value", fontsize=9)
    figure.suptitle(heading, fontsize=11)
    plt.show()


def show_clusters(features: pd.DataFrame, title: str) -> None:
    """Wells joined by how alike they are (Ward), and their standardised features as colours."""
    # clustermap lays out its own axes
    with plt.rc_context({"figure.constrained_layout.use": False}):
        grid = sns.clustermap(
            features, method="ward", z_score=1, cmap="PuOr_r", center=0, col_cluster=False, figsize=(6.5, 5),
            dendrogram_ratio=(0.2, 0.02), cbar_pos=(1.0, 0.3, 0.03, 0.4),
            cbar_kws={"label": "standard deviations\nfrom the mean of the wells"},
        )  # fmt: skip
        grid.ax_heatmap.set_ylabel("well")
        grid.ax_heatmap.tick_params(axis="y", rotation=0)
        grid.figure.suptitle(title, y=1.03)
    plt.show()
