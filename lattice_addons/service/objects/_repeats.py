"""A write that is said again, by its client or by a proxy that lost the answer, has its effect once."""

from __future__ import annotations

__all__ = ["Repeats"]

_MOST = 10_000

Said = tuple[str, str, str]  # a key, the digest of its bytes, and the name of the write


class Repeats:
    """The writes that were acknowledged lately, and what was said of them."""

    def __init__(self) -> None:
        self._tags: dict[Said, str] = {}

    def tag(self, said: Said) -> str | None:
        """Give the tag that a write was answered with; None for a new one, or one without a name."""
        return self._tags.get(said)

    def note(self, said: Said, tag: str) -> None:
        """Remember a write that is durable now."""
        if not said[2]:
            return
        self._tags[said] = tag
        if len(self._tags) > _MOST:
            del self._tags[next(iter(self._tags))]
