"""A key that is written piece by piece under another name, and gets its own when it is whole."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from lattice_addons.storage import _files
from lattice_addons.storage._commit import place
from lattice_addons.storage._faults import already_there, told, vanished

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.storage._files import Folder
    from lattice_addons.storage._folders import Folders
    from lattice_addons.storage._store import Bytes

__all__ = ["staging"]


class _Staged:
    """A file that has no name of its own yet."""

    def __init__(self, descriptor: int, path: str) -> None:
        self.position = 0
        self.fault: OSError | None = None
        self._descriptor = descriptor
        self._path = path

    def write(self, data: Bytes) -> None:
        """Append all of these bytes."""
        self.write_at(data, self.position)

    def write_at(self, data: Bytes, offset: int, *, paged: bool = False) -> None:
        """Write all of these bytes there."""
        del paged
        try:
            with told("write", self._path):
                end = offset + _files.write_all(self._descriptor, data, offset)
        except OSError as error:
            self.fault = error
            raise
        self.position = max(self.position, end)


@contextmanager
def staging(folders: Folders, parts: Sequence[str], url: str, *, over: bool) -> Iterator[_Staged]:
    """Write a file beside its place; at the block's end it is synchronised and put there, or it is removed."""
    key = "/".join(parts)
    path = os.path.join(folders.root, *parts)
    with ExitStack() as stack:
        with told("write", path):
            try:
                made = _begin(stack, folders, parts)
            except FileNotFoundError:
                # The folder was removed, as empty, between the two steps.
                made = _begin(stack, folders, parts)
        staged = _Staged(made[2], path)
        yield staged
        if staged.fault is not None:
            # The block went on after a write that failed: what is there is not what was meant.
            raise staged.fault
        with told("write", path):
            try:
                place(folders, parts, made, over=over)
            except FileExistsError:
                raise already_there(url, key) from None
            except FileNotFoundError:
                raise vanished(url, key) from None


def _begin(stack: ExitStack, folders: Folders, parts: Sequence[str]) -> tuple[Folder, str, int]:
    """Open the folder, and a file in it that nobody can see; both are closed with the stack."""
    folder = stack.enter_context(folders.enter(parts[:-1], make=True))
    return (folder, *stack.enter_context(_files.temporary_file(folder)))
