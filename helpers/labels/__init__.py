"""What goes wrong, with models and with labels (notebooks 09 and 10).

`errors` says what became of each groove, `places` where, `calibration` how sure a model is; `quality` ranks
suspicious labels, `defects` and `ribbons` find slips of the pen and annotators' styles.
"""
