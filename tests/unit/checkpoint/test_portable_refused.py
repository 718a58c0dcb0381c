"""What is no whole portable file is refused, and nothing is written."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint import Portable, imported
from lattice_addons.checkpoint._portable import MANIFEST, PACK
from lattice_addons.checkpoint._seal import seal, unseal
from lattice_addons.errors import DamagedError, FormatError, LatticeError, NotInStoreError
from lattice_addons.storage import LocalStore, MemoryStore
from tests.descriptors import open_under
from tests.unit.checkpoint.lines import line_of, packs, save, values
from tests.unit.checkpoint.portables import NAME, VALUES, export, fill, same, take_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a file with all kinds of values, which stays as it is."""
    folder = tmp_path_factory.mktemp("whole")
    line = line_of(MemoryStore(str(folder)))
    fill(line)
    return export(line, line.newest(), folder / "x.tar")


@pytest.fixture
def file(whole: str, tmp_path: Path) -> str:
    """Give such a file that is the test's own."""
    return str(shutil.copy(whole, tmp_path / "x.tar"))


def members(path: str) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Read a tar."""
    with tarfile.open(path, "r:") as tar:
        return [(info, tar.extractfile(info).read()) for info in tar.getmembers()]  # type: ignore[union-attr]


def written(parts: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Write a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.GNU_FORMAT) as tar:
        for info, data in parts:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def forged(old: bytes, new: bytes) -> Callable[[str], bytes]:
    """Change the manifest of a file, and seal it again."""

    def change(path: str) -> bytes:
        [(info, text), pack] = members(path)
        body = unseal(text, None, "")
        assert old in body
        return written([(info, seal(body.replace(old, new, 1), None)), pack])

    return change


def named(old: str, new: str) -> Callable[[str], bytes]:
    """Name a member otherwise."""

    def change(path: str) -> bytes:
        parts = members(path)
        for info, _ in parts:
            info.name = new if info.name == old else info.name
        return written(parts)

    return change


def linked(kind: bytes, target: str) -> Callable[[str], bytes]:
    """Make a link of the pack."""

    def change(path: str) -> bytes:
        parts = members(path)
        info = parts[1][0]
        info.type, info.linkname = kind, target
        return written(parts)

    return change


def added(path: str) -> bytes:
    """Add another member."""
    return written([*members(path), (tarfile.TarInfo("more"), b"x")])


def twice(path: str) -> bytes:
    """Let the pack come twice."""
    [first, pack] = members(path)
    return written([first, pack, pack])


def swapped(path: str) -> bytes:
    """Let the pack come first."""
    return written(members(path)[::-1])


def flipped(path: str) -> bytes:
    """Flip one bit in the pack."""
    [first, (info, pack)] = members(path)
    return written([first, (info, pack[:-1] + bytes([pack[-1] ^ 1]))])


def longer(path: str) -> bytes:
    """Let the pack have a byte that nobody names."""
    [first, (info, pack)] = members(path)
    return written([first, (info, pack + b"x")])


def shorter(path: str) -> bytes:
    """Cut the pack's last byte off."""
    [first, (info, pack)] = members(path)
    return written([first, (info, pack[:-1])])


def huge(path: str) -> bytes:
    """Say that the pack has a terabyte."""
    with open(path, "rb") as file:
        data = file.read()
    info = tarfile.TarInfo(NAME)
    info.size = 10**12
    at = data.index(NAME.encode() + b"\0")
    return data[:at] + info.tobuf(tarfile.GNU_FORMAT) + data[at + 512 :]


def cut(count: int) -> Callable[[str], bytes]:
    """Cut the end of the file off."""

    def change(path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()[:-count]

    return change


#: Changes to a file, and what is told of it then.
HOSTILE: list[tuple[Callable[[str], bytes], str | None]] = [
    (lambda _: b"", "ends at byte 0"),
    (lambda _: os.urandom(5000), "no tar file"),
    (lambda _: bytes(10_240), "no tar file"),
    (cut(1), "ends at byte"),
    (cut(1500), "ends at byte"),
    (added, "something else follows"),
    (twice, "something else follows its pack"),
    (swapped, "where the file 'manifest.json' should be"),
    (named(MANIFEST, "../manifest.json"), "'../manifest.json'"),
    (named(NAME, f"/tmp/{NAME}"), f"'/tmp/{NAME}'"),  # noqa: S108 - nothing is written there
    (linked(tarfile.SYMTYPE, "/etc/passwd"), "type b'2'"),
    (linked(tarfile.LNKTYPE, MANIFEST), "type b'1'"),
    (linked(tarfile.FIFOTYPE, ""), "type b'6'"),
    (flipped, "were altered"),
    (longer, "its manifest names"),
    (shorter, "its manifest names"),
    (huge, "before the end of"),
    (forged(b'"rank": 0', b'"rank": -1'), "'rank' should be"),
    (forged(b'"job": "job"', b'"job": ["job"]'), "'job' should be"),
    (forged(f'"{PACK}",0'.encode(), f'"{PACK}",1'.encode()), "names bytes at"),
    (forged(PACK.encode(), b"1" * 26), "names bytes at 0 of pack 1111"),
    (forged(b'"notes"', b'"memos"'), "its fields are not"),
    (forged(b'"job": "job"', b'"job": "../job"'), "leads elsewhere"),
    (forged(b'"job": "job"', b'"job": "a/job"'), "a job id has no '/'"),
    (forged(b'"rank": 0', b'"rank": 100000'), "has no folder"),
    (forged(b'"slots"', b'"slots": {}, "slots"'), None),
]


@pytest.mark.parametrize(
    ("change", "told"), HOSTILE, ids=[f"{n} {told}" for n, (_, told) in enumerate(HOSTILE)]
)
def test_what_is_no_whole_file_is_refused(
    whole: str, tmp_path: Path, change: Callable[[str], bytes], told: str | None
) -> None:
    """With an error that says what is wrong, and nothing is written, not even a lease."""
    hostile = tmp_path / "hostile.tar"
    hostile.write_bytes(change(whole))
    store = LocalStore(tmp_path / "target")
    if told is None:
        # Which of two fields of one name counts is JSON's business; what comes in is whole either way.
        assert same(values(line_of(store), take_in(line_of(store), str(hostile))), VALUES)
        return
    with pytest.raises(DamagedError, match=r"hostile\.tar cannot be imported") as caught:
        take_in(line_of(store), str(hostile))
    assert told in str(caught.value)
    assert store.list() == []


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    """Wherever in the file it is."""
    source = line_of(MemoryStore(str(tmp_path / "source")))
    path = export(source, save(source, a=np.arange(20_000) ** 3, b={1: "x"}), tmp_path / "x.tar")
    whole = (tmp_path / "x.tar").read_bytes()
    store = MemoryStore(str(tmp_path / "target"))
    for at in range(0, len(whole), max(1, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        (tmp_path / "x.tar").write_bytes(damaged)
        with pytest.raises(LatticeError):
            take_in(line_of(store), path)
    assert store.list() == []


def test_a_file_of_a_newer_format_says_what_is_needed(whole: str, tmp_path: Path) -> None:
    """It is not damaged."""
    newer = tmp_path / "newer.tar"
    newer.write_bytes(forged(b'"format": 1', b'"format": 2')(whole))
    with pytest.raises(FormatError, match="format 2"):
        take_in(line_of(MemoryStore(str(tmp_path))), str(newer))


@pytest.mark.parametrize("kind", ["none", "folder", "pipe"])
def test_what_is_no_file_is_an_error(tmp_path: Path, kind: str) -> None:
    """And nobody waits for what never comes."""
    path = tmp_path / "x.tar"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(NotInStoreError if kind == "none" else DamagedError), Portable(str(path), None):
        pass


def test_descriptors_are_closed(file: str, tmp_path: Path) -> None:
    """Of good files and of bad ones."""
    (tmp_path / "bad.tar").write_bytes(flipped(file))
    before = open_under(tmp_path)
    for _ in range(3):
        with Portable(file, None):
            pass
        with pytest.raises(DamagedError), Portable(str(tmp_path / "bad.tar"), None):
            pass
    assert open_under(tmp_path) == before


def test_a_file_that_changes_meanwhile_leaves_no_pack(file: str, tmp_path: Path) -> None:
    """What was verified is verified again when it is copied."""
    store = LocalStore(tmp_path / "target")
    with Portable(file, None) as portable:
        chunk = portable.chunks()[-1]
        os.truncate(file, os.path.getsize(file) - 2048 - chunk.extent)
        with pytest.raises(DamagedError):
            imported(line_of(store), portable)
    assert packs(store) == []
    assert line_of(store).numbers() == []
