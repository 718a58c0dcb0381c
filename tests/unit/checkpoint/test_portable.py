"""A checkpoint that was exported comes in whole, or not at all."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint import Portable, exported, imported
from lattice_addons.checkpoint._portable import MANIFEST, PACK
from lattice_addons.checkpoint._seal import seal, unseal
from lattice_addons.errors import (
    DamagedError,
    FormatError,
    LatticeError,
    LeaseHeldError,
    NotInStoreError,
    StoreError,
    UntrustedError,
)
from lattice_addons.storage import LocalStore, MemoryStore
from tests.unit.checkpoint.lines import damage, forge, line_of, packs, save, values

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lattice_addons.checkpoint import Checkpoint, Line
    from lattice_addons.storage import Store

NAME = f"{PACK}.pack"
VALUES = {
    "n": 1,
    "long": "text " * 20_000,
    "array": np.random.default_rng(0).standard_normal(700_000),
    "numbers": np.arange(100_000),
    "pickled": {1: os.urandom(3_000_000), 2: (None,)},
    "same": np.arange(100_000),
}


def export(line: Line, checkpoint: Checkpoint | None, path: Path) -> str:
    """Write a portable file."""
    assert checkpoint is not None
    with open(path, "wb") as file:
        for piece in exported(line, checkpoint):
            file.write(piece)
    return str(path)


@pytest.fixture
def source(tmp_path: Path) -> Line:
    """Give a line of two checkpoints, of which the second has all kinds of values."""
    line = line_of(LocalStore(tmp_path / "source"))
    save(line, **(VALUES | {"array": np.ones(700_000)}))
    save(line, **VALUES)
    return line


@pytest.fixture
def file(source: Line, tmp_path: Path) -> str:
    """Give the file with the second one."""
    return export(source, source.newest(), tmp_path / "x.tar")


def take_in(line: Line, path: str) -> Checkpoint:
    """Import a file."""
    with Portable(path, line.settings.key) as portable:
        return imported(line, portable)


def same(one: dict[str, object], other: dict[str, object]) -> bool:
    """Compare values, of which some are arrays."""
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name])  # type: ignore[arg-type]
        if isinstance(one[name], np.ndarray)
        else one[name] == other[name]
        for name in one
    )


def test_a_checkpoint_goes_from_store_to_store(source: Line, file: str, store: Store) -> None:
    """All its values, and what is told of it."""
    line = line_of(store)
    save(line, other=1)
    checkpoint = take_in(line, file)
    assert (checkpoint.number, checkpoint.parent, checkpoint.reason) == (2, None, "manual")
    assert "checkpoint 2 of job 'job'" in checkpoint.notes[-1]
    told = source.newest()
    assert told is not None
    assert checkpoint.program == told.program
    assert same(values(line, line_of(store).newest()), VALUES)
    assert all(finding.good for finding in line.verify())


def test_it_goes_to_another_job_as_well(file: str, store: Store) -> None:
    """As the first checkpoint of one that was not there."""
    line = line_of(store, "another")
    assert take_in(line, file).number == 1
    assert same(values(line, line.newest()), VALUES)


def test_large_buffers_can_be_mapped_afterwards(file: str, store: Store) -> None:
    """They begin at the start of a page, their chunks side by side."""
    entry = take_in(line_of(store), file).slots["array"]
    chunks = [*entry.chunks()]
    assert len(chunks) == 2
    assert chunks[0].offset % 4096 == 0
    assert chunks[1].offset == chunks[0].offset + chunks[0].length


def test_a_file_is_a_plain_tar(source: Line, file: str) -> None:
    """Of a manifest and a pack that has each of its chunks once, and no others."""
    newest = source.newest()
    assert newest is not None
    with tarfile.open(file, "r:") as tar:
        assert tar.getnames() == [MANIFEST, NAME]
        [_, pack] = tar.getmembers()
    assert pack.size == sum({chunk.digest: chunk.extent for chunk in newest.chunks()}.values())
    assert pack.size < sum(chunk.length for chunk in newest.chunks())


def test_the_same_checkpoint_makes_the_same_file(source: Line, file: str, tmp_path: Path) -> None:
    """Whenever it is exported."""
    again = export(line_of(source.store), source.newest(), tmp_path / "y.tar")
    with open(file, "rb") as one, open(again, "rb") as other:
        assert one.read() == other.read()


def test_a_checkpoint_with_nothing_in_packs(tmp_path: Path, store: Store) -> None:
    """A small one is in its manifest alone."""
    small = line_of(MemoryStore(str(tmp_path / "small")))
    path = export(small, save(small, n=1), tmp_path / "x.tar")
    line = line_of(store, "another")
    assert values(line, take_in(line, path)) == {"n": 1}
    assert store.list("another/rank-00000/packs") == []


def test_slots_in_tables_go_along(tmp_path: Path, store: Store) -> None:
    """A checkpoint of very many small slots has them outside of its manifest."""
    many = {f"slot {number}": f"{number:01000d}" for number in range(10_000)}
    line = line_of(MemoryStore(str(tmp_path / "many")))
    checkpoint = save(line, **many)
    assert checkpoint.tables
    path = export(line, checkpoint, tmp_path / "x.tar")
    target = line_of(store)
    take_in(target, path)
    assert values(target, line_of(store).newest()) == many


def test_what_is_there_already_is_not_stored_again(source: Line, file: str) -> None:
    """Unless its bytes are damaged: then the file brings them back."""
    before = packs(source.store)
    first = take_in(source, file)
    assert packs(source.store) == before
    assert first.metrics["bytes_new"] == 0
    [chunk, *_] = first.slots["array"].chunks()
    damage(source.store, f"{source.folder}packs/{chunk.pack}.pack", chunk.offset)
    second = take_in(source, file)
    assert second.metrics["bytes_new"] == chunk.length
    assert same(values(source, second), VALUES)


def test_an_export_finds_damage(source: Line, tmp_path: Path) -> None:
    """A colleague is not sent what cannot be read."""
    newest = source.newest()
    assert newest is not None
    [chunk, *_] = newest.slots["array"].chunks()
    damage(source.store, f"{source.folder}packs/{chunk.pack}.pack", chunk.offset)
    with pytest.raises(DamagedError):
        export(source, newest, tmp_path / "x.tar")


def test_with_a_key_a_file_is_signed(tmp_path: Path, source: Line, file: str) -> None:
    """An unsigned one is refused, as is one of another key, and a signed one without the key."""
    signed = line_of(MemoryStore(str(tmp_path / "signed")), key=b"k" * 32)
    with pytest.raises(UntrustedError, match="not signed"):
        take_in(signed, file)
    assert signed.numbers() == []
    path = export(signed, save(signed, n=(1,)), tmp_path / "signed.tar")
    assert values(signed, take_in(signed, path)) == {"n": (1,)}
    with pytest.raises(UntrustedError, match="without the key"):
        take_in(source, path)
    with pytest.raises(UntrustedError, match="another key"):
        take_in(line_of(MemoryStore(str(tmp_path / "third")), key=b"x" * 32), path)


def test_a_live_writer_is_not_disturbed(file: str, tmp_path: Path) -> None:
    """The line that it writes takes nothing in."""
    store = LocalStore(tmp_path / "target")
    writer = line_of(store)
    save(writer, n=1)
    with pytest.raises(LeaseHeldError):
        take_in(line_of(store), file)
    assert packs(store) == []
    assert writer.numbers() == [1]


def test_a_checkpoint_of_a_newer_version_is_not_hidden(file: str, tmp_path: Path) -> None:
    """A newer Lattice went on from there: the line is left as it is."""
    store = LocalStore(tmp_path / "target")
    writer = line_of(store)
    save(writer, n=1)
    forge(store, 1, b'"format": 1,', b'"format": 2,')
    writer.release()
    with pytest.raises(FormatError):
        take_in(line_of(store), file)
    assert line_of(store).numbers() == [1]
    assert packs(store) == []


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
    (forged(b'"slots"', b'"slots": {}, "slots"'), None),
]


@pytest.mark.parametrize(
    ("change", "told"), HOSTILE, ids=[f"{n} {told}" for n, (_, told) in enumerate(HOSTILE)]
)
def test_what_is_no_whole_file_is_refused(
    file: str, tmp_path: Path, change: Callable[[str], bytes], told: str | None
) -> None:
    """With an error that says what is wrong, and nothing is written, not even a lease."""
    hostile = tmp_path / "hostile.tar"
    hostile.write_bytes(change(file))
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
    for at in range(0, len(whole), max(1, len(whole) // 300)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        (tmp_path / "x.tar").write_bytes(damaged)
        with pytest.raises(LatticeError):
            take_in(line_of(store), path)
    assert store.list() == []


def test_a_file_of_a_newer_format_says_what_is_needed(file: str, tmp_path: Path) -> None:
    """It is not damaged."""
    newer = tmp_path / "newer.tar"
    newer.write_bytes(forged(b'"format": 1', b'"format": 2')(file))
    with pytest.raises(FormatError, match="format 2"):
        take_in(line_of(MemoryStore(str(tmp_path))), str(newer))


def test_a_job_that_would_lie_elsewhere_is_refused(file: str, tmp_path: Path) -> None:
    """Whatever the manifest says it is of."""
    outside = tmp_path / "outside.tar"
    outside.write_bytes(forged(b'"job": "job"', b'"job": "../job"')(file))
    with Portable(str(outside), None) as portable, pytest.raises(StoreError, match="leads elsewhere"):
        line_of(MemoryStore(str(tmp_path)), portable.checkpoint.job)


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
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Portable(file, None):
            pass
        with pytest.raises(DamagedError), Portable(str(tmp_path / "bad.tar"), None):
            pass
    assert len(os.listdir("/proc/self/fd")) == before


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


def test_a_job_that_is_complete_stays_so(source: Line, tmp_path: Path, store: Store) -> None:
    """Its next start begins afresh wherever it was taken."""
    newest = source.newest()
    assert newest is not None
    path = export(source, replace(newest, reason="complete"), tmp_path / "c.tar")
    assert take_in(line_of(store), path).reason == "complete"
