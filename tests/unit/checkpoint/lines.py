"""What the tests of checkpoints share: slots to be written, and how to read and damage what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Fresh, Line
from lattice_addons.checkpoint._seal import seal, unseal
from lattice_addons.encoding import Encoded, Stream, decode, encode
from lattice_addons.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.checkpoint import Checkpoint, Entry
    from lattice_addons.storage import Store

FOLDER = "job/rank-00000/"


def fresh(value: object) -> Fresh:
    """Give a slot of this value, to be written."""
    return Fresh("StateManager", encode(value))


def raw(*buffers: bytes | bytearray | memoryview | Stream, encoding: str = "pickle") -> Fresh:
    """Give a slot of these buffers, to be written."""
    return Fresh("StateManager", Encoded(encoding, "builtins.bytes", None, buffers))


def line_of(store: Store, job: str = "job", rank: int = 0, **settings: object) -> Line:
    """Give a line of a store."""
    return Line(store, job, rank, settings=Settings(**settings))  # type: ignore[arg-type]


def save(line: Line, **slots: object) -> Checkpoint:
    """Commit these values."""
    return line.commit({name: fresh(value) for name, value in slots.items()}, parent=None, reason="manual")


def values(line: Line, checkpoint: Checkpoint | None) -> dict[str, object]:
    """Read the values of a checkpoint's slots."""
    assert checkpoint is not None
    return {name: value(line, checkpoint, name) for name in checkpoint.slots}


def value(line: Line, checkpoint: Checkpoint, name: str) -> object:
    """Read the value of one slot."""
    entry = checkpoint.slots[name]
    return decode(entry.encoding, *line.read(entry), type=entry.type)


def contents(line: Line, entry: Entry) -> list[bytes]:
    """Read the bytes of a slot's buffers."""
    return [bytes(buffer) for buffer in line.read(entry)[1]]


def packs(store: Store) -> list[str]:
    """Give the keys of the packs that are there."""
    return store.list(FOLDER + "packs")


def manifest(number: int) -> str:
    """Give the key of a manifest."""
    return f"{FOLDER}checkpoints/{number:012d}.json"


def damage(store: Store, key: str, at: int = 0) -> None:
    """Flip one bit."""
    data = bytearray(store.read(key))
    data[at] ^= 1
    store.replace(key, bytes(data))


def forge(store: Store, number: int, old: bytes, new: bytes, *, key: bytes | None = None) -> None:
    """Change a manifest's text and seal it again, as another version, or a person, would."""
    body = unseal(store.read(manifest(number)), key, "")
    assert old in body
    store.replace(manifest(number), seal(body.replace(old, new), key))


class Pieces(Stream):
    """Bytes that come in these pieces."""

    def __init__(self, pieces: Sequence[bytes], size: int | None = None) -> None:
        self._pieces = pieces
        self.size = sum(map(len, pieces)) if size is None else size

    def pieces(self) -> Iterator[bytes]:
        """Give the pieces."""
        return iter(self._pieces)
