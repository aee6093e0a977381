"""Files of every kind that users hold: they are read as they are, or refused with a reason."""

import errno
import gzip
import io
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tqdm import tqdm

from helpers import files
from helpers.config import PROJECT_ROOT
from helpers.data import (
    COLUMNS,
    check_same_patches,
    find_images,
    find_labels,
    get_patches_per_well,
    load_data,
    read_images,
    read_labels,
    read_patch,
    write_csv,
)
from helpers.files import DataError, replace_atomically, sorted_names
from helpers.wells import patch_name
from helpers.whole_wells.well_files import open_well

NAMES = ["well_2_patch_0", "well_2_patch_3", "well_2_patch_10", "well_10_patch_1"]  # in the right order
UNORDERED = [NAMES[3], NAMES[2], NAMES[0], NAMES[1]]
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(pattern: str):
    """Expect a DataError whose message holds this pattern."""
    return pytest.raises(DataError, match=pattern)


def some_patch(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.02, (36, 36)).astype(np.float32)


def as_npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def label_frame(names=UNORDERED) -> pd.DataFrame:
    values = np.random.default_rng(1).integers(0, 2, (len(names), 1296), dtype=np.uint8)
    return pd.DataFrame(values, index=list(names), columns=COLUMNS)


def edit_labels(path: Path, old: str, new: str) -> None:
    """Replace the first `old` of a CSV file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def make_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def patch_entries(names=UNORDERED) -> dict[str, bytes]:
    return {f"images/{name}.npy": as_npy(some_patch(i)) for i, name in enumerate(names)}


def files_under(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data folder with images/ and y_train.csv of four patches."""
    folder = tmp_path / "challenge"
    (folder / "images").mkdir(parents=True)
    for name, content in patch_entries().items():
        (folder / name).write_bytes(content)
    label_frame().to_csv(folder / "y_train.csv")
    return folder


@pytest.fixture
def zip_folder(tmp_path) -> Path:
    """A data folder as downloaded: the challenge's zip and y_train.csv."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    make_zip(folder / "X_train_uDRk9z9.zip", patch_entries())
    label_frame().to_csv(folder / "y_train_y9z9.csv")
    return folder


@pytest.fixture
def unpacked(tmp_path) -> Path:
    return tmp_path / "unpacked"


# --- load_data ---------------------------------------------------------------------------------------


def test_load_data_sorts_both_frames_by_well_and_patch_number(folder, unpacked):
    y_train, images_train = load_data(folder, unpacked)
    assert list(y_train.index) == list(images_train.index) == NAMES


def test_load_data_gives_frames_of_the_promised_kind(folder, unpacked):
    y_train, images_train = load_data(folder, unpacked)
    assert set(y_train.dtypes) == {np.dtype("uint8")}
    assert set(images_train.dtypes) == {np.dtype("float32")}
    for frame in (y_train, images_train):
        assert list(frame.columns) == [str(i) for i in range(1296)]
        assert frame.index.name == "patch"


def test_load_data_keeps_every_pixel_in_its_place(folder, unpacked):
    y_train, images_train = load_data(folder, unpacked)
    for i, name in enumerate(UNORDERED):
        assert np.array_equal(images_train.loc[name].to_numpy().reshape(36, 36), some_patch(i))
    pd.testing.assert_frame_equal(y_train, label_frame().loc[NAMES], check_names=False)


def test_load_data_reads_the_zip_like_the_folder(folder, zip_folder, unpacked):
    y_zip, images_zip = load_data(zip_folder, unpacked)
    y_folder, images_folder = load_data(folder, unpacked)
    pd.testing.assert_frame_equal(y_zip, y_folder)
    pd.testing.assert_frame_equal(images_zip, images_folder)


def test_load_data_accepts_folders_as_text(folder, unpacked):
    assert len(load_data(str(folder), str(unpacked))[0]) == 4


def test_load_data_writes_nothing_into_the_data_folder(zip_folder, unpacked):
    before = files_under(zip_folder)
    zip_folder.chmod(0o555)
    try:
        load_data(zip_folder, unpacked)
    finally:
        zip_folder.chmod(0o755)
    assert files_under(zip_folder) == before


def test_load_data_refuses_a_missing_folder(tmp_path, unpacked):
    with refused(r"nowhere: expected a folder .*nothing .*X_train\*\.zip.*y_train"):
        load_data(tmp_path / "nowhere", unpacked)


def test_load_data_refuses_a_file_in_place_of_the_folder(folder, unpacked):
    with refused(r"y_train\.csv: expected a folder .*found a file"):
        load_data(folder / "y_train.csv", unpacked)


def test_load_data_refuses_a_folder_without_labels(folder, unpacked):
    (folder / "y_train.csv").unlink()
    with refused(r"challenge: expected one y_train\*\.csv or .*\.csv\.gz, found none"):
        load_data(folder, unpacked)


def test_load_data_refuses_a_folder_without_images(zip_folder, unpacked):
    (zip_folder / "X_train_uDRk9z9.zip").unlink()
    with refused(r"downloaded: expected images/ or one X_train\*\.zip, found none"):
        load_data(zip_folder, unpacked)


def test_load_data_refuses_images_without_labels_instead_of_dropping_them(folder, unpacked):
    (folder / "images" / "well_3_patch_0.npy").write_bytes(as_npy(some_patch()))
    with refused("Images without label: well_3_patch_0"):
        load_data(folder, unpacked)


def test_a_folder_that_may_not_be_listed_is_named(folder, unpacked):
    with mock.patch.object(Path, "iterdir", side_effect=PermissionError(errno.EACCES, "Permission denied")):
        with refused("challenge: could not be read: Permission denied"):
            load_data(folder, unpacked)


def test_quick_loading_prints_nothing(zip_folder, unpacked, capfd):
    load_data(zip_folder, unpacked)
    assert capfd.readouterr() == ("", "")


def test_slow_loading_shows_its_progress(zip_folder, unpacked, capfd):
    with mock.patch.object(
        files, "tqdm", lambda items, **options: tqdm(items, **options | {"delay": 0, "disable": False})
    ):
        load_data(zip_folder, unpacked)
    shown = capfd.readouterr().err
    assert "Unpacking images" in shown
    assert "Reading images" in shown


# --- find_labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["y_train.csv", "Y_TRAIN_abc.CSV", "y_train_silver.csv.gz"])
def test_labels_are_found_in_any_case_and_compressed(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "y_clean.csv").touch()
    (tmp_path / "y_train.csv.bak").touch()
    (tmp_path / "._y_train.csv").touch()
    (tmp_path / "y_train_folder.csv").mkdir()
    assert find_labels(tmp_path) == tmp_path / name


def test_two_tables_of_labels_are_listed_and_refused(tmp_path):
    (tmp_path / "y_train_old.csv").touch()
    (tmp_path / "y_train_new.csv.gz").touch()
    with refused(r"expected one .*found y_train_new\.csv\.gz, y_train_old\.csv"):
        find_labels(tmp_path)


# --- find_images and the zip -------------------------------------------------------------------------


def test_images_folder_goes_before_the_zip(folder, unpacked):
    make_zip(folder / "X_train.zip", {"not even": b"images"})
    assert find_images(folder, unpacked) == folder / "images"
    assert not unpacked.exists()


def test_zip_is_unpacked_flat_and_without_what_is_not_an_image(tmp_path, unpacked):
    hidden = ("__MACOSX/images/well_2_patch_0.npy", "images/._well_2_patch_0.npy")
    extra = dict.fromkeys([*hidden, "readme.txt"], b"")
    deeper = {"deep/er/well_3_patch_0.npy": as_npy(some_patch())}
    make_zip(tmp_path / "x_TRAIN.ZIP", patch_entries() | extra | deeper)
    found = find_images(tmp_path, unpacked)
    assert files_under(found) == {f"{name}.npy" for name in [*NAMES, "well_3_patch_0"]}
    assert found.parent == unpacked
    assert [path.name for path in unpacked.iterdir()] == [found.name]


def test_zip_is_unpacked_only_once(zip_folder, unpacked):
    first = find_images(zip_folder, unpacked)
    with mock.patch.object(zipfile, "ZipFile", side_effect=AssertionError("the zip was opened again")):
        assert find_images(zip_folder, unpacked) == first


def test_changed_zip_is_unpacked_anew(zip_folder, unpacked):
    first = find_images(zip_folder, unpacked)
    make_zip(zip_folder / "X_train_uDRk9z9.zip", patch_entries(["well_5_patch_0"]))
    second = find_images(zip_folder, unpacked)
    assert files_under(second) == {"well_5_patch_0.npy"}
    assert second != first


def test_zips_of_one_name_in_two_folders_do_not_mix(tmp_path, unpacked):
    for name, patch in (("a", "well_1_patch_0"), ("b", "well_1_patch_1")):
        (tmp_path / name).mkdir()
        archive_path = make_zip(tmp_path / name / "X_train.zip", patch_entries([patch]))
        content = archive_path.read_bytes()
        archive_path.write_bytes(content + bytes(6000 - len(content)))  # both are as long and as old
        os.utime(archive_path, (1_700_000_000, 1_700_000_000))
    assert files_under(find_images(tmp_path / "a", unpacked)) == {"well_1_patch_0.npy"}
    assert files_under(find_images(tmp_path / "b", unpacked)) == {"well_1_patch_1.npy"}


def test_two_zips_are_listed_and_refused(zip_folder, unpacked):
    make_zip(zip_folder / "x_train (1).zip", {})
    with refused(r"expected .*found X_train_uDRk9z9\.zip, x_train \(1\)\.zip"):
        find_images(zip_folder, unpacked)


@pytest.mark.parametrize(
    "entry",
    [
        "../well_1_patch_0.npy",
        "images/../../well_1_patch_0.npy",
        "/well_1_patch_0.npy",
        "..\\well_1_patch_0.npy",
        "C:\\well_1_patch_0.npy",
        "C:/well_1_patch_0.npy",
        "c:well_1_patch_0.npy",
        "../readme.txt",
    ],
)
def test_zip_with_a_path_that_leaves_the_folder_writes_nothing(tmp_path, unpacked, entry):
    make_zip(tmp_path / "X_train.zip", patch_entries() | {entry: as_npy(some_patch())})
    with refused(r"X_train\.zip: nothing was unpacked.*may leave the folder") as caught:
        find_images(tmp_path, unpacked)
    assert repr(entry) in str(caught.value)
    assert files_under(tmp_path) == {"X_train.zip"}


def test_zip_with_a_symbolic_link_writes_nothing(tmp_path, unpacked):
    link = zipfile.ZipInfo("images/well_1_patch_0.npy")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "X_train.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with refused(r"X_train\.zip: nothing .*well_1_patch_0\.npy' is a symbolic link"):
        find_images(tmp_path, unpacked)
    assert files_under(tmp_path) == {"X_train.zip"}


def test_encrypted_zip_is_refused(tmp_path, unpacked):
    path = make_zip(tmp_path / "X_train.zip", patch_entries(["well_1_patch_0"]))
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags, in both headers
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with refused(r"well_1_patch_0\.npy' is encrypted"):
        find_images(tmp_path, unpacked)


def test_two_entries_with_one_file_name_are_refused(tmp_path, unpacked):
    make_zip(tmp_path / "X_train.zip", {"a/well_1_patch_0.npy": b"1", "b/well_1_patch_0.npy": b"2"})
    with refused(r"'b/well_1_patch_0\.npy' has the file name of another entry"):
        find_images(tmp_path, unpacked)


def test_absurdly_large_entry_is_refused_before_it_is_extracted(tmp_path, unpacked):
    make_zip(tmp_path / "X_train.zip", {"well_1_patch_0.npy": bytes(2**20 + 1)})
    with mock.patch.object(zipfile.ZipFile, "open", side_effect=AssertionError("extracted")):
        with refused(r"well_1_patch_0\.npy' has 1,048,577 bytes, where a patch has 5,312"):
            find_images(tmp_path, unpacked)


def test_images_that_are_too_many_bytes_together_are_refused_before_any_is_extracted(tmp_path, unpacked):
    make_zip(tmp_path / "X_train.zip", patch_entries() | {"notes.txt": bytes(10_000)})
    size = 4 * len(as_npy(some_patch()))
    with mock.patch("helpers.files.LARGEST_TOTAL", size):
        find_images(tmp_path, unpacked)
    shutil.rmtree(unpacked)
    with mock.patch("helpers.files.LARGEST_TOTAL", size - 1):
        with mock.patch.object(zipfile.ZipFile, "open", side_effect=AssertionError("extracted")):
            with refused(rf"X_train\.zip: nothing was unpacked.*4 images have {size:,} bytes"):
                find_images(tmp_path, unpacked)
    assert list(unpacked.iterdir()) == []


def test_zip_that_holds_more_than_it_says_is_refused(tmp_path, unpacked):
    """A megabyte that says in both of its headers that it has the size of a patch."""
    path = make_zip(tmp_path / "X_train.zip", {"well_1_patch_0.npy": bytes(2**20)})
    content = path.read_bytes()
    assert content.count((2**20).to_bytes(4, "little")) == 2
    path.write_bytes(content.replace((2**20).to_bytes(4, "little"), (5312).to_bytes(4, "little")))
    with refused(r"X_train\.zip: damaged zip"):
        find_images(tmp_path, unpacked)
    assert list(unpacked.iterdir()) == []


def test_zip_with_an_image_of_another_name_is_refused(tmp_path, unpacked):
    make_zip(tmp_path / "X_train.zip", patch_entries() | {"images/photo.npy": b""})
    with refused(r"X_train\.zip: expected patch names, well_<w>_patch_<p>, found 'photo'"):
        find_images(tmp_path, unpacked)


def test_zip_without_images_is_refused(tmp_path, unpacked):
    make_zip(tmp_path / "X_train.zip", {"readme.txt": b"hi"})
    with refused(r"X_train\.zip: expected well_<w>_patch_<p>\.npy files .*found none"):
        find_images(tmp_path, unpacked)


def test_broken_zip_is_refused(zip_folder, unpacked):
    path = zip_folder / "X_train_uDRk9z9.zip"
    path.write_bytes(path.read_bytes()[:-100])  # as after an interrupted download
    with refused(r"X_train_uDRk9z9\.zip: damaged zip .*Download it again"):
        find_images(zip_folder, unpacked)
    assert files_under(unpacked) == set()


def test_zip_with_a_wrong_checksum_leaves_nothing_behind(tmp_path, unpacked):
    path = tmp_path / "X_train.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in patch_entries().items():
            archive.writestr(name, content)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF  # inside the pixels of a patch
    path.write_bytes(content)
    with refused(r"X_train\.zip: damaged zip \(Bad CRC-32"):
        find_images(tmp_path, unpacked)
    assert list(unpacked.iterdir()) == []


@quick
@given(share=st.floats(0, 0.999), byte=st.integers(0, 255))
def test_zip_with_any_byte_changed_is_unpacked_or_refused(tmp_path_factory, share, byte):
    folder = tmp_path_factory.mktemp("fuzz")
    path = make_zip(folder / "X_train.zip", patch_entries(["well_1_patch_0"]))
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] = byte
    path.write_bytes(content)
    try:
        assert files_under(find_images(folder, folder / "unpacked"))
    except DataError as error:
        assert "X_train.zip" in str(error)


# --- half-written files ------------------------------------------------------------------------------


def fail_at(call: int, error: BaseException, method):
    """Stand in for `method`, with `error` at the given call, as a full disk or Ctrl-C would."""
    calls = iter(range(1, 1000))

    def stand_in(*arguments, **options):
        if next(calls) == call:
            raise error
        return method(*arguments, **options)

    return stand_in


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_interrupted_unpacking_leaves_nothing_and_can_be_repeated(zip_folder, unpacked, error):
    with mock.patch.object(Path, "write_bytes", fail_at(3, error, Path.write_bytes)):
        with pytest.raises((DataError, KeyboardInterrupt)):
            find_images(zip_folder, unpacked)
    assert list(unpacked.iterdir()) == []
    assert len(files_under(find_images(zip_folder, unpacked))) == 4


def test_full_disk_while_unpacking_is_told_with_the_space_left(zip_folder, unpacked):
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        mock.patch.object(Path, "write_bytes", side_effect=full),
        mock.patch("shutil.disk_usage", return_value=mock.Mock(free=1_500_000)),
        refused(r"9z9\.zip: could not be unpacked into .*disk is full, with 1\.5 MB"),
    ):
        find_images(zip_folder, unpacked)


def test_unpacked_folder_that_cannot_be_named_is_told(zip_folder, unpacked):
    with mock.patch.object(Path, "rename", side_effect=OSError(errno.EIO, "Input/output error")):
        with refused(r"9z9\.zip: could not be unpacked into .*unpacked: Input/output error"):
            find_images(zip_folder, unpacked)
    assert list(unpacked.iterdir()) == []


def test_folder_of_a_killed_process_does_not_count(zip_folder, unpacked):
    killed = (
        "import os, sys; from pathlib import Path; from helpers.data import find_images\n"
        "def stop(path, content): open(path, 'wb').write(content[:100]); os._exit(9)\n"
        "Path.write_bytes = stop\n"
        "find_images(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", killed, str(zip_folder), str(unpacked)]
    assert subprocess.run(command, cwd=PROJECT_ROOT, timeout=60).returncode == 9
    assert len(files_under(unpacked)) == 1  # half a patch in a hidden folder
    (left,) = unpacked.iterdir()
    assert len(load_data(zip_folder, unpacked)[1]) == 4
    os.utime(left, (0, 0))
    load_data(zip_folder, unpacked)
    assert not left.exists()  # a day later


def test_two_that_unpack_at_once_both_end_well(zip_folder, unpacked):
    both_done = threading.Barrier(2, timeout=20)
    extract = files._extract

    def extract_and_wait(*arguments):
        extract(*arguments)
        both_done.wait()

    with mock.patch.object(files, "_extract", extract_and_wait):
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(find_images, [zip_folder] * 2, [unpacked] * 2))
    assert found[0] == found[1]
    assert len(files_under(found[0])) == 4
    assert len(list(unpacked.iterdir())) == 1


def test_replaced_file_has_the_new_content_and_no_neighbours(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with replace_atomically(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert files_under(tmp_path) == {"new/file.txt"}


def test_temporary_file_is_hidden_beside_the_target_and_keeps_its_ending(tmp_path):
    with replace_atomically(tmp_path / "well_1_patch_0.npy") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".npy"
        np.save(temporary, some_patch())
    assert read_patch(tmp_path / "well_1_patch_0.npy").shape == (36, 36)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_writing_keeps_the_old_file(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), replace_atomically(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert files_under(tmp_path) == {"file.txt"}


def test_full_disk_while_writing_names_the_file_and_the_space_left(tmp_path):
    with mock.patch("shutil.disk_usage", return_value=mock.Mock(free=200_000)):
        with refused(r"model\.pt: could not be written: the disk is full, with 0\.2 MB"):
            with replace_atomically(tmp_path / "model.pt") as temporary:
                temporary.write_text("half")
                raise OSError(errno.ENOSPC, "No space left on device")
    assert files_under(tmp_path) == set()


def test_target_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "folder" / "y_val.csv").mkdir(parents=True)
    with refused(r"y_val\.csv: expected the name of a file to write, found a folder"):
        write_csv(label_frame(), tmp_path / "folder" / "y_val.csv")


def test_failed_csv_leaves_no_file_and_can_be_repeated(tmp_path):
    path = tmp_path / "y_val.csv"
    with mock.patch("os.replace", side_effect=OSError(errno.EIO, "Input/output error")):
        with refused("Input/output error"):
            write_csv(label_frame(), path)
    assert files_under(tmp_path) == set()
    write_csv(label_frame(), path)
    assert len(read_labels(path)) == 4


def test_written_csv_is_the_challenges_format(tmp_path):
    write_csv(label_frame(), tmp_path / "y.csv")
    lines = (tmp_path / "y.csv").read_bytes().split(b"\n")
    assert lines[0].startswith(b",0,1,2,")
    assert re.fullmatch(rb"well_10_patch_1(,[01]){1296}", lines[1])


@pytest.mark.parametrize("name", ["again.csv", "again.csv.gz"])
def test_written_csv_is_read_back_the_same(name, folder, tmp_path):
    labels = read_labels(folder / "y_train.csv")
    write_csv(labels, tmp_path / name)
    pd.testing.assert_frame_equal(read_labels(tmp_path / name), labels)
    is_gzip = (tmp_path / name).read_bytes().startswith(b"\x1f\x8b")
    assert is_gzip == name.endswith(".gz")


@pytest.mark.parametrize("value", [0.5, 2, -1, np.nan])
def test_only_masks_are_written(value, tmp_path):
    labels = label_frame()
    probabilities = labels.astype(float)
    probabilities.iloc[2, 5] = value
    found = f"expected masks of 0 and 1, found {value:.1f} in {labels.index[2]}"
    with pytest.raises(ValueError, match=found):
        write_csv(probabilities, tmp_path / "y.csv")
    assert files_under(tmp_path) == set()


# --- images ------------------------------------------------------------------------------------------


def test_nan_and_sentinels_are_legal(tmp_path):
    patch = some_patch()
    patch[0, :2] = np.nan, -999.25
    (tmp_path / "well_1_patch_0.npy").write_bytes(as_npy(patch))
    assert np.array_equal(read_patch(tmp_path / "well_1_patch_0.npy"), patch, equal_nan=True)


def test_column_major_patch_is_still_read_by_rows(tmp_path):
    (tmp_path / "well_1_patch_0.npy").write_bytes(as_npy(np.asfortranarray(some_patch())))
    assert np.array_equal(read_images(tmp_path).to_numpy()[0], some_patch().ravel())


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((36, 72), np.float32), r"shape \(36, 72\) of float32"),
        (np.zeros(1296, np.float32), r"shape \(1296,\) of float32"),
        (np.zeros((1, 36, 36), np.float32), r"shape \(1, 36, 36\) of float32"),
        (np.float32(1), r"shape \(\) of float32"),
        (np.zeros((36, 36), np.float64), r"shape \(36, 36\) of float64"),
        (np.zeros((36, 36), np.uint8), r"shape \(36, 36\) of uint8"),
        (np.zeros((36, 36), ">f4"), r"shape \(36, 36\) of >f4"),
    ],
)
def test_array_of_another_shape_or_type_is_refused(tmp_path, array, found):
    path = tmp_path / "well_1_patch_0.npy"
    path.write_bytes(as_npy(array))
    with refused(rf"patch_0\.npy: expected one 36 x 36 array of float32, found {found}"):
        read_patch(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"<html>please log in</html>",
        as_npy(some_patch())[:-1],
        as_npy(some_patch()).replace(b"(36, 36)", b"(36, 3x)"),
        as_npy(some_patch()).replace(b"(36, 36)", b"(36, -1)"),
    ],
    ids=["empty", "only the magic", "a web page", "cut off", "bad header", "negative size"],
)
def test_file_that_numpy_cannot_read_is_refused(tmp_path, content):
    path = tmp_path / "well_1_patch_0.npy"
    path.write_bytes(content)
    with refused(r"patch_0\.npy: expected one 36 x 36 .*a file numpy cannot read"):
        read_patch(path)


def pickled(path: Path) -> None:
    np.save(path, np.array([{"any": "object"}]), allow_pickle=True)


def bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"any": "object"}))


def large_header(path: Path) -> None:
    """A table of so many fields that numpy asks to trust it."""
    np.save(path, np.zeros(1, [(f"field_{number}", "f4") for number in range(1000)]))


@pytest.mark.parametrize("write", [pickled, bare_pickle, large_header])
@pytest.mark.parametrize("read", [read_patch, open_well])
def test_what_numpy_would_load_unsafely_is_refused_without_its_advice(tmp_path, write, read):
    path = tmp_path / "well_1_patch_0.npy"
    write(path)
    with refused(r"well_1_patch_0\.npy: .*expected") as caught:
        read(path)
    assert not re.search("pickle|unsafe|trust|max_header_size", str(caught.value))


def test_bytes_after_the_array_are_refused(tmp_path):
    path = tmp_path / "well_1_patch_0.npy"
    path.write_bytes(as_npy(some_patch()) * 2)
    with refused(r"well_1_patch_0\.npy: expected one .*and bytes after it"):
        read_patch(path)


@quick
@given(place=st.integers(0, 127), byte=st.integers(0, 255))
def test_header_with_any_byte_changed_is_read_or_refused(tmp_path, place, byte):
    content = bytearray(as_npy(some_patch()))
    content[place] = byte
    path = tmp_path / "well_1_patch_0.npy"
    path.write_bytes(content)
    try:
        assert read_patch(path).shape == (36, 36)
    except DataError as error:
        assert "well_1_patch_0.npy" in str(error)


def test_read_images_reads_only_the_asked_patches_in_the_asked_order(folder):
    asked = ["well_10_patch_1", "well_2_patch_0"]
    frame = read_images(folder / "images", asked)
    assert list(frame.index) == asked
    assert np.array_equal(frame.to_numpy()[0], some_patch(0).ravel())


def test_read_images_takes_names_from_a_generator(folder):
    assert list(read_images(folder / "images", (name for name in NAMES)).index) == NAMES


def test_asked_patch_without_a_file_is_named(folder):
    with refused(r"well_2_patch_7\.npy: there is no such file"):
        read_images(folder / "images", ["well_2_patch_7"])


def test_asked_name_that_leaves_the_folder_is_refused(folder):
    with refused(r"expected patch names, .*found '\.\./well_2_patch_0'"):
        read_images(folder / "images", ["../well_2_patch_0"])


def test_hidden_files_and_other_kinds_of_files_are_not_looked_at(folder):
    for name in (".DS_Store", "._well_2_patch_0.npy", ".part-0-well_2_patch_0.npy", "notes.txt", "view.png"):
        (folder / "images" / name).write_bytes(b"\0")
    assert list(read_images(folder / "images").index) == NAMES


@pytest.mark.parametrize(
    "name", ["well_2_patch_0 (1).npy", "x.npy", "well_2_patch_4.NPY", "well_2_patch_04.npy"]
)
def test_image_file_of_another_name_is_refused(folder, name):
    (folder / "images" / name).write_bytes(as_npy(some_patch()))
    with refused(r"images: expected patch names, well_<w>_patch_<p>, found") as caught:
        read_images(folder / "images")
    assert repr(name.removesuffix(".npy")) in str(caught.value)


def test_empty_folder_of_images_is_refused(tmp_path):
    with refused(r"expected well_<w>_patch_<p>\.npy files, found none"):
        read_images(tmp_path)


def test_missing_folder_of_images_is_refused(tmp_path):
    with refused("nowhere: expected a folder with images, found nothing"):
        read_images(tmp_path / "nowhere")


# --- labels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".CSV.GZ"])
def test_labels_are_read_plain_and_compressed(tmp_path, suffix):
    path = tmp_path / f"y_train{suffix}"
    label_frame().to_csv(path, compression="gzip" if "gz" in suffix.lower() else None)
    pd.testing.assert_frame_equal(read_labels(path), label_frame().loc[NAMES], check_names=False)


def test_labels_may_be_written_as_floats(tmp_path):
    label_frame().astype(float).to_csv(tmp_path / "y_train.csv")
    labels = read_labels(tmp_path / "y_train.csv")
    assert set(labels.dtypes) == {np.dtype("uint8")}
    assert (labels == label_frame().loc[NAMES]).all(axis=None)


def test_missing_and_unknown_columns_are_named(folder):
    edit_labels(folder / "y_train.csv", ",7,8,9,", ",7,eight,9,")
    with refused(r"y_train\.csv: .*0 \.\.\. 1295.*Missing: 8\. Doubled or unknown: eight\."):
        read_labels(folder / "y_train.csv")


def test_doubled_column_is_named(folder):
    edit_labels(folder / "y_train.csv", ",7,8,9,", ",7,7,9,")
    with refused(r"Missing: 8\. Doubled or unknown: 7\."):
        read_labels(folder / "y_train.csv")


def test_surplus_column_is_named(tmp_path):
    label_frame().assign(**{"1296": 0}).to_csv(tmp_path / "y_train.csv")
    with refused(r"found 1297 columns\. Missing: none\. Doubled or unknown: 1296\."):
        read_labels(tmp_path / "y_train.csv")


def test_columns_out_of_order_are_refused(folder):
    edit_labels(folder / "y_train.csv", ",7,8,9,", ",8,7,9,")
    with refused("expected the columns 0 ... 1295 in this order"):
        read_labels(folder / "y_train.csv")


def test_labels_without_names_are_refused(tmp_path):
    label_frame().to_csv(tmp_path / "y_train.csv", index=False)
    with refused(r"after the patch names, found 1295 columns\. Missing: 0"):
        read_labels(tmp_path / "y_train.csv")


@pytest.mark.parametrize("row", [0, 2])
def test_row_with_a_surplus_value_is_refused(folder, row):
    edit_labels(folder / "y_train.csv", f"\n{UNORDERED[row]},", f"\n{UNORDERED[row]},0,")
    with refused(r"y_train\.csv: not a readable CSV file.*saw 1298"):
        read_labels(folder / "y_train.csv")


def test_row_with_a_missing_value_is_refused(folder):
    path = folder / "y_train.csv"
    path.write_text(re.sub(r"(?<=\nwell_2_patch_0),[01]", "", path.read_text()))
    with refused("in 1 cells of 1 patches, first in well_2_patch_0 column 1295"):
        read_labels(path)


def test_doubled_patch_is_named(tmp_path):
    label_frame([*UNORDERED, "well_2_patch_3"]).to_csv(tmp_path / "y_train.csv")
    with refused(r"y_train\.csv: expected one row a patch, found several for well_2_patch_3\."):
        read_labels(tmp_path / "y_train.csv")


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "", "yes", "True", "nan", "inf", "1e400", str(10**30)])
def test_value_other_than_0_and_1_is_named(tmp_path, value):
    frame = label_frame().astype(object)
    frame.loc["well_2_patch_3", "17"] = value
    frame.to_csv(tmp_path / "y_train.csv")
    with refused(r"csv: expected 0 or 1 .*1 cells of 1 patches, .*well_2_patch_3 column 17"):
        read_labels(tmp_path / "y_train.csv")


def test_values_of_true_and_false_are_refused(tmp_path):
    label_frame().astype(bool).to_csv(tmp_path / "y_train.csv")
    with refused("expected 0 or 1 everywhere, found something else in 5184 cells"):
        read_labels(tmp_path / "y_train.csv")


@pytest.mark.parametrize("name", ["", "7", "well_2", "well_02_patch_1", "well_2_patch_1.npy"])
def test_row_of_another_name_is_refused(tmp_path, name):
    label_frame([*UNORDERED, name]).to_csv(tmp_path / "y_train.csv")
    with refused(rf"y_train\.csv: expected patch names, .*found '{name or 'nan'}'"):
        read_labels(tmp_path / "y_train.csv")


@quick
@given(st.text(max_size=30))
def test_no_other_text_passes_for_a_patch_name(name):
    if re.fullmatch(r"well_(0|[1-9][0-9]*)_patch_(0|[1-9][0-9]*)", name):
        return
    with refused("somewhere: expected patch names"):
        sorted_names([*NAMES, name], Path("somewhere"))


def test_only_the_first_wrong_names_are_listed():
    with refused(r"found 'a', 'b', 'c', 'd', 'e' and 3 more\."):
        sorted_names("abcdefgh", Path("somewhere"))


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_file_of_labels_is_refused(tmp_path, rows):
    (tmp_path / "y_train.csv").write_text(("," + ",".join(COLUMNS) + "\n") * rows)
    with refused(r"y_train\.csv: (not a readable CSV|expected a row for each patch)"):
        read_labels(tmp_path / "y_train.csv")


def test_file_that_is_not_gzip_is_refused(folder):
    (folder / "y_train.csv").rename(folder / "y_train.csv.gz")
    with refused(r"y_train\.csv\.gz: not a readable CSV file.*[Nn]ot a gzip"):
        read_labels(folder / "y_train.csv.gz")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_gzip_is_refused(folder, share):
    content = gzip.compress((folder / "y_train.csv").read_bytes())
    (folder / "y_train.csv.gz").write_bytes(content[: int(share * len(content))])
    with refused(r"y_train\.csv\.gz: not a readable CSV file of labels"):
        read_labels(folder / "y_train.csv.gz")


def test_damaged_gzip_is_refused(folder):
    content = bytearray(gzip.compress((folder / "y_train.csv").read_bytes()))
    content[len(content) // 2 : len(content) // 2 + 20] = bytes(20)
    (folder / "y_train.csv.gz").write_bytes(content)
    with refused(r"y_train\.csv\.gz: "):
        read_labels(folder / "y_train.csv.gz")


def test_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "y_train.csv").write_bytes(gzip.compress(b"a,b"))
    with refused(r"y_train\.csv: not a readable CSV file of labels"):
        read_labels(tmp_path / "y_train.csv")


def test_missing_file_of_labels_is_named(tmp_path):
    with refused(r"y_train\.csv: not a readable CSV file of labels \(No such file"):
        read_labels(tmp_path / "y_train.csv")


# --- images and labels together ----------------------------------------------------------------------


def frame_of(counts: dict[int, int]) -> pd.DataFrame:
    """An empty table with so many patches of each well."""
    return pd.DataFrame(index=[patch_name(well, i) for well, n in counts.items() for i in range(n)])


PATCHES = (166, 616, 1774, 59, 98, 964, 1654, 78, 166, 80, 1512, 44, 1905, 355, 203)
CORRECTED = dict(enumerate(PATCHES, start=1))


def test_same_patches_in_another_order_pass():
    check_same_patches(frame_of({1: 3, 2: 2}), frame_of({1: 3, 2: 2}).iloc[::-1])


def test_corrected_download_passes():
    check_same_patches(frame_of(CORRECTED), frame_of(CORRECTED))


def test_different_patches_are_told_by_well_and_by_name():
    with pytest.raises(DataError) as caught:
        check_same_patches(frame_of({1: 3, 4: 2}), frame_of({1: 5, 2: 1}))
    lines = [" ".join(line.split()) for line in str(caught.value).splitlines()]
    assert lines == [
        "Images and labels do not fit together: 6 images, 5 rows of labels.",
        "well images labels images without label labels without image",
        "1 5 3 2 0",
        "2 1 0 1 0",
        "4 0 2 0 2",
        "Images without label: well_1_patch_3, well_1_patch_4, well_2_patch_0",
        "Labels without image: well_4_patch_0, well_4_patch_1",
        "Put images and labels of one download together; never keep only the names they have in common.",
    ]


def test_doubled_patch_does_not_pass():
    y = frame_of({1: 2})
    with refused("3 images, 2 rows of labels"):
        check_same_patches(y, pd.concat([y, y.iloc[:1]]))


def test_well_0_of_the_labels_reaches_the_table(folder, unpacked):
    label_frame([*UNORDERED, "well_0_patch_3"]).to_csv(folder / "y_train.csv")
    with refused("Labels without image: well_0_patch_3"):
        load_data(folder, unpacked)


FIRST_IMAGES = CORRECTED | {11: 1508}
FIRST_LABELS = {0: 166} | CORRECTED | {1: 616}


@pytest.mark.parametrize(
    ("labels", "images"),
    [
        (FIRST_LABELS, FIRST_IMAGES),
        (FIRST_LABELS, CORRECTED),
        (CORRECTED, FIRST_IMAGES),
        (FIRST_IMAGES, FIRST_IMAGES),
    ],
    ids=["both", "only labels", "only images", "common names of both"],
)
def test_first_download_is_recognised(labels, images):
    with refused("first download.*corrected.*challenge 144 on challengedata.ens.fr"):
        check_same_patches(frame_of(labels), frame_of(images))


def test_table_of_the_first_download_shows_what_is_false():
    with refused("9670 images, 10290 rows of labels") as caught:
        check_same_patches(frame_of(FIRST_LABELS), frame_of(FIRST_IMAGES))
    rows = [line.split() for line in str(caught.value).splitlines()[2:18]]
    assert rows[0] == ["0", "0", "166", "0", "166"]
    assert rows[1] == ["1", "166", "616", "0", "450"]
    assert rows[11] == ["11", "1508", "1512", "0", "4"]


def test_patches_per_well_are_counted_and_printed(capsys):
    counts = get_patches_per_well(name for name in UNORDERED)
    assert counts == Counter({2: 3, 10: 1})
    assert capsys.readouterr().out.splitlines() == [
        "Well 2: 3 patches",
        "Well 10: 1 patch",
        "Wells in total: 2",
        "Patches in total: 4",
    ]


def test_patches_per_well_refuses_another_name():
    with pytest.raises(ValueError, match="'well_x_patch_1' is not a patch name"):
        get_patches_per_well(["well_1_patch_0", "well_x_patch_1"])
