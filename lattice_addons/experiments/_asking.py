"""Whether to go on with what earlier runs have left is asked at the terminal."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._journal import Known

__all__ = ["choice"]

_BAD = ("failed", "killed")
_AGAIN = 5


def choice(experiment: str, known: Mapping[str, Known]) -> dict[str, Any] | None:
    """Ask what to do about settings that were run before; give it as `run_all` takes it, None for nothing at all."""
    counts: Counter[str] = Counter(each.status for each in known.values())
    if not counts:
        return {}
    bad = any(counts[status] for status in _BAD)
    told = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    sys.stderr.write(f"{experiment} was run before: {told}.\n")
    ways = "[r]esume (default)" + ", resume and run what [f]ailed again" * bad
    for _ in range(_AGAIN):
        sys.stderr.write(f"{ways}, begin [a]fresh without what is done, or [q]uit? ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if not line or answer in ("q", "quit"):
            return None
        if answer in ("", "r", "resume"):
            return {"resume": True}
        if bad and answer in ("f", "failed"):
            return {"resume": True, "rerun": _BAD}
        if answer in ("a", "afresh"):
            return {"clean": True}
    return None
