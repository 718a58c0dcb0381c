"""Indexes the words of the Python standard library's own sources; stopped at any time, it carries on.

Run it, stop it in any way, run it again: ``python index_words.py``. It writes ``words.log`` (a line per source
file) and, at the end, ``totals.json``.
"""

from __future__ import annotations

import json
import re
import sysconfig
from collections import Counter
from pathlib import Path

from lattice_addons import StateClosureManager, StateCopyManager, StateManagerGroup, StateSymbolicManager

WORD = re.compile(r"[A-Za-z]{2,}")


def sources() -> list[Path]:
    """Give the standard library's modules and those of its packages, in a fixed order."""
    library = Path(sysconfig.get_path("stdlib"))
    files = [*library.glob("*.py"), *library.glob("*/*.py")]
    return sorted(
        file for file in files if file.parent.name not in ("site-packages", "dist-packages", "test")
    )


def main() -> None:
    """Count words by word, in all, and by first letter; log every file."""
    group = StateManagerGroup()
    group.register("words", StateClosureManager)
    group.register("total", StateSymbolicManager)
    group.register("letters", StateCopyManager)
    group.register("log")

    # What an earlier process left, or the beginning.
    words = group.get("words") or Counter()
    total = group.get("total") or 0
    letters = group.get("letters") or {}
    log = group.get("log") or open("words.log", "w", encoding="utf-8")  # noqa: SIM115

    group.update("words", lambda: words)  # asked for at each save
    group.update("total", total)  # the variable itself is tracked
    group.update("log", log)  # contents and position

    files = sources()
    loop = group.resume([file.name for file in files], "files")
    for _ in loop:
        file = files[loop.index]
        found = WORD.findall(file.read_text(encoding="utf-8", errors="replace").lower())
        words.update(found)
        total += len(found)
        for word in found:
            letters[word[0]] = letters.get(word[0], 0) + 1
        group.update("letters", letters)  # a copy is taken here
        log.write(f"{file.name} {len(found)} {total}\n")
        print("progress", loop.index + 1, len(files), flush=True)

    totals = {"words": dict(sorted(words.items())), "total": total, "letters": dict(sorted(letters.items()))}
    Path("totals.json").write_text(json.dumps(totals), encoding="utf-8")
    group.complete()
    log.close()


if __name__ == "__main__":
    main()
