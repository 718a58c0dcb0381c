"""A small program starts, restores, saves and ends, and is hardly slower than without."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks._apart import plain_environ
from benchmarks._measure import Contender, Times, in_turn
from benchmarks._row import Row, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks._setup import Setup

__all__ = ["start_up"]

#: Starting is quick and noisy: more rounds cost little.
MORE = 4

WITHOUT = """
import sys

def work(count):
    total = 0
    for number in range(count):
        total += number
    return total

done = 0
done += work(1000)
"""
WITH = """
from lattice_addons import StateManagerGroup

def work(count):
    total = 0
    for number in range(count):
        total += number
    return total

group = StateManagerGroup()
group.register("done")
group.update("done", (group.get("done") or 0) + work(1000))
"""


def start_up(setup: Setup) -> Iterator[Row]:
    """Compare starting a small program, and importing the package, with doing without."""
    with setup.room() as folder:
        for name, text in (("with.py", WITH), ("without.py", WITHOUT)):
            (folder / name).write_text(text, encoding="utf-8")

        def start(*arguments: str) -> Callable[[], object]:
            return lambda: subprocess.run(
                [sys.executable, *arguments], check=True, cwd=folder, env=plain_environ()
            )

        times = in_turn(
            [
                Contender("with Lattice", start("with.py")),
                Contender("without", start("without.py")),
                Contender("import", start("-c", "import lattice_addons")),
                Contender("bare interpreter", start("-c", "")),
            ],
            setup.rounds * MORE,
        )
    what = "ten-line program with one small slot, more than without Lattice"
    yield _more(what, times["with Lattice"], times["without"], 150)
    yield _more(
        "import lattice_addons, more than a bare interpreter", times["import"], times["bare interpreter"], 60
    )


def _more(what: str, ours: Times, plain: Times, target: float) -> Row:
    if ours.error or plain.error:
        return failed(what, ours.error or plain.error, target)
    return Row(what, (ours.median - plain.median) * 1000, target, unit="ms", details=f"{ours}; {plain}")
