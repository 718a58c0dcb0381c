"""What views keep of what they have read: as much as is said, and nothing of what has been replaced."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from lattice_addons import Settings
from lattice_addons.checkpoint import Fresh, Line
from lattice_addons.encoding import encode
from lattice_addons.experiments import Experiment, run_all, search
from lattice_addons.service import Jobs
from lattice_addons.service.view import Board, Experiments, _board, compared
from lattice_addons.service.view._manifests import Newest
from lattice_addons.storage import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Fails(Experiment):
    """Fails now and then."""

    number: int = search(*range(8))

    def run(self) -> Any:
        """Fail, or not."""
        if self.number % 2:
            raise ValueError(self.number)
        return {"loss": self.number}


def test_what_was_made_for_another_stamp_is_made_anew_in_its_place() -> None:
    """Else each version of what grows would stay in memory."""
    newest: Newest[int] = Newest(3)
    assert newest.get("a", lambda: 1, "x") == newest.get("a", lambda: 2, "x") == 1
    assert newest.get("a", lambda: 3, "y") == 3
    assert len(newest._kept) == 1
    assert [newest.get(key, lambda: 4) for key in "bcd"] == [4, 4, 4]
    assert newest.get("a", lambda: 5, "y") == 5


def test_of_an_experiment_that_runs_only_the_newest_state_is_kept(tmp_path: Path) -> None:
    """It is looked at again and again while settings end; each look is of all of them."""
    store = LocalStore(tmp_path)
    experiments = Experiments(store)
    ended, failed = [], []
    for _ in range(5):
        run_all(Fails(), 0, root=store.root, limit=1)
        (view,) = experiments.all(lambda _: True, ())
        ended.append(view.ended)
        failed.append(len(experiments.failures(view)))
    assert (ended, failed) == ([1, 2, 3, 4, 5], [0, 1, 1, 2, 2])
    assert (len(experiments._standing._kept), len(experiments._records._kept)) == (1, 1)


class Slow(LocalStore):
    """A store that names its folders when it may."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begun, self.answers = threading.Event(), threading.Event()

    def folders(self, prefix: str = "") -> list[str]:
        """Wait, and name them."""
        self.begun.set()
        assert self.answers.wait(60)
        return super().folders(prefix)


def test_who_comes_while_the_first_look_is_made_is_not_told_that_nothing_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a store elsewhere takes."""
    monkeypatch.setattr(_board, "_FIRST", 0.0)
    store = Slow(tmp_path)
    line = Line(store, "job", settings=Settings(root=store.root))
    line.commit({"n": Fresh("reference", encode(1))}, parent=None, reason="manual")
    line.release()
    board = Board(Jobs(store))
    with ThreadPoolExecutor(2) as threads:
        looks = [threads.submit(board.now)]
        assert store.begun.wait(60)
        looks.append(threads.submit(board.now))
        # It waits; were it not to, it would have its answer by now.
        wait(looks[1:], timeout=0.2)
        store.answers.set()
        assert [[*look.result().jobs] for look in looks] == [["job"], ["job"]]


def test_a_checkpoint_that_went_after_it_was_read_is_compared_all_the_same(tmp_path: Path) -> None:
    """As when a job that runs deletes its old ones while somebody looks."""
    store = LocalStore(tmp_path)
    line = Line(store, "job", settings=Settings(root=store.root))
    for value in (1, 2):
        line.commit({"n": Fresh("reference", encode(value))}, parent=None, reason="manual")
    line.release()
    manifests = Jobs(store).manifests
    manifests.whole("job", 0, 1)
    store.delete([f"{line.folder}checkpoints/000000000001.json"])
    found = compared(manifests, ("job", 0, 1), ("job", 0, 2))
    assert [(side.facts.number, side.facts.reason) for side in (found.one, found.other)] == [
        (1, "manual"),
        (2, "manual"),
    ]
