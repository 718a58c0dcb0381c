"""Programs that are killed while they write a file, or while it is put back, end it as one run would have."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.program import Program, clean_environ, wait_for

if TYPE_CHECKING:
    from pathlib import Path

KEEPER = """
    import pickle, sys, time
    from lattice_addons.encoding import encode, decode
    from lattice_addons.state import StateFileManager

    manager = StateFileManager()
    if sys.argv[1] == "write":
        file = open(sys.argv[2], "w")
        manager.hold(file)
        file.write("0123456789" * 1_000_000)
        encoded = encode(manager.capture(), copy=True)
        with open("stored", "wb") as stored:
            pickle.dump((encoded.value, b"".join(encoded.buffers[0].pieces())), stored)
        while True:
            file.write("a tail that is lost")
            file.flush()
            print("stored", flush=True)
            time.sleep(0.001)
    else:
        with open("stored", "rb") as stored:
            header, contents = pickle.load(stored)
        manager.restore(decode("file", header, [bytearray(contents)]))
        file = manager.value()
        file.write("the end")
        file.close()
"""
EXPECTED = "0123456789" * 1_000_000 + "the end"


class TestKills:
    """Real programs, really killed."""

    @pytest.mark.parametrize("done", ["nothing", "emptied", "deleted", "replaced"])
    def test_a_killed_program_goes_on(self, tmp_path: Path, done: str) -> None:
        """SIGKILL in the middle of writing: the next process ends the file as one run would have."""
        program, path = killed_while_writing(tmp_path), tmp_path / "out.txt"
        change(path, done)
        result = program.run("read", str(path))
        assert (result.returncode, result.stdout) == (0, ""), result.stderr
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
        program, path = killed_while_writing(tmp_path), tmp_path / "out.txt"
        change(path, start)
        trace = ["-f", "-o", "/dev/null", "-P", str(path), "-e", f"inject={call}:signal=KILL:when={when}"]
        command = ["strace", *trace, sys.executable, str(program.path), "read", str(path)]
        killed = subprocess.run(command, cwd=tmp_path, env=clean_environ(), capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL
        result = program.run("read", str(path))
        assert result.returncode == 0, result.stderr
        assert path.read_text() == EXPECTED
        if start == "replaced":
            assert (tmp_path / "out.txt.aside-1").read_text() == "a stranger's"


def killed_while_writing(folder: Path) -> Program:
    """Run the program, and kill it after it has stored its file and written more."""
    program = Program(folder, KEEPER)
    process = program.start("write", str(folder / "out.txt"))
    wait_for(process, "stored")
    process.kill()
    process.communicate()
    return program


def change(path: Path, what: str) -> None:
    """Do to the file what happens to files between two starts."""
    if what == "emptied":
        path.write_text("")
    elif what != "nothing":
        path.unlink()
    if what == "replaced":
        path.write_text("a stranger's")
