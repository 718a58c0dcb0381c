"""What a remote place must be able to do, so that a store can be made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lattice_addons.storage._listed import Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Files", "Listed", "Sending"]


@dataclass(frozen=True)
class Sending:
    """A local file on its way: where its bytes go, and who is told of how many have."""

    key: str
    path: str
    over: bool
    parts: str | None
    tell: Callable[[int], None] | None


class Files(Protocol):
    """Keys to bytes at a remote place; keys are checked by the store already."""

    @property
    def conditional(self) -> bool:
        """Tell whether the place itself refuses a key that is there, in one step."""

    def check(self) -> None:
        """See that the place is there and lets us look."""

    def listing(self, folder: str) -> dict[str, Listed]:
        """Give all keys below a folder (``""``, or with a slash at its end)."""

    def folders(self, folder: str) -> list[str]:
        """Give the names of the folders directly below one."""

    def read(self, key: str, start: int, stop: int | None) -> bytes:
        """Give a range of a key's bytes."""

    def size(self, key: str) -> int:
        """Give the number of a key's bytes."""

    def facts(self, key: str) -> Listed:
        """Give what is known of a key without reading it."""

    def write(self, key: str, data: bytes, *, over: bool) -> None:
        """Store bytes, whole or not at all."""

    def send(self, sending: Sending) -> None:
        """Store a local file's bytes, whole or not at all."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys; those that are not there are fine."""

    def prune(self, folder: str) -> None:
        """Remove folders without keys."""

    def sweep(self, folder: str) -> int:
        """Remove what dead writers left, as far as it is old; give how many that were."""
