"""Comparisons and tuning: many trainings, judged by wells that they have not seen.

`folds` leaves wells out, trains on the others and compares; `tuning` searches settings; `uncertainty` gives
scores their intervals; `plots` shows all of it. The studies themselves are scripts in experiments/.
"""
