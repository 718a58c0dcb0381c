"""What was found in files that have not changed since: in the user's cache folder, and never more than a help."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import lattice_addons

from ._facts import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._files import File

__all__ = ["Cache"]

#: Counts up with each change of what the parser finds.
VERSION = 1
# A file that was changed a moment ago may be changed again within the same tick of its clock.
_SETTLED = 2_000_000_000
_DIGEST = 16


class Cache:
    """The facts of the files of one call, by their real paths; damaged, foreign or unwritable ones are none.

    One file for each set of paths that is parsed: JSON behind its check sum, replaced as a whole. Of two processes
    that write it at once, one wins. Literals are kept as their text, and evaluated as those in source are.
    """

    def __init__(self, paths: list[str], placeholder: str | None) -> None:
        words = (lattice_addons.__version__, VERSION, sys.version_info[:3], placeholder, sorted(paths))
        name = hashlib.blake2b(repr(words).encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest()
        self._path = os.path.join(_folder(), f"{name}.json")
        self._known = self._load()
        self._kept: dict[str, list[Any]] = {}
        self._changed = False
        self._now = time.time_ns()

    def get(self, file: File) -> dict[str, Facts] | None:
        """Give what was found in a file, if it is the same file as then."""
        entry = self._known.get(file.real)
        try:
            if entry is None or entry[0] != list(file.stamp):
                return None
            facts = {str(name): Facts.of_plain(told, file.path) for name, told in dict(entry[1]).items()}
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None
        self._kept[file.real] = entry
        return facts

    def put(self, file: File, facts: Mapping[str, Facts]) -> None:
        """Remember what was found in a file."""
        if max(file.stamp[1:3]) < self._now - _SETTLED:
            self._kept[file.real] = [list(file.stamp), {name: each.plain() for name, each in facts.items()}]
            self._changed = True

    def save(self) -> None:
        """Write it for the next time, if that is of use and possible."""
        if not self._changed and self._kept.keys() == self._known.keys():
            return
        with suppress(OSError, ValueError, TypeError, RecursionError):  # it is a help only
            body = json.dumps(self._kept, separators=(",", ":")).encode("utf-8", "surrogatepass")
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(self._path), suffix=".tmp")
            try:
                with open(descriptor, "wb") as file:
                    file.write(_sum(body) + b"\n" + body)
                os.replace(temporary, self._path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise

    def _load(self) -> dict[str, list[Any]]:
        try:
            with open(self._path, "rb") as file:
                told, _, body = file.read().partition(b"\n")
            known = json.loads(body) if told == _sum(body) else {}
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}


def _folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "lattice", "hyperparams")


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).hexdigest().encode()
