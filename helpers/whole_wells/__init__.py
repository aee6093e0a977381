"""Wells of any length, from assembled images to a report (notebooks 07 and 08).

`sections` are what networks learn from, `simulation` makes wells to learn from, `prediction` slides down a
well, `report` lists its grooves, `pod` says how deep they must be, `well_files` keeps wells on disk,
`geometry` says what a well is.
"""
