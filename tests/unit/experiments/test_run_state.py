"""A run has a state of its own, from which it carries on in its middle."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from lattice_addons.experiments import Experiment, Place, search
from lattice_addons.experiments._display import Nothing


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
    assert Counts(folder=str(tmp_path)).run_all(1, rerun="failed", **options).done == 1
    records = {each.values["what"]: each.rows for each in place.journal().records().values()}
    assert records == {
        "killed": [{"first": 5, "n": 10}],
        "raises": [{"first": 5, "n": 10}],
        "goes on": [{"first": 0, "n": 10}],
    }
    assert place.store.folders("states") == []


def test_without_resume_a_run_begins_anew(tmp_path: Path) -> None:
    """In its middle, too."""
    options: dict[str, Any] = {"root": str(tmp_path / "root"), "display": Nothing()}
    experiment = Counts(what="raises", folder=str(tmp_path))
    assert experiment.run_all(0, **options).failed == 1
    assert experiment.run_all(0, resume=False, **options).done == 1
    (record,) = Place(Counts, tmp_path / "root").journal().records().values()
    assert record.rows == [{"first": 0, "n": 10}]
