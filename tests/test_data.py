"""Files of every kind that users hold: they are read as they are, or refused with one clear reason."""

import errno
import gzip
import io
import os
import pickle
import re
import shutil
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from helpers.data import (
    COLUMNS,
    find_data,
    find_images,
    find_labels,
    load_data,
    read_images,
    read_labels,
    write_csv,
)
from helpers.data.load import PATCHES, check_same_patches, read_patch
from helpers.data.wells import patch_name
from helpers.files import DataError
from helpers.whole_wells.well_files import open_well

NAMES = ["well_2_patch_0", "well_2_patch_3", "well_2_patch_10", "well_10_patch_1"]  # in the right order
UNORDERED = [NAMES[3], NAMES[2], NAMES[0], NAMES[1]]
DENIED = PermissionError(errno.EACCES, "Permission denied")


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
    folder = tmp_path / "{my} {0} %s wells" / "challenge"
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
    make_zip(folder / "X_train.zip", patch_entries())
    label_frame().to_csv(folder / "y_train_y9z9.csv")
    return folder


@pytest.mark.parametrize("kind", ["folder", "zip_folder"])
def test_load_data_gives_sorted_frames_with_every_pixel_in_its_place(kind, request):
    source = request.getfixturevalue(kind)
    before = files_under(source)
    y_train, images_train = load_data(str(source))
    for frame, dtype in ((y_train, np.uint8), (images_train, np.float32)):
        assert set(frame.dtypes) == {np.dtype(dtype)}
        assert list(frame.columns) == [str(i) for i in range(1296)]
        assert (frame.index.name, list(frame.index)) == ("patch", NAMES)
    for i, name in enumerate(UNORDERED):
        assert np.array_equal(images_train.loc[name].to_numpy().reshape(36, 36), some_patch(i))
    pd.testing.assert_frame_equal(y_train, label_frame().loc[NAMES], check_names=False)
    assert files_under(source) == before  # images/ goes before a zip, which may hold anything
    make_zip(source / "X_train_2.zip" if kind == "folder" else source / "notes.zip", {"not": b"images"})
    pd.testing.assert_frame_equal(load_data(source)[1], images_train)


def test_load_data_warns_of_other_units(folder):
    for path in folder.glob("images/*.npy"):
        np.save(path, 10 * np.load(path))
    with pytest.warns(UserWarning, match="other units.*found well 2 .*, well 10 "):
        load_data(folder)


def write_labels(*names: str):
    return lambda folder: label_frame([*UNORDERED, *names]).to_csv(folder / "y_train.csv")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, r"challenge: expected a folder .*nothing .*X_train\*\.zip.*y_train"),
        (lambda f: f.rename(f.with_name("x")) and f.touch(), "challenge: expected a folder .*found a file"),
        (lambda f: (f / "y_train.csv").unlink(), r"expected one y_train\*\.csv or .*\.csv\.gz, found none"),
        (lambda f: (f / "y_train2.csv").touch(), r"expected one .*found y_train\.csv, y_train2\.csv"),
        (lambda f: shutil.rmtree(f / "images"), r"expected images/ or one X_train\*\.zip, found none"),
        (lambda f: np.save(f / "images/well_3_patch_0", some_patch()), "Images without label: well_3_pat"),
        (lambda f: (f / "images" / f"{NAMES[1]}.npy").unlink(), f"Labels without image: {NAMES[1]}"),
        (lambda f: [path.unlink() for path in f.glob("images/*")], r"images: expected well_.*, found none"),
        (write_labels("well_0_patch_3"), "Labels without image: well_0_patch_3"),
        *((write_labels(name), rf"y_train\.csv: '{name}' is not a patch name: expected well_<w>_patch_<p>")
          for name in ("", "7", "well_2", "well_02_patch_1", "well_2_patch_1.npy", f"well_{9**20}_patch_1")),
    ],
)  # fmt: skip
def test_a_folder_that_does_not_hold_together_is_refused(folder, spoil, said):
    spoil(folder)
    with refused(said):
        load_data(folder)


def test_what_cannot_be_looked_into_is_not_taken_for_none(config, tmp_path, monkeypatch):
    for read in (find_data, lambda: load_data(tmp_path / ("x" * 300))):
        monkeypatch.setenv("CORROSEG_DATA", "x" * 300)
        with refused("xxx: could not be read: File name too long"):
            read()
    monkeypatch.delenv("CORROSEG_DATA")
    config.raw_dir.mkdir()
    with mock.patch("os.listdir", side_effect=DENIED), refused("raw: could not be read: Permission denied"):
        find_data(config)


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "well_1_patch_0.npy")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("well_1_patch_0.npy", "zero.csv"):
        with refused(f"{name}: expected a file, found a pipe or a device"):
            read_labels(tmp_path / name)
    with refused("well_1_patch_0.npy: there is no such file"):
        read_images(tmp_path, ["well_1_patch_0"])


@pytest.mark.parametrize("name", ["y_train.csv", "Y_TRAIN_abc.CSV", "y_train_silver.csv.gz"])
def test_labels_are_found_in_any_case_and_compressed(tmp_path, name):
    for other in (name, "y_clean.csv", "y_train.csv.bak", "._y_train.csv"):
        (tmp_path / other).touch()
    (tmp_path / "y_train_folder.csv").mkdir()
    assert find_labels(tmp_path) == tmp_path / name


@pytest.mark.parametrize(
    "path", ["", "deep/er/", "../", "images/../../", "/", "..\\", "C:\\", "C:/", "/etc/"], ids=repr
)
def test_images_are_read_by_their_names_alone_and_nothing_is_written(tmp_path, path):
    hidden = ("__MACOSX/well_2_patch_0.npy", "images/._well_2_patch_0.npy", "../readme.txt", "photo.png")
    further = {f"{path}well_3_patch_0.npy": as_npy(some_patch(4))}
    make_zip(tmp_path / "x_TRAIN.ZIP", patch_entries() | dict.fromkeys(hidden, b"") | further)
    images = read_images(find_images(tmp_path))
    assert list(images.index) == [*NAMES[:3], "well_3_patch_0", NAMES[3]]
    assert np.array_equal(images.loc["well_3_patch_0"], some_patch(4).ravel())
    assert files_under(tmp_path) == {"x_TRAIN.ZIP"}


def encrypted(content: bytes) -> bytes:
    content = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags, in both headers
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def with_a_wrong_byte(content: bytes) -> bytes:
    return content[:1000] + bytes([content[1000] ^ 0xFF]) + content[1001:]


A_PATCH = as_npy(some_patch())


@pytest.mark.parametrize(
    ("entries", "change", "said"),
    [
        (patch_entries(), encrypted, r"well_10_patch_1\.npy: .*encrypted"),
        (patch_entries(), lambda content: content[:-100], r"damaged zip, download it again \(.*\)\."),
        (patch_entries(), with_a_wrong_byte, r"well_10_patch_1\.npy: .*cannot read"),
        ({"well_1_patch_0.npy": b"/etc/passwd"}, bytes, "a file numpy cannot read"),
        ({"a/well_1_patch_0.npy": b"1", "b/well_1_patch_0.npy": b"2"}, bytes, "well_1_patch_0.npy twice"),
        ({"images/photo.npy": b""}, bytes, "'photo' is not a patch name: expected well_<w>_patch_<p>"),
        ({"readme.txt": b"hi"}, bytes, r"expected well_<w>_patch_<p>\.npy files, found none"),
    ],
)
def test_a_zip_of_another_kind_is_refused(tmp_path, entries, change, said):
    path = make_zip(tmp_path / "X_train.zip", entries)
    path.write_bytes(change(path.read_bytes()))
    with refused(rf"X_train\.zip.*{said}"):
        read_images(path)


def test_nan_and_sentinels_are_legal_and_column_major_files_are_read_by_rows(tmp_path):
    patch = some_patch()
    patch[0, :2] = np.nan, -999.25
    np.save(tmp_path / "well_1_patch_0.npy", np.asfortranarray(patch))
    assert np.array_equal(read_images(tmp_path).to_numpy()[0], patch.ravel(), equal_nan=True)


CAST = r"\. Save thickness before it is rounded .*`\.astype\(np\.float32\)`"
OTHER_ARRAYS = [
    ((36, 72), np.float32, r"\(36, 72\) of float32"),
    ((), np.float32, r"\(\) of float32"),
    ((36, 36), np.float64, rf"\(36, 36\) of float64{CAST}"),
    ((36, 36), ">f4", rf"\(36, 36\) of >f4{CAST}"),
    ((36, 36), np.uint8, rf"\(36, 36\) of uint8{CAST}"),
]
UNREADABLE = [b"", b"\x93NUMPY", b"<html>please log in</html>", A_PATCH[:-1]]
UNREADABLE += [A_PATCH.replace(b"(36, 36)", shape) for shape in (b"(36, 3x)", b"(36, -1)")]


@pytest.mark.parametrize(
    ("content", "found"),
    [(as_npy(np.zeros(shape, dtype)), f"shape {found}") for shape, dtype, found in OTHER_ARRAYS]
    + [(content, "a file numpy cannot read") for content in UNREADABLE]
    + [(A_PATCH * 2, "and bytes after it")],
)
def test_what_is_no_patch_of_float32_is_refused(tmp_path, content, found):
    path = tmp_path / "well_1_patch_0.npy"
    path.write_bytes(content)
    with refused(rf"patch_0\.npy: expected one 36 x 36 array of float32, found .*{found}"):
        read_patch(path)


class Exploit:
    def __reduce__(self):
        return (open, ("owned", "w"))


MANY_FIELDS = np.zeros(1, [(f"field_{number}", "f4") for number in range(1000)])


@pytest.mark.parametrize("array", [np.array([Exploit()]), MANY_FIELDS, None])
@pytest.mark.parametrize("read", [read_patch, open_well])
def test_what_numpy_would_load_unsafely_is_refused_without_its_advice(tmp_path, array, read, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "well_1_patch_0.npy"
    path.write_bytes(pickle.dumps(Exploit()) if array is None else as_npy(array))
    with refused(r"well_1_patch_0\.npy: .*expected") as caught:
        read(path)
    assert not re.search("pickle|unsafe|trust|max_header_size", str(caught.value))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("kind", ["folder", "zip_folder"])
def test_asked_patches_are_read_in_the_asked_order_and_one_that_is_not_there_is_named(kind, request):
    place = find_images(request.getfixturevalue(kind))
    asked = ["well_10_patch_1", "well_2_patch_0"]
    frame = read_images(str(place), (name for name in asked))
    assert list(frame.index) == asked
    assert np.array_equal(frame.to_numpy()[0], some_patch(0).ravel())
    with refused("(images|X_train.zip)/well_2_patch_7.npy: there is no such file"):
        read_images(place, ["well_2_patch_7"])
    with refused(r"'\.\./well_2_patch_0' is not a patch name"):
        read_images(place, ["../well_2_patch_0"])


@pytest.mark.parametrize(
    "name", ["well_2_patch_0 (1).npy", "x.npy", "well_2_patch_4.NPY", "well_2_patch_04.npy"]
)
def test_an_image_of_another_name_is_refused_and_other_files_are_not_looked_at(folder, name):
    for other in (".DS_Store", "._well_2_patch_0.npy", ".part-0-well_2_patch_0.npy", "notes.txt", "view.png"):
        (folder / "images" / other).write_bytes(b"\0")
    assert list(read_images(folder / "images").index) == NAMES
    (folder / "images" / name).write_bytes(A_PATCH)
    with refused(rf"images: {re.escape(repr(name.removesuffix('.npy')))} is not a patch name"):
        read_images(folder / "images")


SPREADSHEET = {"quoting": 2, "lineterminator": "\r\n", "encoding": "utf-8-sig"}  # a mark in front, quotes


@pytest.mark.parametrize(
    ("suffix", "dtype", "how"),
    [(".csv", np.uint8, {}), (".csv", float, {}), (".csv.gz", float, {}), (".csv", np.uint8, SPREADSHEET)]
    + [(".CSV.GZ", np.uint8, {"compression": "gzip"})],
)
def test_labels_are_read_plain_compressed_as_floats_and_from_a_spreadsheet(tmp_path, suffix, dtype, how):
    path = tmp_path / f"y_train{suffix}"
    label_frame().astype(dtype).to_csv(path, **how)
    pd.testing.assert_frame_equal(read_labels(path), label_frame().loc[NAMES], check_names=False)


def swap(old: str, new: str):
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swap(",7,8,9,", ",7,eight,9,"), r"0 \.\.\. 1295 after the names.*1296, first eight in place of 8\."),
        (swap(",1295", ",1295,1296"), r"found 1297, first 1296 in place of nothing\."),
        (swap(",", ""), r"found 1295, first 1 in place of 0\."),
        (lambda text: text.replace(",", ";"), "with commas between them; found 0, "),
        (lambda text: "", "found 0, first nothing in place of 0"),
        (lambda text: text.splitlines()[0], "expected a row for each patch, found none"),
        (swap(f"{UNORDERED[0]},", f"{UNORDERED[0]},0,"), f"row of {UNORDERED[0]}: expected 1296.*found 1297"),
        (lambda text: text[:-2], r"expected 0 or 1, found '' in column 1295 and 0 more"),
        (lambda text: text[:-3], f"row of {UNORDERED[3]}: expected 1296 values, one a pixel, found 1295"),
        (lambda text: text + text.splitlines()[2], f"one row a patch, found several for {UNORDERED[1]}"),
    ],
)
def test_a_table_that_is_not_the_challenges_is_refused(folder, change, said):
    path = folder / "y_train.csv"
    path.write_text(change(path.read_text()))
    with refused(rf"y_train\.csv.*{said}"):
        read_labels(path)


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "", "yes", "True", "nan", "inf", "1e400", str(10**30)])
def test_value_other_than_0_and_1_is_named(tmp_path, value):
    frame = label_frame().astype(object)
    frame.loc["well_2_patch_3", "17"] = value
    frame.to_csv(tmp_path / "y_train.csv")
    with refused(r"csv, row of well_2_patch_3: expected 0 or 1, found .* in column 17 and 0 more") as caught:
        read_labels(tmp_path / "y_train.csv")
    assert value[:20] in str(caught.value)


def zeroed(content: bytes) -> bytes:
    return content[: len(content) // 2] + bytes(20) + content[len(content) // 2 + 20 :]


@pytest.mark.parametrize(
    "spoil", [gzip.decompress, zeroed, lambda c: c[:50], lambda c: c[: len(c) // 2], lambda c: c[:-9]]
)
def test_damaged_gzip_is_refused(folder, spoil):
    path = folder / "y_train.csv.gz"
    path.write_bytes(spoil(gzip.compress((folder / "y_train.csv").read_bytes())))
    with refused(r"y_train\.csv\.gz: not a readable CSV file of labels"):
        read_labels(path)
    (folder / "y_train.csv").write_bytes(gzip.compress(b"a,b"))
    with refused(r"y_train\.csv: not a readable CSV file of labels"):
        read_labels(folder / "y_train.csv")
    path.unlink()
    with refused(r"y_train\.csv\.gz: could not be read: No such file"):
        read_labels(path)


@pytest.mark.parametrize("name", ["y.csv", "y.csv.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, float, bool])
def test_masks_are_written_in_the_challenges_format(tmp_path, name, dtype):
    write_csv(label_frame().astype(dtype), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    lines = (gzip.decompress(content) if name.endswith(".gz") else content).split(b"\n")
    assert lines[0].startswith(b",0,1,2,") and lines[5:] == [b""]
    assert re.fullmatch(rb"well_10_patch_1(,[01]){1296}", lines[1])
    pd.testing.assert_frame_equal(read_labels(tmp_path / name), label_frame().loc[NAMES], check_names=False)
    for value in (0.5, 2, -1, np.nan):
        probabilities = label_frame().astype(float)
        probabilities.iloc[2, 5] = value
        with pytest.raises(ValueError, match=f"masks of 0 and 1, found {value:.1f} in {UNORDERED[2]}"):
            write_csv(probabilities, tmp_path / "other.csv")
    assert files_under(tmp_path) == {name}


def frame_of(counts: dict[int, int]) -> pd.DataFrame:
    """An empty table with so many patches of each well."""
    return pd.DataFrame(index=[patch_name(well, i) for well, n in counts.items() for i in range(n)])


FIRST_IMAGES = PATCHES | {11: 1508}
FIRST_LABELS = {0: 166} | PATCHES | {1: 616}


@pytest.mark.parametrize(
    "counts",
    [PATCHES, {16: 9670}, {16: 9000, 17: 670}, {16: 10290}, FIRST_IMAGES | {16: 3}, {0: 166, 1: 616}],
)
def test_the_same_patches_pass_whatever_their_order_and_number_but_each_once(counts):
    y = frame_of(counts)
    check_same_patches(y, y.iloc[::-1])
    with refused(f"{len(y) + 1} images, {len(y)} rows of labels"):
        check_same_patches(y, pd.concat([y, y.iloc[:1]]))


def test_different_patches_are_told_by_well_and_by_name():
    told = r"6 images, 5 rows(?s:.)*\n +1 +5 +3 +2 +0\n +2 +1 +0 +1 +0\n +4 +0 +2 +0 +2\nImages without"
    told += r" label: well_1_patch_3, well_1_patch_4, well_2_patch_0\nLabels without image: well_4_patch_0, w"
    with refused(told):
        check_same_patches(frame_of({1: 3, 4: 2}), frame_of({1: 5, 2: 1}))


@pytest.mark.parametrize(
    ("labels", "images"),
    [(FIRST_LABELS, FIRST_IMAGES), (FIRST_LABELS, PATCHES), (PATCHES, FIRST_IMAGES), (FIRST_IMAGES,) * 2],
    ids=["both", "only labels", "only images", "common names of both"],
)
def test_first_download_is_recognised(labels, images):
    with refused("first download.*corrected.*challenge 144 on challengedata.ens.fr"):
        check_same_patches(frame_of(labels), frame_of(images))
