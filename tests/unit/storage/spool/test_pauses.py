"""One job that is refused waits by itself; the uploader sends what the others save meanwhile."""

from __future__ import annotations

import os
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons._owner import Owner
from lattice_addons.errors import LatticeError, NoAccessError, TooManyRequestsError, UnreachableError
from lattice_addons.storage import RemoteStore, Spool
from lattice_addons.storage.spool import _pauses
from lattice_addons.storage.spool._holding import Holding
from lattice_addons.storage.spool._pauses import Pauses
from lattice_addons.storage.spool._settle import settle
from lattice_addons.storage.spool._turn import Outcome, take_turn
from lattice_addons.storage.spool._uploader import _Loop

if TYPE_CHECKING:
    from pathlib import Path


class Guarded(RemoteStore):
    """A remote store with an error for each of some jobs."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.errors: dict[str, LatticeError] = {}
        self.asked: list[str] = []

    def _ask(self, key: str) -> None:
        job = key.partition("/")[0]
        self.asked.append(job)
        if job in self.errors:
            raise self.errors[job]

    def send(self, key: str, path: str, **more: object) -> None:
        """Send a file."""
        self._ask(key)
        super().send(key, path, **more)  # type: ignore[arg-type]

    def delete(self, keys: object) -> None:
        """Delete keys."""
        doomed = list(keys)  # type: ignore[call-overload]
        if "claims" not in doomed[0]:
            self._ask(doomed[0])
        super().delete(doomed)


class Scene:
    """A spool with jobs, and the turns that are taken there."""

    def __init__(self, top: Path) -> None:
        url = f"file://{top}/remote"
        (top / "remote").mkdir()
        self.spool = Spool(str(top / "spools"), url)
        self.remote = Guarded(url)
        self.holding = Holding(self.spool, self.remote)
        self.pauses = Pauses()
        self._there = top / "remote"

    def save(self, job: str) -> str:
        """Have a job save; give the key."""
        folder = f"{job}/rank-00000/"
        number = len(self.spool.here(folder)) + 1
        key = f"{folder}checkpoints/{number:012d}.json"
        self.spool.store.put(key, b"{}")
        with self.spool.claiming(folder):
            claim = self.spool.claim(folder) or {
                "owner": Owner.current().to_dict(),
                "pending": True,
                "left": False,
            }
            self.spool.set_claim(folder, claim)
        return key

    def turn(self) -> Outcome:
        """Take a turn."""
        self.remote.asked.clear()
        return take_turn(self.spool, self.remote, self.holding, None, self.pauses)

    def is_up(self, key: str) -> bool:
        """Say whether a key has arrived."""
        return os.path.exists(self._there / key)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Give a scene in which nobody who has failed is due within the test."""
    monkeypatch.setattr(_pauses, "_FIRST", 3600.0)
    monkeypatch.setattr(_pauses, "_LONGEST", 3600.0)
    return Scene(tmp_path)


def refused(job: str) -> LatticeError:
    """Make the error of a token that opens nothing."""
    return NoAccessError(f"no access to {job}", url="x")


def test_who_is_refused_waits_alone(scene: Scene) -> None:
    """The other job's saves go up at once, and the refused one is not asked for again before it is due."""
    scene.remote.errors["a"] = refused("a")
    mine, others = scene.save("a"), scene.save("b")
    assert scene.turn() is Outcome.AGAIN  # not at the end before the other one has had its turn
    assert scene.turn() is Outcome.FAILED
    assert (scene.is_up(mine), scene.is_up(others)) == (False, True)

    more = scene.save("b")
    scene.save("a")
    scene.turn()
    assert scene.is_up(more)
    assert "a" not in scene.remote.asked

    scene.remote.errors.clear()
    scene.pauses.forget()
    scene.turn()
    assert scene.is_up(mine)
    assert scene.spool.trouble("a/rank-00000/") is None


@pytest.mark.parametrize("kind", [TooManyRequestsError, UnreachableError])
def test_who_is_not_answered_keeps_nobody_from_a_turn(scene: Scene, kind: type[LatticeError]) -> None:
    """Though it is the first of all by its name: after it has failed, those come first that have not."""
    scene.remote.errors["a"] = kind("not now", url="x")
    scene.save("a")
    others = scene.save("b")
    scene.turn()
    # Where nobody answers, the others are not tried in the same turn: each would take as long to find out.
    assert scene.is_up(others) is (kind is TooManyRequestsError)
    scene.pauses.forget()
    scene.turn()
    assert scene.is_up(others)
    assert scene.remote.asked[-1] == "a"


def test_a_pause_becomes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a minute, and from its beginning again after all went well, or somebody came who needs it."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pauses = Pauses()
    waited = []
    for _ in range(9):
        pauses.failed("a")
        assert not pauses.is_due("a")
        waited.append(pauses.seconds() or 0.0)
        now[0] += waited[-1]
        assert pauses.is_due("a")
        assert pauses.is_due("b")
    assert waited[0] <= 1.0
    assert all(30.0 <= seconds <= 60.0 for seconds in waited[6:])
    pauses.forget()
    assert pauses.seconds() is None
    pauses.failed("a")
    assert (pauses.seconds() or 0.0) <= 1.0
    pauses.went_well("a")
    assert pauses.is_due("a")


def test_a_deletion_that_fails_waits_longer_each_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though what is new goes up in the same turn, and that goes well."""
    monkeypatch.setattr(_pauses, "_FIRST", 0.0)
    key = scene.save("a")
    scene.turn()
    scene.save("a")
    scene.spool.add_gone("a/rank-00000/", [key])
    scene.spool.store.delete([key])
    scene.remote.errors["a"] = refused("a")
    for _ in range(3):
        scene.turn()
    assert scene.pauses._waiting["a/rank-00000/"].failures == 3


@pytest.fixture
def loop(scene: Scene) -> _Loop:
    """Give the uploader's loop, which sleeps in a test."""
    made = _Loop.__new__(_Loop)
    made._pauses = scene.pauses
    made._watch = Watch()  # type: ignore[assignment]
    return made


class Watch:
    """What an uploader hears."""

    def __init__(self) -> None:
        self.poked, self.urgent = threading.Event(), threading.Event()


def test_a_save_wakes_who_sleeps_after_a_failure(loop: _Loop, scene: Scene) -> None:
    """It may be another job's; and who ends has all tried again."""
    scene.pauses.failed("a")
    threading.Timer(0.05, loop._watch.poked.set).start()
    loop._sleep(Outcome.FAILED)
    assert not scene.pauses.is_due("a")
    loop._watch.urgent.set()
    loop._heed()
    assert scene.pauses.is_due("a")


def test_who_is_gone_or_waits_for_a_person_keeps_nobody_awake(scene: Scene) -> None:
    """Its pause, once it was over, would be due for ever, and the uploader would take one turn after the other."""
    scene.remote.errors["a"] = refused("a")
    scene.save("a")
    while scene.turn() is not Outcome.FAILED:
        pass
    assert scene.pauses.seconds() is not None
    scene.pauses.keep_to(["b/rank-00000/"])
    assert scene.pauses.seconds() is None


def test_nobody_waits_for_what_is_told_of_refused_saves(scene: Scene) -> None:
    """It goes up with the rest; a program that ends has no reason to wait for the network because of it."""
    scene.spool.store.put("a/rank-00000/refused.jsonl", b"{}\n")
    uploader: Any = SimpleNamespace(why_not="it is not there")  # and no more of it is asked for
    assert settle(scene.spool, uploader, "a/rank-00000/", 3600, pytest.fail) is None
    scene.save("a")
    told = settle(scene.spool, uploader, "a/rank-00000/", 0, pytest.fail)
    assert told is not None
    assert "1 checkpoint" in told
