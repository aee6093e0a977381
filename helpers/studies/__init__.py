"""Comparisons and tuning: many trainings, judged by wells that they have not seen.

`held_out` trains on some wells and scores on others, `learning_curves` follows architectures and losses,
`hyperparameters` and `optuna_study` search settings, `final_evaluation` asks the test wells and writes it
down.
"""
