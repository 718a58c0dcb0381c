"""Programs that are killed while they write a file, or while it is put back, end it as one run would have."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.encoding import decode, encode
from lattice_addons.state import StateFileManager
from tests.program import Program, clean_environ, wait_for

if TYPE_CHECKING:
    from pathlib import Path

# What these show is in the system calls, and the same on any Python.
pytestmark = pytest.mark.one_python

# Three of the pieces in which a file is put back, the last of them not whole.
LINES = 1_000_000
WRITER = """
    import pickle, sys
    from lattice_addons.encoding import encode
    from lattice_addons.state import StateFileManager

    manager = StateFileManager()
    file = open(sys.argv[1], "w")
    manager.hold(file)
    file.write("0123456789" * 1_000_000)
    encoded = encode(manager.capture(), copy=True)
    with open("stored", "wb") as stored:
        pickle.dump((encoded.value, b"".join(encoded.buffers[0].pieces())), stored)
    while True:
        file.write("a tail that is lost")
        file.flush()
        print("stored", flush=True)
"""
READER = """
    import pickle, sys
    from lattice_addons.encoding import decode
    from lattice_addons.state import StateFileManager

    with open("stored", "rb") as stored:
        header, contents = pickle.load(stored)
    manager = StateFileManager()
    manager.restore(decode("file", header, [bytearray(contents)]))
    manager.value()
"""
EXPECTED = "0123456789" * LINES + "the end"


class TestKills:
    """Real programs, really killed."""

    @pytest.mark.parametrize("done", ["nothing", "emptied", "deleted", "replaced"])
    def test_a_killed_program_goes_on(self, tmp_path: Path, done: str) -> None:
        """SIGKILL in the middle of writing: the next process ends the file as one run would have."""
        path = tmp_path / "out.txt"
        process = Program(tmp_path, WRITER).start(str(path))
        wait_for(process, "stored")
        process.kill()
        process.communicate()
        change(path, done)
        go_on(tmp_path)
        assert path.read_text() == EXPECTED
        aside = tmp_path / "out.txt.aside-1"
        assert aside.exists() == (done == "replaced")

    @pytest.mark.parametrize(
        ("start", "call", "when"),
        [
            ("missing", "write", 1),
            ("missing", "write", 3),
            ("missing", "fchmod", 1),
            ("emptied", "write", 2),
            ("replaced", "linkat", 1),
            ("replaced", "unlink", 1),
            ("replaced", "write", 2),
            ("nothing", "ftruncate", 1),
        ],
    )
    def test_killed_while_putting_back(self, tmp_path: Path, start: str, call: str, when: int) -> None:
        """A restart that is killed at any system call of putting a file back is completed by the next."""
        probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
        if probe.returncode != 0:
            pytest.skip("strace cannot trace here")
        path = tmp_path / "out.txt"
        write_and_store(path)
        change(path, start)
        program = Program(tmp_path, READER)
        trace = ["-f", "-o", "/dev/null", "-P", str(path), "-e", f"inject={call}:signal=KILL:when={when}"]
        command = ["strace", *trace, sys.executable, str(program.path)]
        killed = subprocess.run(command, cwd=tmp_path, env=clean_environ(), capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL
        go_on(tmp_path)
        assert path.read_text() == EXPECTED
        if start == "replaced":
            assert (tmp_path / "out.txt.aside-1").read_text() == "a stranger's"


def write_and_store(path: Path) -> None:
    """Do what `WRITER` does, up to its end."""
    manager = StateFileManager()
    with open(path, "w") as file:
        manager.hold(file)
        file.write("0123456789" * LINES)
        encoded = encode(manager.capture(), copy=True)
        buffer: Any = encoded.buffers[0]
        stored = pickle.dumps((encoded.value, b"".join(buffer.pieces())))
        (path.parent / "stored").write_bytes(stored)
        file.write("a tail that is lost")


def go_on(folder: Path) -> None:
    """Have the file back, as a program that is started again has it, and write the end of it."""
    header, contents = pickle.loads((folder / "stored").read_bytes())
    manager = StateFileManager()
    manager.restore(decode("file", header, [bytearray(contents)]))
    file: Any = manager.value()
    with file:
        file.write("the end")


def change(path: Path, what: str) -> None:
    """Do to the file what happens to files between two starts."""
    if what == "emptied":
        path.write_text("")
    elif what != "nothing":
        path.unlink()
    if what == "replaced":
        path.write_text("a stranger's")
