"""Every byte of a small checkpoint altered, one at a time, and a program started on it."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Values = dict[str, object]

OLD: Values = {"plain": {"loss": 0.5}, "pickled": (1, {2: "old"}), "same": (3, {4: "same"})}
NEW: Values = {"plain": {"loss": 0.25}, "pickled": (5, {6: "new"}), "same": (3, {4: "same"})}


class Noticed(logging.Handler):
    """What the library warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text."""
        self.texts.append(record.getMessage())


@pytest.fixture
def noticed() -> Iterator[Noticed]:
    """Listen to the library's warnings."""
    handler, log = Noticed(), logging.getLogger("lattice_addons")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def start(root: Path) -> StateManagerGroup:
    """Start a session."""
    return StateManagerGroup(Settings(root=str(root), job_id="job", signals=(), atexit_saving=False))


@pytest.fixture
def store(folder: Path) -> Path:
    """Give a store with an old and a new checkpoint."""
    root = folder / "store"
    group = start(root)
    for values in (OLD, NEW):
        for name, value in values.items():
            if name not in group:
                group.register(name)
            group.update(name, value)
        group.save()
    group.close()
    return root


def read(root: Path, noticed: Noticed) -> tuple[Values, list[str]]:
    """Give the values of a new session, and what was said about damage."""
    noticed.texts.clear()
    values: Values = {}
    said: list[str] = []
    try:
        group = start(root)
    except CheckpointError as error:
        return values, [str(error)]
    try:
        for name in NEW:
            group.register(name)
            try:
                values[name] = group.get(name)
            except CheckpointError as error:
                said.append(str(error) if name in str(error) else f"without its name: {error}")
    finally:
        group.close()
    return values, said + noticed.texts


def altered(path: Path, mask: int = 0) -> Iterator[int]:
    """Alter each byte of a file, one at a time, by a mask or by one bit in turn; it is whole again at the end."""
    whole = path.read_bytes()
    for place in range(len(whole)):
        flipped = bytes([whole[place] ^ (mask or 1 << place % 8)])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        yield place
    path.write_bytes(whole)


def newest(root: Path, kind: str) -> Path:
    """Give the newest manifest or pack."""
    return in_order(root, kind)[-1]


def in_order(root: Path, kind: str) -> list[Path]:
    """Give the manifests, or the packs in the order in which manifests came to name them.

    The names of two packs of one millisecond are in no order.
    """
    rank = root / "job" / "rank-00000"
    manifests = sorted(rank.glob("checkpoints/*.json"))
    if kind.startswith("checkpoints"):
        return manifests
    texts = [manifest.read_text() for manifest in manifests]
    return sorted(
        rank.glob(kind), key=lambda pack: min(n for n, text in enumerate(texts) if pack.stem in text)
    )


@pytest.mark.parametrize("mask", [0, 0x20], ids=["bits", "case"])
def test_every_byte_of_a_manifest(store: Path, noticed: Noticed, mask: int) -> None:
    """A manifest with one bit flipped, anywhere, is found and named, and the checkpoint before it is used."""
    path = newest(store, "checkpoints/*.json")
    assert read(store, noticed) == (NEW, [])
    for place in altered(path, mask):
        values, said = read(store, noticed)
        assert values == OLD, f"byte {place}: {said}"
        assert any(path.name in text for text in said), f"byte {place}: {said}"
    assert read(store, noticed) == (NEW, [])


@pytest.mark.parametrize("which", ["newest", "oldest"])
def test_every_byte_of_a_pack(store: Path, noticed: Noticed, which: str) -> None:
    """A pack with one bit flipped, anywhere, is found; the slot is named, and has its older good value or none."""
    packs = in_order(store, "packs/*.pack")
    assert len(packs) == 2
    for place in altered(packs[-1] if which == "newest" else packs[0]):
        values, said = read(store, noticed)
        wrong = {name: value for name, value in values.items() if value not in (OLD[name], NEW[name])}
        assert not wrong, f"byte {place}"
        # What only the old checkpoint needs is not read while the new one is whole.
        assert said or (which == "oldest" and values == NEW), f"byte {place}: not found, {values}"
        lost = {name for name in NEW if values.get(name) != NEW[name]}
        assert all(any(repr(name) in text for text in said) for name in lost), (
            f"byte {place}: {lost} not in {said}"
        )
    assert read(store, noticed) == (NEW, [])


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99], ids=["empty", "half", "almost whole"])
def test_a_truncated_file_is_found(store: Path, noticed: Noticed, kept: float, folder: Path) -> None:
    """A manifest or pack that ends early is found and the older good values are given."""
    for path in (newest(store, "checkpoints/*.json"), newest(store, "packs/*.pack")):
        copy = folder / f"copy of {path.name}"
        shutil.copytree(store, copy)
        cut = copy / path.relative_to(store)
        cut.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])

        values, said = read(copy, noticed)

        assert said
        assert {name: value for name, value in values.items() if value not in (OLD[name], NEW[name])} == {}
