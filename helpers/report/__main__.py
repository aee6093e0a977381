"""The door of `python -m helpers.report`, which is described in `helpers.report.command`."""

from helpers.files import run_from_command_line


def main() -> None:
    from helpers.report import command  # here: it takes seconds, which Ctrl-C may stop as well

    command.main()


if __name__ == "__main__":
    run_from_command_line(main)
