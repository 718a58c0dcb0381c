"""A damaged job, and what repairs it: nothing good may be worse afterwards, wherever that is stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.crash.keepers import MixtureError, parts

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Checkpoint, Chunk, Line

__all__ = ["MENDED", "NEWEST", "Repairing"]

NEWEST = 6
SHARED, LOST = "large and same", "large"
#: The slots that cannot be read, by checkpoint. The third and the ones after it have the shared chunk once more.
DAMAGED = {1: {SHARED}, 2: {SHARED, LOST}, 3: set[str](), NEWEST: set[str]()}
UNREADABLE = (4, 5)
#: All that can be done: two manifests mended, two put aside.
MENDED = 4


class Repairing:
    """Mends a job; its number is how much of that is done."""

    def __init__(self, folder: str) -> None:
        self._rank = Path(folder, "store", "job", "rank-00000")
        self._told = Path(folder, "as it was.json")
        if not self._rank.exists():
            self._make()
        self._line = self._open()

    def load(self) -> int:
        """Give how much is mended; an error where something is neither as it was nor as it should be."""
        was = json.loads(self._told.read_text())
        findings = list(self._line.verify())
        done = 0
        for number, damaged in DAMAGED.items():
            now = _described(self._line.load(number))
            bad = {each.slot for each in findings if each.number == number and not each.good}
            if now != was[str(number)] or bad not in (damaged, damaged & {LOST}):
                message = (
                    f"checkpoint {number}: {bad} cannot be read; it was {was[str(number)]}, and is {now}"
                )
                raise MixtureError(message)
            done += bad != damaged
        return done + sum(self._is_aside(number, was[str(number)]) for number in UNREADABLE)

    def save(self, number: int) -> None:
        """Repair; all is on the disk when this returns."""
        from lattice_addons.checkpoint import repair

        told = [each.slot for each in repair(self._line) if each.outcome == "lost"]
        if told != [LOST]:
            message = f"repair {number} says that {told} is lost"
            raise MixtureError(message)

    def close(self) -> None:
        """Nothing is held."""

    def _open(self) -> Line:
        from lattice_addons import Settings
        from lattice_addons.checkpoint import Line
        from lattice_addons.storage import open_store

        settings = Settings(root=str(self._rank.parents[1]), job_id="job", keep=100)
        return Line(open_store(settings), "job", 0, settings=settings)

    def _make(self) -> None:
        """Save checkpoints, and damage some of them."""
        from lattice_addons.checkpoint import Fresh
        from lattice_addons.encoding import encode

        line, made = self._open(), list[Any]()
        for number in range(1, NEWEST + 1):
            fresh = {name: Fresh("StateManager", encode(value)) for name, value in parts(number).items()}
            made.append(line.commit(fresh, parent=None, reason="manual"))
            if number == 2:
                line._catalog.drop(_chunk(made[0], SHARED))
        line.release()
        self._flip(made[0], SHARED)
        self._flip(made[1], LOST)
        told: dict[int, object] = {number: _described(made[number - 1]) for number in DAMAGED}
        for number in UNREADABLE:
            manifest = self._rank / "checkpoints" / f"{number:012d}.json"
            told[number] = text = manifest.read_text().replace('"job"', '"jab"', 1)
            manifest.write_text(text)
        self._told.write_text(json.dumps(told))

    def _flip(self, checkpoint: Checkpoint, slot: str) -> None:
        chunk = _chunk(checkpoint, slot)
        with (self._rank / "packs" / f"{chunk.pack}.pack").open("r+b") as pack:
            pack.seek(chunk.offset)
            flipped = bytes([pack.read(1)[0] ^ 1])
            pack.seek(chunk.offset)
            pack.write(flipped)

    def _is_aside(self, number: int, text: str) -> bool:
        name = f"{number:012d}.json"
        here, aside = (self._rank / folder / name for folder in ("checkpoints", "quarantine"))
        found = [path.read_text() for path in (here, aside) if path.exists()]
        if not found or set(found) != {text}:
            message = f"the unreadable manifest {number} is gone, or another"
            raise MixtureError(message)
        return not here.exists()


def _chunk(checkpoint: Checkpoint, slot: str) -> Chunk:
    return next(checkpoint.slots[slot].chunks())


def _described(checkpoint: Checkpoint) -> dict[str, list[object]]:
    """Give what a repair never alters: all of every slot but where its chunks are."""
    return {
        name: [
            entry.encoding,
            (entry.value or b"").decode(),
            *([chunk.digest for chunk in entry.chunks()]),
            entry.size,
        ]
        for name, entry in checkpoint.slots.items()
    }
