"""What is no file on disk is refused, with the reason and with what to do instead."""

# ruff: noqa: SIM115  open files are what these tests are about

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pty
import socket
import subprocess
import sys
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import FileStateError
from lattice_addons.state import StateFileManager
from lattice_addons.state._file import is_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A file lives as long as the manager that has it; the tests leave that to the garbage collection.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def closed(folder: Path) -> object:
    """Make a closed file."""
    with open(folder / "closed", "w") as file:
        return file


def deleted(folder: Path) -> object:
    """Make an open file without a name."""
    file = open(folder / "deleted", "w")
    os.unlink(folder / "deleted")
    return file


def replaced(folder: Path) -> object:
    """Make an open file whose name is another's."""
    file = open(folder / "replaced", "w")
    os.unlink(folder / "replaced")
    (folder / "replaced").write_text("")
    return file


def zipped(folder: Path) -> object:
    """Make an open file in an archive."""
    return zipfile.ZipFile(folder / "zip", "w").open("inner", "w")


def detached(folder: Path) -> object:
    """Make a text file without its buffer."""
    file = open(folder / "detached", "w")
    file.detach()
    return file


class Own(io.FileIO):
    """A file class of the program's own."""


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "closed": (closed, "it is closed"),
    "deleted": (deleted, "was deleted"),
    "replaced": (replaced, "is another file now"),
    "detached": (detached, "give open"),
    "own class": (lambda folder: Own(folder / "own", "w"), "give open"),
    "gzip": (lambda folder: gzip.open(folder / "gz", "wb"), "compressed"),
    "gzip text": (lambda folder: gzip.open(folder / "gz", "wt"), "compressed"),
    "bz2": (lambda folder: bz2.open(folder / "bz2", "wb"), "compressed"),
    "lzma": (lambda folder: lzma.open(folder / "xz", "wb"), "compressed"),
    "zip": (zipped, "compressed"),
    "temporary": (lambda _: tempfile.TemporaryFile(), "was deleted|no name"),
    "named temporary": (lambda folder: tempfile.NamedTemporaryFile(dir=folder), "temporary file"),
    "spooled": (lambda _: tempfile.SpooledTemporaryFile(), "temporary file"),
    "pipe": (lambda _: os.fdopen(os.pipe()[0]), "it is a pipe"),
    "terminal": (lambda _: os.fdopen(pty.openpty()[1], "rb", buffering=0), "it is a terminal"),
    "device": (lambda _: open(os.devnull, "w"), "it is a device"),
    "socket": (lambda _: socket.socketpair()[0], "connection"),
    "socket file": (lambda _: socket.socketpair()[0].makefile("rb"), "connection"),
    "stdin": (lambda _: sys.__stdin__, "standard stream"),
    "stdout": (lambda _: sys.__stdout__, "standard stream"),
    "stderr": (lambda _: sys.__stderr__, "standard stream"),
    "in memory": (lambda _: io.StringIO(), "in memory"),
    "bytes in memory": (lambda _: io.BytesIO(), "in memory"),
    "a path": (lambda folder: folder, "give open"),
    "none": (lambda _: None, "give open"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_the_reason(tmp_path: Path, what: str) -> None:
    """Each kind has its own reason, and the manager stays empty."""
    make, reason = REFUSED[what]
    value = make(tmp_path)
    with pytest.raises(FileStateError, match=f"StateFileManager cannot keep this .*({reason})"):
        StateFileManager().hold(value)
    in_memory_or_no_file = {"in memory", "bytes in memory", "a path", "none", "own class"}
    assert is_file(value) is (what not in in_memory_or_no_file)


@pytest.mark.parametrize(
    "value", [3, "text", [], socket.AF_INET, tempfile.TemporaryDirectory, io.StringIO("x")]
)
def test_other_values_are_no_files(value: object) -> None:
    """Values that other managers keep are left to them."""
    assert not is_file(value)


def test_a_redirected_standard_output_is_refused(tmp_path: Path) -> None:
    """Also where it is a file on disk: whoever started the program owns it."""
    source = "import sys; from lattice_addons.state import StateFileManager as M; M().hold(sys.stdout)"
    with open(tmp_path / "out", "w") as out:
        command = [sys.executable, "-c", source]
        result = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert "standard stream" in result.stderr.splitlines()[-1]


def test_a_file_that_is_deleted_while_it_is_held(tmp_path: Path) -> None:
    """The capture is an error that names the path."""
    path = tmp_path / "log"
    with open(path, "w") as file:
        manager = StateFileManager()
        manager.hold(file)
        path.unlink()
        with pytest.raises(FileStateError, match=f"{path}' was deleted"):
            manager.capture()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """What cannot be flushed is an error with the system's reason, and not a shorter file."""
    with open("/dev/full", "w") as full, open(tmp_path / "log", "w") as file:
        manager = StateFileManager()
        manager.hold(file)
        file.write("x")
        # The file is on a full disk from here on.
        spare = os.dup(file.fileno())
        os.dup2(full.fileno(), file.fileno())
        with pytest.raises(FileStateError, match="No space left") as caught:
            manager.capture()
        os.dup2(spare, file.fileno())
        os.close(spare)
    assert caught.value.errno is not None
