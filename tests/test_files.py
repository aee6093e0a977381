"""Outputs go to regular files only, and what killed processes leave is removed."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock, patch

import pytest

from helpers.config import PROJECT_ROOT, Config
from helpers.files import DataError, check_output, make_once, remove_leftovers, replace_atomically
from helpers.training.runs import start_run


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


def test_an_output_of_a_process_that_was_killed_is_removed_a_day_later(tmp_path):
    """A real kill -9 in the middle of writing."""
    killed = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from helpers.files import replace_atomically\n"
        "with replace_atomically(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "model.pt"
    done = subprocess.run([sys.executable, "-c", killed, str(path)], cwd=PROJECT_ROOT, timeout=60)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".part-") and left.name.endswith("-model.pt")
    yesterday = time.time() - 24 * 60 * 60
    os.utime(left, (yesterday, yesterday))
    write(tmp_path / "another.csv", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["another.csv"]


def test_a_new_run_removes_what_killed_runs_left(tmp_path):
    left = tmp_path / "corrosion_segmentation_trainer_1" / ".part-0123abcd-last.pt"
    left.parent.mkdir()
    left.touch()
    os.utime(left, (0, 0))
    (left.parent / "last.pt").touch()
    start_run("unet", Config(runs_dir=tmp_path))
    assert [path.name for path in left.parent.iterdir()] == ["last.pt"]


def test_what_a_running_process_is_writing_stays(tmp_path):
    with replace_atomically(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        write(tmp_path / "b.csv", "new")
        assert temporary.read_text() == "half"
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}


def test_only_names_that_we_make_are_removed(tmp_path):
    (tmp_path / ".part-0123abcd-images").mkdir()
    (tmp_path / ".part-0123abcd-images" / "patch.npy").touch()
    (tmp_path / ".part-89abcdef-x.csv").touch()
    others = {".part-thesis", ".part-video", ".part-4567-x.csv", ".part-0123abcd", ".part-pictures-x", "x"}
    for name in others:
        (tmp_path / name).touch()
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == others


def test_the_free_space_is_told_before_the_unfinished_file_is_removed(tmp_path):
    """Afterwards the disk would seem to have had room."""
    unfinished = []

    def look(folder):
        unfinished.extend(path.stat().st_size for path in folder.glob(".part-*"))
        return Mock(free=200_000)

    with (
        patch("helpers.files.shutil.disk_usage", side_effect=look),
        pytest.raises(DataError, match=r"model\.pt: could not be written: .*disk is full, with 0\.2 MB free"),
        replace_atomically(tmp_path / "model.pt") as temporary,
    ):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert unfinished == [4]
    assert not list(tmp_path.iterdir())


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
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises((KeyboardInterrupt, RuntimeError, DataError)), replace_atomically(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


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
