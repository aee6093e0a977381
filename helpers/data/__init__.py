"""From files to batches: `load`, `wells`, `synthetic`, `preprocess`, `split`, `transforms`, `dataset`."""

from helpers.data.load import (  # noqa: F401 - what users of the folder ask for first
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
