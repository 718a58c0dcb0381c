"""What a program waits for at its end, which groups have left that were closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.lifecycle.recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

LEFT = """
    from lattice_addons.lifecycle import leave_behind

    clock, later = time.monotonic, 0.0
    time.monotonic = lambda: clock() + later

    class Left:
        def __init__(self, text):
            self.text = text

        def settle(self, seconds, tell):
            global later
            if seconds:
                say(self.text, "is waited for")
                later += seconds
            return self.text

    group = Recorder()
    group.settle = lambda seconds, tell: None
    attachment = attach(group)
    kept = [Left(text) for text in sys.argv[1:]]
    for each in kept:
        leave_behind(each, 20)
"""


def test_one_grace_is_enough_for_all_that_is_left(tmp_path: Path) -> None:
    """Those that come later have had that time as well; of each it is said what is not up."""
    ended = recording(tmp_path, LEFT).run("one", "two", "three")
    assert ended.stdout == "save exit\none is waited for\n", ended.stderr
    assert ended.stderr == "lattice: one\nlattice: two\nlattice: three\n"


def test_what_is_left_of_one_job_is_said_once(tmp_path: Path) -> None:
    """However many groups of it there were."""
    ended = recording(tmp_path, LEFT).run("same", "same", "other", "same")
    assert ended.stderr == "lattice: same\nlattice: other\n"
