"""A checkpoint that was exported comes in whole."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._portable import MANIFEST
from lattice_addons.errors import DamagedError, FormatError, LeaseHeldError, UntrustedError
from lattice_addons.storage import LocalStore, MemoryStore
from tests.unit.checkpoint.lines import damage, forge, line_of, packs, save, values
from tests.unit.checkpoint.portables import NAME, VALUES, export, fill, same, take_in

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Store


@pytest.fixture
def source(tmp_path: Path) -> Line:
    """Give a line of two checkpoints, of which the second has all kinds of values."""
    line = line_of(LocalStore(tmp_path / "source"))
    fill(line)
    return line


@pytest.fixture
def file(source: Line, tmp_path: Path) -> str:
    """Give the file with the second one."""
    return export(source, source.newest(), tmp_path / "x.tar")


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


@pytest.mark.one_python
def test_slots_in_tables_go_along(tmp_path: Path, memory: Store) -> None:
    """A checkpoint of very many small slots has them outside of its manifest."""
    store = memory
    many = {f"slot {number}": f"{number:01000d}" for number in range(10_000)}
    line = line_of(LocalStore(tmp_path / "many"))
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


def test_a_job_that_is_complete_stays_so(source: Line, tmp_path: Path, store: Store) -> None:
    """Its next start begins afresh wherever it was taken."""
    newest = source.newest()
    assert newest is not None
    path = export(source, replace(newest, reason="complete"), tmp_path / "c.tar")
    assert take_in(line_of(store), path).reason == "complete"
