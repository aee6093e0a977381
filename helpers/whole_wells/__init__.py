"""Wells of any length, from assembled images to probabilities (notebooks 07 and 08).

`sections` are what networks learn from, `simulation` makes wells to learn from, `prediction` slides down a
well, `well_files` keeps wells on disk, `geometry` says what a well is. `groove_report` lists their grooves.
"""
