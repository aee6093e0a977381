"""The door of `python -m groove_report`, which is described in `groove_report.command`."""

from importlib import import_module

from helpers.files import run_from_command_line

if __name__ == "__main__":  # the import comes late: it takes seconds, which Ctrl-C may stop as well
    run_from_command_line(lambda: import_module("groove_report.command").main())
