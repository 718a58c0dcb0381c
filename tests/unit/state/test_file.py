"""An open file is kept with what is in it and where in it the program is."""

# ruff: noqa: SIM115  open files are what these tests are about

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from lattice_addons.errors import FileStateError
from lattice_addons.state import FileState, StateFileManager
from lattice_addons.testing import ManagerContract
from tests.files import given_back, kept

# A file lives as long as the manager that has it; the tests leave that to the garbage collection.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


class TestStateFileManager(ManagerContract):
    """Files keep the contract of all managers."""

    kind = StateFileManager

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def given(self, number: int) -> object:
        """Give a file that was written and not flushed."""
        path = self.folder / f"{number}.txt"
        file = open(path, "a+", encoding="utf-8")
        if file.tell() == 0:
            file.write(f"number {number}\n")
        return file

    def seen(self, value: object) -> object:
        """Look at name, position and contents."""
        if isinstance(value, FileState):
            return value.path, value.position, b"".join(value.contents.pieces())
        assert isinstance(value, io.TextIOWrapper)
        position = value.tell()
        return str(value.name), position, Path(value.name).read_bytes()

    def refused(self) -> list[object]:
        """Give what is no open file."""
        closed = open(self.folder / "closed", "w")
        closed.close()
        return [closed, 3, None, "text", io.StringIO(), str(self.folder)]


WRITING = [
    ("w", {}),
    ("w", {"encoding": "utf-16"}),
    ("w", {"encoding": "utf-8-sig", "newline": "\r\n"}),
    ("w", {"encoding": "latin-1", "errors": "replace", "newline": ""}),
    ("w", {"buffering": 1}),
    ("w+", {"newline": "\n"}),
    ("x", {"newline": "\r"}),
    ("x+", {}),
    ("a", {}),
    ("a", {"encoding": "utf-16"}),
    ("a+", {"newline": "\r\n"}),
    ("r+", {}),
]


class TestTextFiles:
    """Files of text, in each way of opening them."""

    @pytest.mark.parametrize(("mode", "options"), WRITING, ids=str)
    def test_writing_goes_on_as_if_never_stopped(
        self, tmp_path: Path, mode: str, options: dict[str, Any]
    ) -> None:
        """What is written before and after a restart is what one run would have written."""
        whole, parts = tmp_path / "whole", tmp_path / "parts"
        for path in (whole, parts):
            if mode == "r+":
                path.write_text("0123456789" * 3)
        with open(whole, mode, **options) as uninterrupted:
            uninterrupted.write("é one\n")
            uninterrupted.write("two\nüb")
        file: Any = open(parts, mode, **options)
        file.write("é one\n")
        state = kept(file)
        file.write("lost")
        file.close()
        again = given_back(state)
        assert (again.mode, again.encoding, again.errors) == (file.mode, file.encoding, file.errors)
        assert again.line_buffering == file.line_buffering
        again.write("two\nüb")
        again.close()
        assert parts.read_bytes() == whole.read_bytes()
        aside = ["parts.aside-1"] if mode == "r+" else []
        assert sorted(os.listdir(tmp_path)) == ["parts", *aside, "whole"]

    @pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
    @pytest.mark.parametrize("read", [0, 1, 2, 3, 5, 8, 1000])
    def test_reading_goes_on_at_the_same_character(
        self, tmp_path: Path, newline: str | None, read: int
    ) -> None:
        """The rest of the text is the same, for all kinds of line ends, wherever it was stopped."""
        path = tmp_path / "text"
        path.write_bytes(("é\r\nb\rc\n" * 300).encode())
        with open(path, newline=newline, encoding="utf-8") as file:
            file.read(read)
            state = kept(file)
            again = given_back(state)
            assert again.read() == file.read()

    @pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
    @pytest.mark.parametrize("mode", ["r", "w", "a", "r+", "w+", "a+"])
    @pytest.mark.parametrize("contents", ["", "\n", "\r\n", "a\nb\n"])
    @pytest.mark.parametrize("do", ["nothing", "read", "readline", "write"])
    def test_newline_is_found(
        self, tmp_path: Path, newline: str | None, mode: str, contents: str, do: str
    ) -> None:
        """The ``newline`` a file was opened with is known, or unknown (None), never another one."""
        path = tmp_path / "text"
        path.write_bytes(contents.encode())
        with open(path, mode, newline=newline, encoding="utf-8") as file:
            if do == "write" and file.writable():
                file.write("\n")
            elif do in {"read", "readline"} and file.readable():
                file.seek(0)
                getattr(file, do)()
            assert kept(file).newline == newline

    def test_a_position_beyond_64_bits_comes_back(self, tmp_path: Path) -> None:
        """The positions of some codecs are huge numbers."""
        path = tmp_path / "text"
        path.write_bytes("a日本語\n".encode("utf-7") * 50)
        with open(path, encoding="utf-7") as file:
            file.read(2)
            assert file.tell() > 1 << 64
            assert given_back(kept(file)).read() == file.read()

    def test_in_the_middle_of_an_iteration_the_error_says_what_to_do(self, tmp_path: Path) -> None:
        """Python hides the position then; nothing wrong is kept, and the iteration is not disturbed."""
        path = tmp_path / "text"
        path.write_text("".join(f"{number}\n" for number in range(5000)))
        manager = StateFileManager()
        for mode in ("r", "r+"):
            with open(path, mode) as file:
                manager.hold(file)
                lines = []
                for line in file:
                    lines.append(int(line))
                    if len(lines) in (1, 700, 4999):
                        with pytest.raises(FileStateError, match=r"iter\(file.readline, ''\)"):
                            manager.capture()
                assert lines == list(range(5000))
                state = manager.capture()
            assert state.position == state.size == path.stat().st_size

    def test_a_text_file_wrapped_by_hand(self, tmp_path: Path) -> None:
        """Without a mode of its own it has that of its buffer; ``write_through`` comes back."""
        file = io.TextIOWrapper(open(tmp_path / "text", "wb"), encoding="ascii", write_through=True)
        file.write("abc")
        again = given_back(kept(file))
        assert (again.mode, again.write_through, again.tell()) == ("w", True, 3)


class TestBinaryFiles:
    """Files of bytes."""

    @pytest.mark.parametrize("buffering", [-1, 0])
    @pytest.mark.parametrize("mode", ["wb", "w+b", "xb", "x+b", "ab", "a+b", "r+b"])
    def test_writing_goes_on(self, tmp_path: Path, mode: str, buffering: int) -> None:
        """Mode, kind and position come back; the rest is written where it belongs."""
        path = tmp_path / "bytes"
        if "x" not in mode:
            path.write_bytes(b"0123456789")
        file = open(path, mode, buffering)
        file.write(b"abc")
        state = kept(file)
        expected = path.read_bytes()
        file.close()
        again = given_back(state)
        assert (type(again), again.mode, again.tell()) == (type(file), file.mode, state.position)
        again.write(b"de")
        again.close()
        if "r" in mode:
            assert path.read_bytes() == b"abcde56789"
        else:
            assert path.read_bytes() == expected + b"de"

    def test_a_position_in_the_middle(self, tmp_path: Path) -> None:
        """A reader goes on where it was, and an iteration over bytes is no obstacle."""
        path = tmp_path / "bytes"
        path.write_bytes(b"one\ntwo\nthree\n")
        with open(path, "rb") as file:
            next(iter(file))
            assert given_back(kept(file)).read() == b"two\nthree\n"

    def test_appending_and_reading_in_one_file(self, tmp_path: Path) -> None:
        """A place to read at, and writes at the end whatever the place."""
        path = tmp_path / "bytes"
        path.write_bytes(b"0123456789")
        with open(path, "a+b") as file:
            file.seek(4)
            again = given_back(kept(file))
        assert again.read(2) == b"45"
        again.write(b"!")
        again.close()
        assert path.read_bytes() == b"0123456789!"
