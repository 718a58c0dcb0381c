"""A run has a state of its own, from which it carries on in its middle."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lattice_addons.cli import main
from lattice_addons.experiments import Experiment, Place, search
from lattice_addons.experiments._display import Nothing
from tests.program import Program

if TYPE_CHECKING:
    import pytest


class Counts(Experiment):
    """Counts to ten; at five something happens, once."""

    what: str = search("killed", "raises", "goes on")
    folder: str = ""

    def run(self) -> dict[str, int]:
        """Count on from where it was."""
        self.state.register("n")
        first = n = self.state.get("n") or 0
        mark = Path(self.folder, self.what)
        while n < 10:
            n += 1
            self.state.update("n", n)
            if n == 5 and not mark.exists():
                mark.touch()
                if self.what == "killed":
                    self.state.save()
                    os.kill(os.getpid(), signal.SIGKILL)
                if self.what == "raises":
                    raise ValueError(self.what)
        return {"first": first, "n": n}


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """After its worker was killed, and where it failed; each has its own, which is gone when it is done."""
    options: dict[str, Any] = {"root": str(tmp_path / "root"), "display": Nothing()}
    first = Counts(folder=str(tmp_path)).run_all(1, **options)
    assert (first.done, first.failed) == (2, 1)
    place = Place(Counts, tmp_path / "root")
    (failed,) = first.failures
    assert place.store.folders("states") == [failed.identity]
    assert Counts(folder=str(tmp_path)).run_all(0, rerun="failed", **options).done == 1
    records = {each.values["what"]: each.rows for each in place.journal().records().values()}
    assert records == {
        "killed": [{"first": 5, "n": 10}],
        "raises": [{"first": 5, "n": 10}],
        "goes on": [{"first": 0, "n": 10}],
    }
    assert place.store.folders("states") == []


class Saves(Experiment):
    """Saves each of five counts, and fails once."""

    folder: str = ""

    def run(self) -> dict[str, list[int]]:
        """Count on, and tell from where."""
        self.state.register("seen")
        seen = self.state.get("seen") or []
        begun = len(seen)
        for n in range(begun, 5):
            seen = [*seen, n]
            self.state.update("seen", seen)
            self.state.save()
        mark = Path(self.folder, "mark")
        if not mark.exists():
            mark.touch()
            raise ValueError("once")
        return {"begun": [begun], "seen": seen}


def test_a_run_is_rolled_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting's state is a job in the place of its experiment, and goes back as any other does."""
    experiment = Saves(folder=str(tmp_path))
    options: dict[str, Any] = {"root": str(tmp_path / "root"), "display": Nothing()}
    (failed,) = experiment.run_all(0, **options).failures
    place = Place(Saves, tmp_path / "root")
    states = ["--root", f"{place.url}/states"]
    assert main(["log", *states, failed.identity, "--json"]) == 0
    numbers = [row["number"] for row in json.loads(capsys.readouterr().out)]
    # The newest two have all five counts: that of the last one, and that of the failure.
    assert main(["rollback", *states, failed.identity, str(numbers[2])]) == 0
    assert experiment.run_all(0, rerun="failed", **options).done == 1
    (record,) = place.journal().records().values()
    assert record.rows == [{"begun": [4], "seen": [0, 1, 2, 3, 4]}]


BY_HAND = """
    from lattice_addons.experiments import Experiment, search

    class Adds(Experiment):
        i: int = search(1, 2)

    for h in Adds():
        h.state.register("n")
        h.state.update("n", (h.state.get("n") or 0) + h.i)
        h.state.save()
        print(h.state.get("n"), h.state is h.state)
"""


def test_a_run_by_hand_has_a_state_too(tmp_path: Path) -> None:
    """One for each setting, also where nothing was run before; the next start carries on with it."""
    program = Program(tmp_path, BY_HAND)
    for printed in ("1 True\n2 True\n", "2 True\n4 True\n"):
        ended = program.run()
        assert (ended.returncode, ended.stdout) == (0, printed), ended.stderr


def test_without_resume_a_run_begins_anew(tmp_path: Path) -> None:
    """In its middle, too."""
    options: dict[str, Any] = {"root": str(tmp_path / "root"), "display": Nothing()}
    experiment = Counts(what="raises", folder=str(tmp_path))
    assert experiment.run_all(0, **options).failed == 1
    assert experiment.run_all(0, resume=False, **options).done == 1
    (record,) = Place(Counts, tmp_path / "root").journal().records().values()
    assert record.rows == [{"first": 0, "n": 10}]
