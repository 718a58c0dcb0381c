"""What a program keeps its number with that does without us: once in the right way, and with one rule broken each."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, ClassVar

from lattice_addons.errors import StoreError
from tests.faults.crash.keepers import SIZE, MixtureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.crash.keepers import Keeper

__all__ = ["STAND_INS"]


class SafeFile:
    """One file, replaced by temporary file, fsync, rename, fsync of the folder: what holds everywhere."""

    syncs_file: ClassVar[bool] = True
    syncs_folder: ClassVar[bool] = True
    in_place: ClassVar[bool] = False
    keeps_on: ClassVar[bool] = True

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.path = os.path.join(folder, "number")

    def load(self) -> int | None:
        """Read the file."""
        try:
            with self._told(), open(self.path, "rb", buffering=0) as file:
                text = file.readall()
        except FileNotFoundError:
            return None
        number = int.from_bytes(text[:8], "big")
        if text != self._text(number):
            message = f"neither the old nor the new: {len(text)} bytes"
            raise MixtureError(message)
        return number

    def save(self, number: int) -> None:
        """Replace the file."""
        with self._told():
            path = self.path if self.in_place else self.path + ".tmp"
            with open(path, "wb", buffering=0) as file:
                self._write(file.fileno(), self._text(number))
                if self.syncs_file:
                    os.fsync(file)
            if not self.in_place:
                os.rename(path, self.path)
            if self.syncs_folder:
                self._sync_folder()

    def close(self) -> None:
        """Nothing is held."""

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(f"{self.path}: {error}", url=self.path) from error

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _text(self, number: int) -> bytes:
        return number.to_bytes(8, "big") * (SIZE // 8)

    def _write(self, file: int, text: bytes) -> None:
        while text:
            done = os.write(file, text)
            text = text[done:] if self.keeps_on else b""


class InPlace(SafeFile):
    """Writes over the only copy."""

    in_place = True


class NoSync(SafeFile):
    """Renames what is not on the disk yet."""

    syncs_file = False
    syncs_folder = False


class NoFolderSync(SafeFile):
    """Takes a rename for durable."""

    syncs_folder = False


class TakesShortForWhole(SafeFile):
    """Does not look how much was written."""

    keeps_on = False


class HidesErrors(SafeFile):
    """Takes a save that failed for one that succeeded."""

    def save(self, number: int) -> None:
        """Replace the file, or not."""
        with contextlib.suppress(OSError):
            super().save(number)


class RaisesRawErrors(SafeFile):
    """Lets the system's errors through."""

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        yield


class LeavesTemporary(SafeFile):
    """Is stopped for good by the temporary file of a save that did not end."""

    def save(self, number: int) -> None:
        """Replace the file, if there is no temporary."""
        os.close(os.open(self.path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        super().save(number)


STAND_INS: dict[str, Callable[[str], Keeper]] = {
    "safe": SafeFile,
    "in place": InPlace,
    "no sync": NoSync,
    "no folder sync": NoFolderSync,
    "takes short for whole": TakesShortForWhole,
    "hides errors": HidesErrors,
    "raises raw errors": RaisesRawErrors,
    "leaves temporary": LeavesTemporary,
}
