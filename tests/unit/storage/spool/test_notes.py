"""What several machines tell of refused saves is in the remote store, all of it and no more than of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import refusals
from lattice_addons.errors import UnreachableError
from tests.unit.storage.spool.machines import FOLDER, Machine, restart

if TYPE_CHECKING:
    from pathlib import Path


def told(machine: Machine) -> list[str]:
    """Give what a machine says of refused saves."""
    return [each.text for each in refusals(machine.line).all()]


def test_what_is_told_of_refused_saves_goes_along(tmp_path: Path) -> None:
    """It is sent, with what other machines have told; who looks is told what is here and there; no save asks there."""
    a = restart(tmp_path, "a")
    a.save("one")
    refusals(a.line).add("exit", ValueError("of a"))
    a.end()
    assert told(Machine(tmp_path, "x")) == ["of a"]
    b = restart(tmp_path, "b")
    b.save("two")
    b.remote.asked.clear()
    refusals(b.line).add("exit", TypeError("of b"))
    assert b.remote.asked == []
    assert b.send() is None
    refusals(b.line).add("exit", TypeError("of b, too"))
    b.end()
    for name in "abx":
        assert told(Machine(tmp_path, name)) == ["of a", "of b, too"]
    a = restart(tmp_path, "a")
    a.end()
    (tmp_path / "remote" / FOLDER / "refused.jsonl").unlink()
    assert told(Machine(tmp_path, "a")) == ["of a", "of b, too"]


@pytest.mark.one_python
def test_two_machines_tell_no_more_than_one(tmp_path: Path) -> None:
    """However often each of them begins: the newest stay, each once."""
    for number in range(12):
        for name in "ab":
            machine = restart(tmp_path, name)
            refusals(machine.line).add(f"signal:{name}", ValueError(f"{name}{number}"))
            machine.end()
    assert told(Machine(tmp_path, "x")) == [f"{name}{number}" for number in range(2, 12) for name in "ab"]
    lines = (tmp_path / "remote" / FOLDER / "refused.jsonl").read_bytes().splitlines()
    assert len(lines) == 20


def test_what_is_told_of_refused_saves_is_merged_after_a_time_without_a_network(tmp_path: Path) -> None:
    """A machine that began without asking takes in what another one has told before it sends its own."""
    a = restart(tmp_path, "a")
    a.save("one")
    a.end()
    c = restart(tmp_path, "c")
    refusals(c.line).add("exit", ValueError("of c"))
    c.end()
    a = Machine(tmp_path, "a", offline=True)

    def dead(prefix: str = "") -> None:
        raise UnreachableError(f"no answer for {prefix}", url="file://")

    a.remote.listing = dead  # type: ignore[assignment]  # as every network does some day
    a.line.acquire()
    refusals(a.line).add("exit", TypeError("of a"))
    del a.remote.listing
    a.end()
    assert told(Machine(tmp_path, "x")) == ["of c", "of a"]
    assert told(a) == ["of c", "of a"]


def test_what_is_told_of_refused_saves_keeps_nobody_from_beginning(tmp_path: Path) -> None:
    """It cannot be read, or is nothing that could be told."""
    a = restart(tmp_path, "a")
    refusals(a.line).add("exit", ValueError("of a"))
    a.end()
    place = tmp_path / "remote" / FOLDER / "refused.jsonl"
    place.write_bytes(b"\xff\x00\n" * 100_000)
    b = restart(tmp_path, "b")
    refusals(b.line).add("exit", ValueError("of b"))
    b.end()
    assert place.read_bytes().count(b"\n") == 1
    place.unlink()
    place.mkdir()
    (place / "x").write_bytes(b"")
    assert restart(tmp_path, "c").line.numbers() == []
