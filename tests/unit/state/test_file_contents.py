"""The contents of an open file are kept as they are at that instant."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lattice_addons.encoding import encode
from lattice_addons.errors import FileStateError
from lattice_addons.state import StateFileManager
from lattice_addons.testing._managers import through_store
from tests.descriptors import open_under
from tests.files import given_back, kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A file lives as long as the manager that has it; the tests leave that to the garbage collection.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


class TestWhatIsKept:
    """The contents as they are when they are kept."""

    def test_a_file_that_grows_meanwhile(self, tmp_path: Path) -> None:
        """What is written after the capture is not part of it."""
        with open(tmp_path / "log", "w") as file:
            file.write("before")
            manager = StateFileManager()
            manager.hold(file)
            state = manager.capture()
            file.write("after")
            file.flush()
            assert b"".join(state.contents.pieces()) == b"before"

    def test_a_file_that_shrinks_meanwhile(self, tmp_path: Path) -> None:
        """Bytes that are gone when they are to be stored are an error, and not zeros."""
        with open(tmp_path / "log", "w") as file:
            file.write("x" * 5000)
            manager = StateFileManager()
            manager.hold(file)
            state = manager.capture()
            file.truncate(10)
            with pytest.raises(FileStateError, match=r"became shorter .*: 10 bytes instead of 5000"):
                list(state.contents.pieces())

    @pytest.mark.parametrize("size", [10, (64 << 20) + 5])
    def test_a_copy_is_not_changed_by_later_writes(self, tmp_path: Path, size: int) -> None:
        """A snapshot that is written in the background has the contents of its instant, large ones too."""
        with open(tmp_path / "data", "w+b") as file:
            file.truncate(size)
            manager = StateFileManager()
            manager.hold(file)
            encoded = encode(manager.capture(), copy=True)
            file.write(b"changed")
            file.flush()
            pieces = encoded.buffers[0].pieces()  # type: ignore[union-attr]
            assert next(pieces)[:7] == bytes(7)
            assert os.listdir(tmp_path) == ["data"]

    def test_a_copy_where_files_without_names_are_unknown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has one for an instant."""
        # What a system sees in the flag that does not know it.
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
        self.test_a_copy_is_not_changed_by_later_writes(tmp_path, (64 << 20) + 5)

    def test_an_appended_file_is_not_copied(self, tmp_path: Path) -> None:
        """What can only grow is read when it is stored, also in the background."""
        with open(tmp_path / "log", "a") as file:
            file.write("x")
            manager = StateFileManager()
            manager.hold(file)
            contents = manager.capture().contents
            assert contents.frozen() is contents

    def test_large_contents_come_in_pieces(self, tmp_path: Path) -> None:
        """A file is never all in memory, and its last piece is as long as it is."""
        data = os.urandom((9 << 20) + 777)
        with open(tmp_path / "log", "ab") as file:
            file.write(data)
            manager = StateFileManager()
            manager.hold(file)
            pieces = list(manager.capture().contents.pieces())
        assert [len(piece) for piece in pieces] == [4 << 20, 4 << 20, (1 << 20) + 777]
        assert b"".join(pieces) == data

    def test_descriptors_are_closed(self, tmp_path: Path) -> None:
        """A capture that is not needed any more leaves no open descriptor behind."""
        with open(tmp_path / "log", "w") as file:
            manager = StateFileManager()
            manager.hold(file)
            before = open_under(tmp_path)
            for _ in range(20):
                manager.capture()
            gc.collect()
            assert open_under(tmp_path) == before

    def test_a_renamed_file_is_kept_under_its_new_name(self, tmp_path: Path) -> None:
        """The open file counts, not what has its name now."""
        with open(tmp_path / "log", "w") as file:
            file.write("mine")
            manager = StateFileManager()
            manager.hold(file)
            os.rename(tmp_path / "log", tmp_path / "log.1")
            (tmp_path / "log").write_text("another")
            state = manager.capture()
        assert state.path == str(tmp_path / "log.1")
        assert b"".join(state.contents.pieces()) == b"mine"

    def test_a_relative_name_means_the_folder_of_its_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A later change of the working directory changes nothing."""
        (tmp_path / "a").mkdir()
        monkeypatch.chdir(tmp_path / "a")
        with open("log", "w") as file:
            manager = StateFileManager()
            manager.hold(file)
            monkeypatch.chdir(tmp_path)
            assert manager.capture().path == str(tmp_path / "a" / "log")
            assert kept(file).path == str(tmp_path / "a" / "log")

    def test_a_file_that_was_closed_since(self, tmp_path: Path) -> None:
        """It is kept as it is on disk, and comes back open, at its end."""
        manager = StateFileManager()
        with open(tmp_path / "log", "w", newline="\r\n") as file:
            manager.hold(file)
            file.write("all of it\n")
        again = given_back(through_store(manager.capture()))
        again.write("more\n")
        again.close()
        assert (tmp_path / "log").read_bytes() == b"all of it\r\nmore\r\n"

    def test_a_file_that_was_closed_and_replaced(self, tmp_path: Path) -> None:
        """Another file of the same name is not taken for it."""
        manager = StateFileManager()
        with open(tmp_path / "log", "w") as file:
            manager.hold(file)
        (tmp_path / "other").write_text("another")
        os.replace(tmp_path / "other", tmp_path / "log")
        with pytest.raises(FileStateError, match="another file has its name"):
            manager.capture()

    def test_a_file_name_that_is_no_text(self, tmp_path: Path) -> None:
        """Any bytes make a file name."""
        path = os.fsencode(tmp_path) + b"/caf\xe9"
        with open(path, "w") as file:
            file.write("x")
            state = kept(file)
        os.unlink(path)
        given_back(state).close()
        assert os.listdir(os.fsencode(tmp_path)) == [b"caf\xe9"]

    def test_threads_may_write_while_it_is_captured(self, tmp_path: Path) -> None:
        """A capture in one thread has whole contents while another writes."""
        stop = threading.Event()
        with open(tmp_path / "log", "w") as file:
            # A little for each capture: else the file grows by what there is time for, and is read whole each time.
            turns = threading.Semaphore(1)

            def write() -> None:
                while not stop.is_set():
                    turns.acquire(timeout=0.1)
                    for _ in range(2000):
                        file.write("0123456789\n")

            writer = threading.Thread(target=write)
            writer.start()
            try:
                manager = StateFileManager()
                manager.hold(file)
                for _ in range(50):
                    turns.release()
                    state = manager.capture()
                    data = b"".join(state.contents.pieces())
                    assert data == (b"0123456789\n" * (len(data) // 11 + 1))[: len(data)]
            finally:
                stop.set()
                writer.join()

    def test_a_signal_in_the_middle_of_a_write(self, tmp_path: Path) -> None:
        """A handler that came in the middle of a write is told so; the next call boundary is a moment to save."""
        looked: list[bool] = []
        file = open(tmp_path / "log", "w", buffering=1)  # noqa: SIM115 - closed at the end
        manager = StateFileManager()
        manager.hold(file)

        def look(*_: object) -> None:
            looked.append(manager.ready())
            if looked[-1]:
                assert manager.capture().size % 11 == 0
            else:
                with pytest.raises(FileStateError, match="in the middle of a write") as caught:
                    manager.capture()
                assert caught.value.busy  # type: ignore[attr-defined]

        standing = signal.signal(signal.SIGUSR1, look)
        # Fifty, and as many more as it takes until one came in the middle of a write.
        sender = threading.Thread(target=send_many, args=(lambda: len(looked) >= 50 and False in looked,))
        sender.start()
        try:
            while sender.is_alive():
                file.write("0123456789\n")
        finally:
            sender.join()
            signal.signal(signal.SIGUSR1, standing)
        assert False in looked
        assert manager.ready()
        file.close()
        assert manager.ready()

    def test_a_file_that_was_detached(self, tmp_path: Path) -> None:
        """Whoever saves is told; a signal handler that asks first is not ended by it."""
        file = open(tmp_path / "log", "w")  # noqa: SIM115 - closed by what is within
        manager = StateFileManager()
        manager.hold(file)
        within = file.detach()
        assert manager.ready()
        with pytest.raises(FileStateError, match="detached"):
            manager.capture()
        within.close()


def send_many(until: Callable[[], bool]) -> None:
    """Send this process signals from another thread, which runs while the main thread writes."""
    deadline = time.monotonic() + 60
    while not until() and time.monotonic() < deadline:
        time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGUSR1)
