"""Find and read the data and print which they are: `python -m helpers.data`."""

from helpers.data import find_data, load_data
from helpers.files import run_from_command_line


def main() -> None:
    source = find_data()
    y, _ = load_data(source.folder)
    print(f"Data: {source.description}. {len(y)} patches in {source.folder}")


if __name__ == "__main__":
    run_from_command_line(main)
