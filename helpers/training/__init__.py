"""Training: the `loop`, `runs` and their state, `checkpoint` files, the `board` for TensorBoard."""

from helpers.training.loop import evaluate, fit, train, train_one_epoch  # noqa: F401
