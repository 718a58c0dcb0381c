"""A checkpoint that was given a name stays: the name is a small file beside it."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons.checkpoint._encrypted import close_text, is_closed, open_text
from lattice_addons.checkpoint._layout import manifest_key, manifest_number
from lattice_addons.errors import NotInStoreError, SettingsError, UntrustedError

if TYPE_CHECKING:
    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.storage import Store

__all__ = ["Keeps"]

_LONGEST = 200


class Keeps:
    """The named checkpoints of one rank; any process may give and take names, beside the one that writes."""

    def __init__(self, store: Store, folder: str, cipher: Cipher | None = None) -> None:
        self._store = store
        self._folder = folder
        self._cipher = cipher

    def numbers(self) -> set[int]:
        """Give the numbers of the checkpoints that have a name, whether or not it can be read."""
        keys = self._store.list(f"{self._folder}kept/")
        return {number for number in map(manifest_number, keys) if number is not None}

    def names(self) -> dict[int, str]:
        """Give the name of each; one that cannot be read is empty.

        Raises:
            WrongKeyError: they are encrypted with another key.
        """
        return {number: self._name(number) for number in sorted(self.numbers())}

    def put(self, number: int, name: str) -> None:
        """Give a checkpoint a name, in the place of one that it has.

        Raises:
            NotInStoreError: there is no such checkpoint.
            SettingsError: such a name cannot be.
        """
        text = {"name": _checked(name), "created": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        # Deleting is decided and done in such a section: it is there, and stays, or it is gone.
        with self._store.exclusive(f"{self._folder}checkpoints/"):
            if manifest_key(self._folder, number) not in self._store.list(f"{self._folder}checkpoints/"):
                message = f"there is no checkpoint {number} in {self._store.url}/{self._folder}"
                raise NotInStoreError(message, url=self._store.url, key=manifest_key(self._folder, number))
            self._store.replace(self._key(number), self._file(number, text))

    def drop(self, number: int) -> None:
        """Take the name off a checkpoint.

        Raises:
            NotInStoreError: it has none.
        """
        if number not in self.numbers():
            message = f"checkpoint {number} in {self._store.url}/{self._folder} has no name"
            raise NotInStoreError(message, url=self._store.url, key=self._key(number))
        self._store.delete([self._key(number)])

    def _key(self, number: int) -> str:
        return f"{self._folder}kept/{manifest_key(self._folder, number).rpartition('/')[2]}"

    def _file(self, number: int, text: dict[str, str]) -> bytes:
        if self._cipher is not None:
            text = close_text(orjson.dumps(text), self._cipher, self._key(number).encode())
        return orjson.dumps(text, option=orjson.OPT_INDENT_2) + b"\n"

    def _name(self, number: int) -> str:
        try:
            told: Any = orjson.loads(self._store.read(self._key(number)))
            if is_closed(told):
                where = f"{self._store.url}/{self._key(number)}"
                told = orjson.loads(open_text(told, self._cipher, self._key(number).encode(), where))
        except (NotInStoreError, UntrustedError, orjson.JSONDecodeError):
            return ""
        name = told.get("name") if isinstance(told, dict) else None
        return name if isinstance(name, str) else ""


def _checked(name: str) -> str:
    name = re.sub(r"\s+", " ", name).strip()
    if not name or len(name) > _LONGEST or not name.isprintable():
        message = (
            f"{name[:_LONGEST]!r} is no name for a checkpoint: it is 1 to {_LONGEST} printable characters"
        )
        raise SettingsError(message, variable="--name", part=name)
    return name
