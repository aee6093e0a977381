"""Outputs go to regular files only, and are written whole or not at all."""

import errno
import os
import socket
from pathlib import Path
from unittest.mock import Mock, patch

import pytest

from helpers.files import DataError, check_output, make_once, progress, replace_atomically


def write(path: Path, text: str) -> None:
    with replace_atomically(path) as temporary:
        temporary.write_text(text)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # a long path is refused


@pytest.mark.parametrize(
    ("make", "found"),
    [(Path.mkdir, "a folder")]
    + [(make, "neither a file nor a folder") for make in (os.mkfifo, make_socket)]
    + [(lambda path: path.symlink_to(path.name), "neither a file nor a folder")]
    + [(lambda path: path.symlink_to("/dev/null"), "neither a file nor a folder")],
)
def test_a_target_that_is_no_regular_file_is_refused_and_stays(tmp_path, make, found):
    make(target := tmp_path / "grooves.csv")
    (link := tmp_path / "link.csv").symlink_to(target)
    mode = target.lstat().st_mode
    for path in (target, link):
        expected = rf"{path.name}: expected the name of a file to write, found .*{found}"
        with pytest.raises(DataError, match=expected):
            with replace_atomically(path):
                raise AssertionError("the block was entered")
    assert target.lstat().st_mode == mode and Path("/dev/null").is_char_device()
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("target", ["results/scores.csv", "{tmp}/results/scores.csv", "link to a link"])
def test_a_link_stays_and_the_file_that_it_names_is_written(tmp_path, there, target):
    (tmp_path / "results").mkdir()
    if there:
        (tmp_path / "results" / "scores.csv").write_text("old")
    (tmp_path / "link to a link").symlink_to("results/scores.csv")
    link = tmp_path / "scores.csv"
    link.symlink_to(target.format(tmp=tmp_path))
    write(link, "new")
    assert link.is_symlink() and (tmp_path / "link to a link").is_symlink()
    (written,) = (tmp_path / "results").iterdir()
    assert written.read_text() == "new" and not written.is_symlink()


def test_a_full_disk_is_told_with_the_space_that_is_left(tmp_path):
    unfinished = []
    look = lambda folder: unfinished.extend(folder.glob(".part-*")) or Mock(free=200_000)  # noqa: E731
    told = r"model\.pt: could not be written: .*disk is full, with 0\.2 MB free"
    with patch("helpers.files.shutil.disk_usage", look), pytest.raises(DataError, match=told):
        with replace_atomically(tmp_path / "model.pt") as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert len(unfinished) == 1 and not list(tmp_path.iterdir())  # told before it was removed


def test_written_files_appear_whole_under_hidden_names_that_keep_their_ending(tmp_path):
    path = tmp_path / "new" / "scores.csv"
    with replace_atomically(path) as temporary:
        assert (temporary.parent, temporary.name[0], temporary.suffix) == (path.parent, ".", ".csv")
        temporary.write_text("new")
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["scores.csv"]
    check_output(path)
    assert path.read_text() == "new" and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError(errno.EIO, "Input/output error")])
def test_interrupted_writing_keeps_the_old_file(tmp_path, error):
    (path := tmp_path / "scores.csv").write_text("old")
    with pytest.raises((KeyboardInterrupt, RuntimeError, DataError)), replace_atomically(path) as temporary:
        temporary.write_text("half")
        raise error
    denied = patch("os.replace", side_effect=PermissionError(errno.EACCES, "Permission denied"))
    with denied, pytest.raises(DataError, match="scores.csv: could not be written: Permission denied"):
        write(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_made_once_and_whole(tmp_path):
    def make(part):
        (part / "a").write_text("a")
        assert not (tmp_path / "made").exists()
        (tmp_path / "made").mkdir()  # another process is first
        (tmp_path / "made" / "a").write_text("first")

    for _ in range(2):
        assert make_once(tmp_path / "made", make) == tmp_path / "made"
    assert (tmp_path / "made" / "a").read_text() == "first"
    with pytest.raises(ZeroDivisionError):
        make_once(tmp_path / "not", lambda part: 1 / 0)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_bar_counts_what_is_done_where_somebody_looks(monkeypatch, capsys):
    for looks in (True, False):
        monkeypatch.delenv("TQDM_DISABLE", False) if looks else monkeypatch.setenv("TQDM_DISABLE", "1")
        assert list(progress("abc", "Reading", mininterval=0)) == ["a", "b", "c"]
        said = capsys.readouterr().err
        assert all((f"Reading: {text}" in said) == looks for text in ("  0%", " 67%", "100%"))
