"""What need not stay is known, with its bytes, before it is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._commit import Packs
from lattice_addons.checkpoint._layout import manifest_key, pack_name
from lattice_addons.checkpoint._readable import check_key
from lattice_addons.errors import NotInStoreError

if TYPE_CHECKING:
    from collections.abc import Collection

    from lattice_addons.checkpoint._line import Line

__all__ = ["Prune", "prunable", "prune"]


@dataclass(frozen=True)
class Prune:
    """What goes from one line: checkpoints, packs, and the bytes of both. ``stays`` are the checkpoints that do not."""

    __module__ = "lattice_addons.checkpoint"

    goes: tuple[int, ...]
    stays: tuple[int, ...]
    packs: int
    bytes: int


def prune(line: Line) -> Prune:
    """Delete what need not stay by the settings of this line, and say what that was.

    Raises:
        LeaseHeldError: another live process writes this line.
        WrongKeyError: what need not stay cannot be told without the key.
    """
    line.acquire()
    try:
        check_key(line)
        before = _Shelf(line)
        line.sweep()
        line.retain(rewriting=False)
        after = _Shelf(line)
    finally:
        line.release()
    return before.without(
        before.manifests.keys() - after.manifests.keys(), before.packs.keys() - after.packs.keys()
    )


def prunable(line: Line) -> Prune:
    """Say what `prune` would delete now; this changes nothing, and a live process may write meanwhile."""
    check_key(line)
    shelf = _Shelf(line)
    return shelf.without(*line.tidying().superfluous())


class _Shelf:
    """The manifests and packs that are there, each with its size."""

    def __init__(self, line: Line) -> None:
        store, folder = line.store, line.folder
        packs = Packs(store, folder)
        names = filter(None, map(pack_name, store.list(f"{folder}packs/")))
        self.packs = {pack: max(packs.size(pack), 0) for pack in names}
        self.manifests: dict[int, int] = {}
        for number in line.numbers():
            try:
                self.manifests[number] = store.size(manifest_key(folder, number))
            except NotInStoreError:
                continue

    def without(self, manifests: Collection[int], packs: Collection[str]) -> Prune:
        """Say what it is that these go."""
        goes = sorted(self.manifests.keys() & set(manifests))
        gone = self.packs.keys() & set(packs)
        size = sum(self.packs[pack] for pack in gone) + sum(self.manifests[number] for number in goes)
        stays = sorted(self.manifests.keys() - set(goes))
        return Prune(tuple(goes), tuple(stays), len(gone), size)
