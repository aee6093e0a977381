# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,jupyter,cellView
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 · From a log to a report
#
# An inspection engineer has a log, and wants a list: which grooves, where, how deep, and what the list may have missed. The picture shows the beginning of such a list beside its well.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/08_Groove_report.ipynb)
# **Beyond the review:** [from pixels to grooves](#1-From-pixels-to-grooves) · [how right is it](#2-How-right-is-it?) · [how deep must a groove be](#3-How-deep-must-a-groove-be?) ·
# [your log](#4-Your-log) · [the challenge's submission](#5-The-challenge's-submission) ·
# **Before:** [07 Whole wells](07_Whole_wells.ipynb) · **Next:** [09 The test wells, and what fails in them](09_Test_wells_and_errors.ipynb) · [all notebooks](../README.md#start)

# %% cellView="form" jupyter={"source_hidden": true}
# Setup: find this project around the notebook, nearest first; in Colab, else fetch it.
import os
import sys
from glob import glob

DATA = ""  # the folder of the challenge's files, e.g. "/content/drive/MyDrive/slb"; see the README
files = (f for d in "./ ../ */ ../../ */*/ ../../../ */*/*/".split() for f in glob(d + "py*.toml"))
found = next((f for f in files if '\nname = "corrosion-segmentation"\n' in open(f).read()), None)
git = "git clone --quiet --depth 1 https://github.com/YOUR_ACCOUNT/corrosion-segmentation"
assert found or "google.colab" in sys.modules and not os.system(git), "No project: unpack its zip."
sys.path.insert(0, os.path.abspath(os.path.dirname(found or "corrosion-segmentation/")))
from helpers.notebook import open_notebook

data = open_notebook(DATA)

# %% tags=["nbval-ignore-output"]
import html
import subprocess

import numpy as np
import pandas as pd
from IPython.display import HTML

from groove_report import grooves as report, plots as views, pod
from helpers import plots
from helpers.data import COLUMNS, find_images, load_data, read_labels, wells, write_csv
from helpers.notebook import print_versions, show_code
from helpers.training import checkpoint, runs
from helpers.whole_wells import prediction, submission

print_versions()

# %% tags=["nbval-ignore-output"]
_, images = load_data(data.folder)
shipped, config = checkpoint.load_model(prediction.WEIGHTS, runs.best_device())
thickness = wells.well_from_frame(images, 3)
probability = prediction.predict_well(shipped, thickness, config=config)
found = report.find_calls(probability, thickness, config)
grooves = report.groove_report(found > 0, thickness, probability)

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
judge = read_labels(data.folder / "y_clean.csv") if data.simulated else None
true = None if judge is None else wells.well_from_frame(judge, 3)
shown = grooves.head(4)
last = min(len(found), shown["end_row"].max() + 40)
degrees, depth = wells.column_azimuths(found.shape[1]), np.arange(last) + 0.5
figure, (strip, listed) = plots.plt.subplots(
    1, 2, figsize=(8.5, 8), sharey=True, width_ratios=[3, 5]
)
plots.draw_thickness(strip, thickness[:last], extent=(0, 360, last, 0), aspect="auto")
for mask, style in ((true, plots.LABEL_LINE), (found > 0, plots.PREDICTION_LINE)):
    if mask is not None:
        plots.draw_outline(strip, style, degrees, depth, mask[:last])
strip.set(xlabel="azimuth, °", ylabel="row of the well", xticks=[0, 180, 360])
listed.axis("off")
listed.set_xlim(0, 1)
for call in shown.itertuples():
    listed.vlines(
        0.02, call.start_row, call.end_row, plots.GREEN, linewidth=3
    )  # as long as the call
    listed.text(
        *(0.07, (call.start_row + call.end_row) / 2),
        f"$\\bf{{call\\ {call.Index}}}$   rows {call.start_row:,} to {call.end_row:,}\n"
        f"around {call.azimuth_deg:.0f}°, {call.width_deg:.0f}° wide\n"
        f"loss {call.mean_loss:.3f} on average, {call.max_loss:.3f} at most\n"
        f"confidence {call.confidence:.2f}",
        va="center",
    )
title = "Well 3: its first calls, and what the report says of each"
if data.simulated:
    title = "Well 3: most of the true grooves (black) is called (dashed green), but a faint part is missed"
figure.suptitle(title, fontsize=11)
plots.plt.show()

# %% [markdown]
# In colour is how the wall's thickness differs from the mean of its row; red is thinner. The first call begins where the tool stood still, some fifty rows above the true groove. Below the second call two hundred rows of groove are so faint that the report misses them.
# This page tells how such a list is made, and how far one can rely on it.
#
# ## 1 From pixels to grooves
#
# The network that ships with the project has seen none of these wells ([model card](../data/weights/README.md)). It gives each pixel a probability, and
# [`groove_mask`](07_Whole_wells.ipynb#5-Decide-by-grooves,-not-by-pixels) decides which pixels are groove. An engineer does not list pixels: pieces that nearly touch are one *call*, across the wrap too, and what is shorter than ten rows is none.
# (`find_calls` also lists pieces of which the network is not sure, if they have lost much metal.)

# %%
show_code(report.calls)

# %% [markdown]
# [`groove_report`](../groove_report/grooves.py) then measures each call. The loss is how far its pixels lie below the sound wall around them; the largest is taken so that a single false echo does not count. Losses are in the files' unit, and depth is in rows, since the challenge states neither; a report in millimetres takes
# the unit for inches. The confidence is the mean probability of a call's pixels. It can be below one half, since a call needs only one sure pixel.
#
# ## 2 How right is it?
#
# The grooves of simulated wells are known, so calls can be counted. A true groove is hit if a call overlaps it; a call is right if it overlaps a true groove. All wells but the test wells:

# %% tags=["nbval-ignore-output"]
if data.simulated:
    rows = {}
    for well in sorted(config.train_wells + config.val_wells):
        image = wells.well_from_frame(images, well)
        answer = prediction.predict_well(shipped, image, config=config)
        called = report.find_calls(answer, image, config)
        true = report.calls(wells.well_from_frame(judge, well) > 0.5)
        rows[well] = {
            "true grooves": true.max(),
            "hit": len(np.unique(true[(true > 0) & (called > 0)])),
            "calls": called.max(),
            "right": len(np.unique(called[(true > 0) & (called > 0)])),
        }
    counts = pd.DataFrame(rows).T.rename_axis("well")
    print(pd.concat([counts, counts.sum().to_frame("all").T]).to_string())
else:
    print("The grooves of real wells are not known, so the report cannot be checked.")

# %% [markdown]
# Nearly all true grooves are hit, and every call touches a true groove; one call often covers several of them. To be hit, a groove needs one called pixel; how far a call's ends are off does not count here.
#
# ## 3 How deep must a groove be?
#
# A report must also say what it may have missed. Non-destructive testing uses the *probability of detection* (MIL-HDBK-1823A; Berens 1989): grooves of known depth are planted in a wall that
# has none, each is a hit or a miss, and a logistic curve is fitted to the logarithm of depth. *a90* is the depth at which nine in ten are found, *a90/95* its bound with 95 % confidence.
# `experiments/detection.py` plants seven kinds; two of them, 15° and 60° wide:

# %%
trials = pd.read_csv(prediction.WEIGHTS.with_name("detection.csv"))
names = {"narrow": "15° wide", "wide": "60° wide"}
tables = {name: trials[trials["shape"] == shape] for shape, name in names.items()}
views.show_detection(
    {name: (pod.fit_detection_curve(table), table) for name, table in tables.items()}
)
false = trials.drop_duplicates("columns")[["columns", "wall_rows", "false_calls"]]
print(
    f"{false['false_calls'].sum()} false calls in {false['wall_rows'].sum():,} rows without grooves"
)

# %% [markdown]
# Ticks along the top are hits, along the bottom misses. Wide grooves must be several times as deep as narrow ones to be found. In the same walls, without grooves, the report calls none. A report that called fainter grooves would make some false calls.
#
# These curves hold for simulated wall. In real wall without grooves, wells 9 and 10, grooves must be deeper, and wide ones are often missed: `CORROSEG_DATA=<folder> python experiments/detection.py` prints by how much.
#
# ## 4 Your log
#
# One command reads a DLIS file or a well as `.npy`, and leaves a page to print and sign, a page to scroll and zoom in, and the list as CSV ([how](../docs/running.md#from-a-log-to-a-groove-report)). In Colab, upload your file by the folder sign on the left, and put its name here:

# %% tags=["nbval-ignore-output"]
LOG = ""  # for example "well.dlis"; without one, well 3 of the data at hand
folder = config.runs_dir / "groove_report"
command = [sys.executable, "-m", "groove_report", *([LOG] if LOG else ["--well", "3"])]
command += ["--inner-diameter", "220", "--output", os.path.relpath(folder)]
done = subprocess.run(command, capture_output=True, text=True, check=False)
print(done.stdout, done.stderr[-1000:] if done.returncode else "")
# In Colab, to take it home: from google.colab import files; files.download(f"{folder}/report.html")

# %% [markdown]
# The page to sign as it is, in Jupyter and Colab; a code host does not show it:

# %% tags=["nbval-ignore-output"]
page = html.escape((folder / "report.html").read_text(encoding="utf-8"))
frame = f'<iframe srcdoc="{page}" style="width: 100%; height: 600px"></iframe>'
HTML(f"<div>{frame}</div>")

# %% tags=["nbval-ignore-output"]
pd.read_csv(folder / "grooves.csv", index_col=0).iloc[:4, :9].round(1)

# %% [markdown]
# The page says first what was *not* assessed: pits, uniform loss, what the tool cannot see. A log that gives the wall's thickness, and not only its deviation, gets a *joint tally* too: the least wall of each joint, without any network.
#
# ## 5 The challenge's submission
#
# The challenge wants the masks of a folder of patches as a CSV. From the command line it is `python experiments/predict.py IMAGES CSV`. Every patch gets a mask; unusable pixels are repaired and
# told. Here the patches of the test wells serve as the unlabelled ones:

# %%
names = [name for name in images.index if int(name.split("_")[1]) in config.test_wells]
folder.mkdir(parents=True, exist_ok=True)
write_csv(pd.DataFrame(0, names, COLUMNS), folder / "example.csv")
masks, unusable = submission.predict_folder(
    shipped,
    config,
    find_images(data.folder),
    folder / "example.csv",
    prediction.mask_patches,
)
write_csv(masks, folder / "submission.csv")
assert list(masks.index) == names and set(np.unique(masks)) <= {0, 1}
print(f"{len(masks)} patches x {masks.shape[1]} pixels")
unusable

# %% [markdown]
# ## What we now know
#
# - A report lists grooves, says how deep one must be to be listed, and what it did not look for.
# - On simulated wells like those that the network learned from, nearly all grooves are hit. On real wells nobody has counted.
#
# ## Exercises
#
# 1. Join pieces that are further apart (`groove_report(..., gap=30)`). How many grooves has the report of well 3, and which pieces were joined?
# 2. Write a log of your own with `dliswriter` (`tests/report/test_logs.py` shows how), and have it inspected.
#
# **Next:** [09 The test wells, and what fails in them](09_Test_wells_and_errors.ipynb) · [the list of all review points](README.md)
