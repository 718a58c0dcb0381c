"""A pack that lost its end, as in a copy that was broken off, is not taken to have what stood there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.unit.checkpoint.lines import FOLDER, line_of, packs, save, values

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import LocalStore


def test_the_same_value_is_written_anew(local: LocalStore, tmp_path: Path) -> None:
    """The next process that has it saves it whole."""
    value = os.urandom(200_000)
    line = line_of(local)
    save(line, a=value)
    line.release()
    [pack] = packs(local)
    os.truncate(tmp_path / "store" / pack, 100_000)
    line = line_of(local)
    save(line, a=value)
    assert values(line, line.newest()) == {"a": value}


def test_a_value_that_nobody_asked_for_is_the_last_whole_one(local: LocalStore, tmp_path: Path) -> None:
    """It is carried forward from the checkpoint before."""
    line = line_of(local)
    save(line, a=b"1" * 200_000)
    newest = save(line, a=os.urandom(200_000))
    line.release()
    [chunk] = newest.slots["a"].chunks()
    os.truncate(tmp_path / "store" / FOLDER / f"packs/{chunk.pack}.pack", 100_000)
    line = line_of(local)
    line.commit({"a": newest.slots["a"]}, parent=newest.number, reason="manual")
    assert values(line, line.newest()) == {"a": b"1" * 200_000}
