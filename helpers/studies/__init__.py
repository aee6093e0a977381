"""Comparisons and tuning: many trainings, judged by wells that they have not seen.

`folds` leaves wells out, trains on the others and scores; `learning_curves` follows architectures and losses
epoch by epoch; `tuning` searches settings; `uncertainty` gives scores their intervals; `final_evaluation`
opens the test wells once and writes it down; `plots` shows all of it.
"""
