"""Weights from the internet, for those who ask for them: no model downloads any by default."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


class DownloadError(Exception):
    """Pretrained weights were asked for and could not be had."""


@contextmanager
def downloading(name: str, wanted: bool) -> Iterator[None]:
    """Inside, build a model that downloads weights if `wanted`.
    DownloadError : the download failed; says which weights, why, and what to do.
    """
    try:
        # The libraries tell of their progress on either stream, and name folders of this machine.
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            yield
    except Exception as error:  # each library, and the network below it, raises its own kinds
        if not wanted:
            raise
        raise DownloadError(
            f"{name}: the pretrained weights could not be downloaded ({type(error).__name__}: {error}). "
            "They need a connection to the internet; without one, build the model with pretrained=False, "
            "which trains it from scratch."
        ) from error
