"""What became of an act is told once more on the page to which it leads, by a name that nobody can guess."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict

__all__ = ["News"]

_MOST = 1000


class News:
    """Sentences by their names; the oldest go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, text: str) -> str:
        """Give the name by which an address can refer to a sentence: no address can have one of its own shown."""
        name = secrets.token_urlsafe(12)
        with self._lock:
            self._kept[name] = text
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return name

    def told(self, name: str) -> str:
        """Give a sentence; nothing where there is none."""
        return self._kept.get(name, "")
