"""A file is put back on disk without destroying anything."""

# ruff: noqa: SIM115  open files are what these tests are about

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import FileStateError
from lattice_addons.state import FileState, StateFileManager
from lattice_addons.testing._managers import through_store
from tests.files import given_back, kept

if TYPE_CHECKING:
    from pathlib import Path

# A file lives as long as the manager that has it; the tests leave that to the garbage collection.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def stored_log(path: Path, mode: str = "w", contents: str = "hello") -> FileState:
    """Write a log, keep it, and write some more, as a program does that is stopped then."""
    file = open(path, mode)
    file.write(contents)
    manager = StateFileManager()
    manager.hold(file)
    state = through_store(manager.capture())
    file.write(" lost tail")
    file.close()
    assert isinstance(state, FileState)
    return state


class TestPuttingBack:
    """What is on disk decides how the file comes back."""

    @pytest.mark.parametrize("mode", ["w", "a", "w+", "a+", "x"])
    def test_our_own_tail_is_cut_off(self, tmp_path: Path, mode: str) -> None:
        """What was written after the checkpoint is gone; the file is the same one."""
        path = tmp_path / "log"
        state = stored_log(path, mode)
        inode = path.stat().st_ino
        with given_back(state) as file:
            assert (file.mode, file.tell()) == (mode, 5)
            file.write(" world")
        assert path.read_text() == "hello world"
        assert path.stat().st_ino == inode
        assert os.listdir(tmp_path) == ["log"]

    @pytest.mark.parametrize("there", ["", "hel", "hello"])
    @pytest.mark.parametrize("mode", ["w", "a", "w+", "x"])
    def test_a_beginning_is_completed_in_place(self, tmp_path: Path, mode: str, there: str) -> None:
        """The restarted program has truncated or begun the file: it is completed, and stays the same file."""
        path = tmp_path / "log"
        state = stored_log(path, mode)
        path.write_text(there)
        inode = path.stat().st_ino
        with open(path, "a") as already_open, given_back(state) as file:
            file.write(" world")
            file.flush()
            assert os.fstat(already_open.fileno()).st_size == 11
        assert path.read_text() == "hello world"
        assert path.stat().st_ino == inode
        assert os.listdir(tmp_path) == ["log"]

    def test_a_missing_file_is_written_with_its_folders(self, tmp_path: Path) -> None:
        """Contents, permissions and folders come back, whatever the umask."""
        path = tmp_path / "out" / "deep" / "log"
        path.parent.mkdir(parents=True)
        state = stored_log(path)
        path.chmod(0o640)
        with open(path, "a") as file:
            state = kept(file)
        path.unlink()
        path.parent.rmdir()
        path.parent.parent.rmdir()
        umask = os.umask(0)
        try:
            given_back(state).close()
        finally:
            os.umask(umask)
        assert path.read_text() == "hello lost tail"
        assert path.stat().st_mode & 0o777 == 0o640

    def test_permissions_come_back(self, tmp_path: Path) -> None:
        """Also of a file that was re-created with others."""
        path = tmp_path / "log"
        file = open(path, "w")
        path.chmod(0o600)
        state = kept(file)
        path.chmod(0o644)
        given_back(state).close()
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        "there", ["hellO", "help", "something else altogether", "hello and another file"]
    )
    def test_anything_else_is_moved_aside(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, there: str
    ) -> None:
        """A file that is not ours is kept under another name, each time a new one, with a warning."""
        path = tmp_path / "log"
        state = stored_log(path)
        path.rename(tmp_path / "moved")
        for number in (1, 2):
            path.unlink(missing_ok=True)
            path.write_text(f"{there}{number}")
            with caplog.at_level(logging.WARNING, "lattice_addons.state"):
                given_back(state).close()
            assert path.read_text() == "hello"
            assert (tmp_path / f"log.aside-{number}").read_text() == f"{there}{number}"
            assert f"log.aside-{number}" in caplog.text
        assert sorted(os.listdir(tmp_path)) == ["log", "log.aside-1", "log.aside-2", "moved"]

    def test_a_file_that_had_nothing_in_it_cuts_off_no_strangers_bytes(self, tmp_path: Path) -> None:
        """Everything begins with nothing: another file of the name is not taken for our tail."""
        path = tmp_path / "log"
        state = kept(open(path, "w"))
        for _ in range(50):
            # Many file systems give the new file the number of the one that has just been deleted.
            path.unlink()
            path.write_text("a stranger's")
            if path.stat().st_ino == state.identity[1]:
                break
        given_back(state).close()
        if state.identity[2]:
            assert (tmp_path / "log.aside-1").read_text() == "a stranger's"
        assert path.read_text() == ""

    def test_large_contents(self, tmp_path: Path) -> None:
        """Many pieces, completed from the middle of one."""
        path = tmp_path / "data"
        path.write_bytes(data := os.urandom((8 << 20) + 70_001))
        state = kept(open(path, "r+b"))
        path.write_bytes(data[: (4 << 20) + 100])
        given_back(state).close()
        assert path.read_bytes() == data


class TestReadOnlyFiles:
    """What the program only reads belongs to somebody else."""

    def state(self, path: Path) -> FileState:
        """Keep a file that is read, five characters in."""
        path.write_text("input text")
        file = open(path)
        file.read(5)
        return kept(file)

    @pytest.mark.parametrize("there", ["input text", "input text that has grown", "input", ""])
    def test_the_same_or_more_or_a_beginning_is_read_on(self, tmp_path: Path, there: str) -> None:
        """Grown input is read from the old place; a beginning is completed."""
        path = tmp_path / "input"
        state = self.state(path)
        path.write_text(there)
        with given_back(state) as file:
            assert file.read() == max(there, "input text")[5:]
        assert path.read_text() == max(there, "input text")

    def test_missing_input_is_written(self, tmp_path: Path) -> None:
        """It was kept with its contents."""
        path = tmp_path / "input"
        state = self.state(path)
        path.unlink()
        assert given_back(state).read() == " text"

    def test_other_input_is_left_alone(self, tmp_path: Path) -> None:
        """A newer version of the input is neither overwritten nor silently read from a wrong place."""
        path = tmp_path / "input"
        state = self.state(path)
        path.write_text("INPUT text")
        manager = StateFileManager()
        manager.restore(state)
        with pytest.raises(FileStateError, match=r"other contents than when it was stored.*Move it away"):
            manager.value()
        assert path.read_text() == "INPUT text"
        assert manager.capture() is state
        path.rename(tmp_path / "newer")
        assert manager.value().read() == " text"

    def test_input_that_we_may_only_read(self, tmp_path: Path) -> None:
        """Neither permissions nor times of it are touched."""
        path = tmp_path / "input"
        state = self.state(path)
        path.chmod(0o444)
        before = path.stat()
        given_back(state).close()
        assert path.stat().st_mode == before.st_mode
        assert path.stat().st_mtime_ns == before.st_mtime_ns


class TestLinks:
    """Symbolic links are followed only where they led before."""

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        """The file that it leads to is completed."""
        real, path = tmp_path / "real", tmp_path / "log"
        path.symlink_to(real)
        state = stored_log(path)
        real.write_text("")
        with given_back(state) as file:
            assert file.name == str(path)
        assert path.is_symlink()
        assert real.read_text() == "hello"
        real.unlink()
        given_back(state).close()
        assert real.read_text() == "hello"
        real.unlink()
        real.write_text("else")
        given_back(state).close()
        assert path.is_symlink()
        assert (real.read_text(), (tmp_path / "real.aside-1").read_text()) == ("hello", "else")

    @pytest.mark.parametrize("was_link", [True, False])
    def test_a_planted_link_is_not_followed(self, tmp_path: Path, was_link: bool) -> None:
        """A link that leads elsewhere now is moved aside; what it leads to is not touched."""
        path, victim = tmp_path / "log", tmp_path / "victim"
        if was_link:
            path.symlink_to(tmp_path / "real")
        state = stored_log(path)
        path.unlink()
        victim.write_text("hel")
        path.symlink_to(victim)
        given_back(state).close()
        assert victim.read_text() == "hel"
        assert not path.is_symlink()
        assert path.read_text() == "hello"
        assert os.readlink(tmp_path / "log.aside-1") == str(victim)


class TestErrors:
    """What cannot be given back says why, and stays stored."""

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        """A folder is not moved; when it is gone the file comes back."""
        path = tmp_path / "log"
        state = stored_log(path)
        path.unlink()
        path.mkdir()
        manager = StateFileManager()
        manager.restore(state)
        with pytest.raises(FileStateError, match="no regular file now; move it away"):
            manager.value()
        assert manager.capture() is state
        path.rmdir()
        assert manager.value().tell() == 5

    def test_a_pipe_in_its_place_does_not_hang(self, tmp_path: Path) -> None:
        """A pipe that nobody writes to is seen to be one."""
        path = tmp_path / "log"
        state = stored_log(path)
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(FileStateError, match="no regular file now"):
            given_back(state)

    def test_a_file_where_a_folder_was(self, tmp_path: Path) -> None:
        """The system's reason is told with the path."""
        (tmp_path / "out").mkdir()
        state = stored_log(tmp_path / "out" / "log")
        (tmp_path / "out" / "log").unlink()
        (tmp_path / "out").rmdir()
        (tmp_path / "out").write_text("")
        with pytest.raises(FileStateError, match=r"out/log' cannot be given back .*stay stored") as caught:
            given_back(state)
        assert caught.value.path == str(tmp_path / "out" / "log")
        assert caught.value.errno is not None

    def test_what_is_no_file_state(self) -> None:
        """A stored value of another manager is not taken."""
        with pytest.raises(FileStateError, match="type int, no file"):
            StateFileManager().restore(3)
