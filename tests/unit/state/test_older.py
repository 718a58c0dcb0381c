"""A slot that is damaged where it should be: which older or newer value will do, and which would be another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import DamagedError
from lattice_addons.state._fetch import Fetching

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lattice_addons import StateManagerGroup
    from lattice_addons.checkpoint import Checkpoint

    Start = Callable[..., StateManagerGroup]


def keep(group: StateManagerGroup, value: bytes) -> Checkpoint:
    """Save a value that is stored in a pack."""
    if "a" not in group:
        group.register("a")
    group.update("a", value * 100_000)
    checkpoint = group.save()
    assert checkpoint is not None
    return checkpoint


def damage(folder: Path, checkpoint: Checkpoint) -> None:
    """Let the bytes of the value, as this checkpoint has it, be others."""
    [chunk] = checkpoint.slots["a"].chunks()
    path = folder / f"store/job/rank-00000/packs/{chunk.pack}.pack"
    path.write_bytes(bytes(path.stat().st_size))


def test_the_value_of_the_checkpoint_before(start: Start, tmp_path: Path) -> None:
    """It is older, and whole."""
    group = start()
    keep(group, b"1")
    damage(tmp_path, keep(group, b"2"))
    group = start()
    group.register("a")
    assert group.get("a") == b"1" * 100_000


def test_no_value_of_work_that_is_done(start: Start, tmp_path: Path) -> None:
    """What was begun afresh does not go on with what stands before its beginning."""
    group = start()
    keep(group, b"1")
    group.complete()
    damage(tmp_path, keep(start(), b"2"))
    group = start()
    group.register("a")
    with pytest.raises(DamagedError, match="every checkpoint"):
        group.get("a")


@pytest.mark.parametrize("again", [b"1", b"2"])
def test_no_newer_value_but_the_same(start: Start, tmp_path: Path, again: bytes) -> None:
    """A process that only reads, while another saves, mixes nothing newer with what it carries on from."""
    group = start()
    base = keep(group, b"1")
    damage(tmp_path, base)
    group = start()
    group.register("a")
    with pytest.raises(DamagedError):
        group.get("a")  # from now on these bytes are written anew
    newer = keep(group, again)
    line = group._session.stored.line
    assert line is not None
    assert newer.number > base.number
    fetching = Fetching(line, base, "pickle")
    if again == b"1":
        assert fetching.value("a", base.slots["a"]) == b"1" * 100_000
    else:
        with pytest.raises(DamagedError):
            fetching.value("a", base.slots["a"])
