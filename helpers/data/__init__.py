"""From files to batches: `load`, `wells`, `synthetic`, `preprocess`, `split`, `transforms`, `dataset`."""

from helpers.data.load import (
    COLUMNS,
    DataSource,
    find_data,
    find_images,
    find_labels,
    get_patches_per_well,
    load_data,
    read_images,
    read_labels,
    write_csv,
)

__all__ = [
    "COLUMNS",
    "DataSource",
    "find_data",
    "find_images",
    "find_labels",
    "get_patches_per_well",
    "load_data",
    "read_images",
    "read_labels",
    "write_csv",
]
