"""What an uploader's turn does where others are at the same folders, ranks and claims."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lattice_addons._owner import Owner
from lattice_addons.checkpoint import Fresh, Instant, Line, Part, clear
from lattice_addons.checkpoint._parts import Parts
from lattice_addons.encoding import encode
from lattice_addons.errors import LeaseHeldError, StoreError, UnreachableError
from lattice_addons.settings import Settings
from lattice_addons.storage import RemoteStore, Spool
from lattice_addons.storage._faults import coded
from lattice_addons.storage.spool import _claim
from lattice_addons.storage.spool._attend import hold
from lattice_addons.storage.spool._holding import Holding
from lattice_addons.storage.spool._pending import pending
from lattice_addons.storage.spool._room import note_gone
from lattice_addons.storage.spool._turn import take_turn, turn
from tests.unit.storage.spool.machines import FOLDER, Machine, restart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.integration.servers import Bucket

SECOND = "job/rank-00001/"


class Interrupted(RemoteStore):
    """A remote store with something that happens after a pack was sent, or before a key is replaced."""

    after_a_pack: Callable[[], None] | None = None
    before_replacing: Callable[[], None] | None = None

    def send(self, key: str, path: str, **more: object) -> None:
        """Send a file."""
        super().send(key, path, **more)  # type: ignore[arg-type]
        if self.after_a_pack is not None and key.endswith(".pack"):
            happens, self.after_a_pack = self.after_a_pack, None
            happens()

    def replace(self, key: str, data: bytes) -> None:  # type: ignore[override]
        """Replace a key."""
        if self.before_replacing is not None:
            happens, self.before_replacing = self.before_replacing, None
            happens()
        super().replace(key, data)


def expire(top: Path) -> None:
    """Let the claim be that of a machine that was not heard of for long."""
    for path in (top / "remote" / FOLDER / "claims").iterdir():
        told = json.loads(path.read_bytes()) | {"renewed": 0}
        far = told["owner"] | {"host": "far", "boot_id": "another"}
        path.write_text(json.dumps(told | {"owner": far, "by": far}))
        os.utime(path, (1, 1))


def test_a_claim_that_was_lost_in_mid_turn(tmp_path: Path) -> None:
    """A machine that was asleep while it sent a pack neither goes on with manifests nor deletes anything."""
    a = restart(tmp_path, "a")
    a.save(["one", bytearray(os.urandom(300_000))])
    a.send()
    a.save("superseded")
    a.line.settings = Settings(keep=1)
    a.save(["three", bytearray(os.urandom(300_000))])
    a.line.retain()
    assert a.spool.gone(FOLDER)
    remote = Interrupted(a.remote.url)
    holding = Holding(a.spool, remote)

    def sleep() -> None:
        expire(tmp_path)
        b = restart(tmp_path, "b")
        b.save("of b")
        b.send()
        b.line.release()
        holding._known.clear()
        claim = a.spool.claim(FOLDER)
        assert claim is not None
        a.spool.set_claim(FOLDER, claim | {"renewed": 0})

    remote.after_a_pack = sleep
    take_turn(a.spool, remote, holding)
    take_turn(a.spool, remote, holding)
    c = Machine(tmp_path, "c")
    assert (c.line.numbers(), c.value()) == ([1, 2], "of b")
    assert (a.spool.trouble(FOLDER) or {})["kind"] in ("diverged", "LeaseHeldError")


def test_a_program_that_runs_does_not_go_on_from_what_came_meanwhile(tmp_path: Path) -> None:
    """Its next checkpoint would hide the other machine's, though there is none to be sent just now."""
    a = restart(tmp_path, "a")
    a.save("one")
    a.send()
    expire(tmp_path)
    b = restart(tmp_path, "b")
    b.save("of b")
    b.end()
    claim = a.spool.claim(FOLDER)
    assert claim is not None
    assert "went on elsewhere" in (hold(a.spool, a.remote, FOLDER) or "")
    a.spool.set_claim(FOLDER, claim | {"left": True})
    assert hold(a.spool, a.remote, FOLDER) is None


def test_a_claim_that_was_renewed_while_it_was_followed(tmp_path: Path) -> None:
    """A program takes the claim in the moment in which the uploader renews the old one: it stays this machine's."""
    a = restart(tmp_path, "a")
    a.save("one")
    a.send()
    a.line.release()
    remote = Interrupted(a.remote.url)
    begun: list[Machine] = []
    remote.before_replacing = lambda: begun.append(restart(tmp_path, "a"))
    _claim.keep(a.spool, remote, FOLDER)
    claim = a.spool.claim(FOLDER)
    assert claim is not None
    a.spool.set_claim(FOLDER, claim | {"renewed": 0})
    begun[0].save("two")
    assert begun[0].send() is None
    assert (tmp_path / "remote" / FOLDER / "checkpoints" / "000000000002.json").exists()


def test_who_waits_for_one_claim_renews_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would expire, and other machines take them."""
    monkeypatch.setattr(_claim, "EXPIRY", 240.0)
    monkeypatch.setattr(_claim, "_LOOK", 0.05)
    a = restart(tmp_path, "a")
    a.save("one")
    a.send()
    far = Owner("far", "another", 1, 1, "")
    key = "other/rank-00000/claims/00000001.json"
    a.spool.store.put("other/rank-00000/checkpoints/000000000001.json", b"{}")
    a.remote.put(key, _claim._text(_claim._made(1, "session", far)))
    holding = Holding(a.spool, a.remote)
    a.remote.asked.clear()

    def wait() -> None:
        with pytest.raises(LeaseHeldError):
            holding.against("other/rank-00000/")

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    while a.remote.asked.count(f"get {key}") < 2:
        assert thread.is_alive()
        time.sleep(0.01)
    [path] = (tmp_path / "remote" / FOLDER / "claims").iterdir()
    before = path.read_bytes()
    renewing = threading.Thread(target=holding.renew, daemon=True)
    renewing.start()
    renewing.join(60)
    try:
        assert not renewing.is_alive()
        assert path.read_bytes() != before
    finally:
        a.remote.replace(key, _claim._text(_claim._made(1, "session", far)))
        thread.join(60)


def test_a_rank_waits_with_deletions_for_the_others(tmp_path: Path) -> None:
    """A checkpoint of the job needs the parts of all ranks: the old ones go when all of the new ones are there."""
    a = restart(tmp_path, "a")
    second = Line(a.store, "job", 1, settings=Settings(keep=1))
    second.acquire()
    a.line.settings = Settings(keep=1)
    for value in ("one", "two"):
        a.save(value)
        second.commit({"x": Fresh("reference", encode(value))}, parent=None, reason="manual")
        if value == "one":
            a.send()
    a.line.retain()
    second.retain()
    old = [tmp_path / "remote" / rank / "checkpoints" / "000000000001.json" for rank in (FOLDER, SECOND)]

    class Cut(RemoteStore):
        def send(self, key: str, path: str, **more: object) -> None:
            if key.startswith(SECOND):
                raise StoreError("the second rank's machine is cut off", url=self.url, key=key)
            super().send(key, path, **more)  # type: ignore[arg-type]

    turn(a.spool, Cut(a.remote.url))
    assert all(path.exists() for path in old)
    turn(a.spool, a.remote)
    assert not any(path.exists() for path in old)


class Bounded(RemoteStore):
    """A remote store with room for so many packs."""

    def __init__(self, url: str, packs: int) -> None:
        super().__init__(url)
        self.packs = packs
        self.least: list[list[str]] = []  # the manifests that stayed when something was removed

    def send(self, key: str, path: str, **more: object) -> None:
        """Send a file, if there is room."""
        if key.endswith(".pack") and sum(each.endswith(".pack") for each in self.list("job/")) >= self.packs:
            raise coded(StoreError(f"no room for {key}", url=self.url, key=key), errno.EDQUOT)
        super().send(key, path, **more)  # type: ignore[arg-type]

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys."""
        super().delete(keys)
        self.least.append([key for key in self.list("job/") if "/checkpoints/" in key])


def large(number: int) -> list[object]:
    """Give a value that has a pack of its own."""
    return [number, bytearray(os.urandom(100_000))]


def test_where_there_is_no_room_what_was_superseded_goes_first(tmp_path: Path) -> None:
    """A job goes on at a quota of what stays and one more; without that, what is new would wait for ever."""
    a = restart(tmp_path, "a")
    a.line.settings = Settings(keep=2)
    remote = Bounded(a.remote.url, 2)
    for number in range(1, 6):
        a.save(large(number))
        a.line.retain()
        turn(a.spool, remote)
        assert a.spool.trouble(FOLDER) is None
        assert Machine(tmp_path, f"c{number}").value()[0] == number
    assert all(remote.least)


@pytest.mark.parametrize("at_once", [False, True])
def test_the_newest_checkpoint_there_stays_whole(tmp_path: Path, at_once: bool) -> None:
    """After a time without a network all that is there is superseded: the newest of it goes last, with its packs."""
    a = restart(tmp_path, "a")
    for number in range(1, 7):
        a.save(large(number))
        if number == 3:
            a.send()
        if not at_once:
            a.line.retain()
    a.line.retain()
    turn(a.spool, Bounded(a.remote.url, 1))
    c = Machine(tmp_path, "c")
    assert (c.line.numbers(), c.value()[0]) == ([3], 3)
    assert (a.spool.trouble(FOLDER) or {})["kind"] == "StoreError"
    turn(a.spool, Bounded(a.remote.url, 6 if at_once else 4))
    c = Machine(tmp_path, "d")
    assert (c.line.numbers(), c.value()[0]) == ([4, 5, 6], 6)


def test_what_was_sent_in_vain_makes_room(tmp_path: Path) -> None:
    """A checkpoint that is superseded while its packs go up leaves none of them behind."""
    a = restart(tmp_path, "a")
    a.line.settings = Settings(keep=1)
    a.save(large(1))
    a.send()
    a.save(large(2))
    remote = Bounded(a.remote.url, 2)
    manifest = RemoteStore(a.remote.url)

    class Cut(RemoteStore):
        def send(self, key: str, path: str, **more: object) -> None:
            if "/checkpoints/" in key:
                raise StoreError("cut off", url=self.url, key=key)
            super().send(key, path, **more)  # type: ignore[arg-type]

    turn(a.spool, Cut(a.remote.url))
    a.save(large(3))
    a.line.retain()
    assert sum(key.endswith(".pack") for key in manifest.list(FOLDER)) == 2
    turn(a.spool, remote)
    assert a.spool.trouble(FOLDER) is None
    assert Machine(tmp_path, "c").value()[0] == 3


def test_of_ranks_of_which_nothing_is_known_nothing_goes_first(tmp_path: Path) -> None:
    """What a restart needs there, none can tell by its own."""
    a = restart(tmp_path, "a")
    a.remote.put(f"{SECOND}checkpoints/000000000001.json", b"{}")
    a.line.settings = Settings(keep=2)
    for number in (1, 2):
        a.save(large(number))
    a.send()
    a.save(large(3))
    a.line.retain()
    turn(a.spool, Bounded(a.remote.url, 2))
    assert (a.spool.trouble(FOLDER) or {})["kind"] == "StoreError"
    assert Machine(tmp_path, "c").line.numbers() == [1, 2]
    turn(a.spool, Bounded(a.remote.url, 3))
    assert Machine(tmp_path, "d").line.numbers() == [2, 3]


class Together(Bounded):
    """A remote store with room for so many packs, in which all ranks have a checkpoint of one instant at any time."""

    without_a_start = 0

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys, and see that all can start again."""
        super().delete(keys)
        lines = [Line(RemoteStore(self.url), "job", rank, settings=Settings()) for rank in range(2)]
        found = Parts(lines[0]).newest({})
        numbers = found.numbers if found is not None else (0, 0)
        good = [
            line.numbers() and _is_whole(line, number) for line, number in zip(lines, numbers, strict=True)
        ]
        # What is raised here, the uploader would take for trouble of the store's.
        self.without_a_start += not all(good)


def _is_whole(line: Line, number: int) -> bool:
    """Say whether a checkpoint is there with all that it names."""
    return [each.error for each in line.verify() if each.number == number] == [None]


class Rank:
    """One rank of a job of two, on a machine of its own, or beside the other one."""

    def __init__(self, top: Path, name: str, rank: int) -> None:
        self.machine = Machine(top, name)
        self.line = Line(self.machine.store, "job", rank, settings=Settings(keep=1))
        self.line.acquire()
        self.step = self.more = 0

    def save(self, *, alone: bool = False) -> None:
        """Save the next step, or after the last one at a moment of its own, and delete what is old."""
        self.step, self.more = (self.step, self.more + 1) if alone else (self.step + 1, 0)
        part = Part(2, 1, Instant(0, self.step, 0, self.more), counts=True)
        slots = {"x": Fresh("reference", encode(large(self.step)))}
        self.line.commit(slots, parent=None, reason="manual", part=part)
        # At once, and not after some seconds.
        self.machine.store._there._listed.clear()
        self.line.together._look_again = 0.0
        self.line.retain()

    def send(self, packs: int) -> bool:
        """Send what there is to be sent; say whether it was."""
        remote = Together(self.machine.remote.url, packs)
        turn(self.machine.spool, remote)
        assert not remote.without_a_start
        return self.machine.spool.trouble(self.line.folder) is None


@pytest.mark.parametrize("names", ["aa", "ab"], ids=["one machine", "two machines"])
def test_of_several_ranks_what_was_superseded_for_all_goes_first(tmp_path: Path, names: str) -> None:
    """A job of two ranks goes on at a quota of what stays of both and one more of each."""
    ranks = [Rank(tmp_path, name, rank) for rank, name in enumerate(names)]
    for _ in range(4):
        for rank in ranks:
            rank.save()
        assert all(rank.send(4) for rank in ranks)
    for rank in ranks:
        assert [int(key[-8:-5]) for key in rank.machine.remote.list(f"{rank.line.folder}checkpoints/")][
            -1
        ] == 4


def test_what_all_can_start_from_stays_until_more_is_there(tmp_path: Path) -> None:
    """The newest of one rank may be of a moment of its own: then what is older and of all is what counts."""
    a, b = (Rank(tmp_path, "ab"[rank], rank) for rank in range(2))
    for rank in (a, b):
        rank.save()
        assert rank.send(99)
    a.save(alone=True)
    assert a.send(99)
    b.save()
    assert b.send(99)
    a.save()
    assert not a.send(4)
    assert a.send(5)
    assert a.machine.remote.list(f"{a.line.folder}checkpoints/")[-1].endswith("3.json")


def test_what_is_to_go_is_noted_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a clock that is set back, and when some of it is done."""
    spool = Spool(str(tmp_path), f"file://{tmp_path}/remote")
    now = time.time_ns()
    for number, at in enumerate((now, now - 10**12, now - 10**12, now + 10**12)):
        monkeypatch.setattr(time, "time_ns", lambda at=at: at)
        spool.add_gone(FOLDER, [f"{FOLDER}packs/{number}", f"{FOLDER}packs/{number}x"])
    spool.take_back(FOLDER, f"{FOLDER}packs/1x")
    found = [keys[0].rpartition("/")[2] for keys in spool.gone(FOLDER).values()]
    assert found == ["0", "1", "2", "3"]


@pytest.mark.one_python
@pytest.mark.parametrize("many", [1, 12])
def test_a_pack_that_was_left_short_is_sent_again(tmp_path: Path, many: int) -> None:
    """The record of what is up may be lost with it; one with as many other bytes is another process's, and stays."""
    a = restart(tmp_path, "a")
    for number in range(many):
        a.save([number, bytearray(os.urandom(300_000))])
    assert a.send() is None
    newest = max((tmp_path / "remote" / FOLDER / "packs").iterdir())
    whole = newest.read_bytes()
    os.truncate(newest, 100_000)
    a.spool.set_uploaded(FOLDER, {})
    assert a.send() is None
    assert newest.read_bytes() == whole
    newest.write_bytes(b"-" * len(whole))
    a.spool.set_uploaded(FOLDER, {})
    if many == 1:  # of many, their sizes are asked for, and not their bytes
        assert "never written over" in (a.send() or "")


def test_a_folder_without_rights_stops_no_other(tmp_path: Path, s3: Bucket) -> None:
    """Rights may be given by prefix."""
    spool = Spool(str(tmp_path), s3.root, s3.options)
    for job in ("a", "b"):
        spool.store.put(f"{job}/rank-00000/checkpoints/000000000001.json", b"{}")
    s3.proxy.fail(403, path="/a/")
    turn(spool, RemoteStore(s3.root, s3.options))
    assert "b/rank-00000/checkpoints/000000000001.json" in s3.keys("b/")
    assert (spool.trouble("a/rank-00000/") or {})["kind"] == "NoAccessError"


def test_the_beginning_of_a_pack_is_not_waited_for(tmp_path: Path) -> None:
    """It is what a writer that was killed has left, and is never sent."""
    a = restart(tmp_path, "a")
    a.save("one")
    a.spool.store.put(f"{FOLDER}packs/01ARZ3NDEKTSV4RRFFQ69G5FAV.pack", b"")
    a.send()
    assert pending(a.spool, FOLDER).keys == {}


def test_on_a_full_disk_what_was_superseded_still_goes(tmp_path: Path) -> None:
    """There is no room to write down what is to be deleted, before something is."""
    a = restart(tmp_path, "a")
    a.save(bytearray(os.urandom(300_000)))
    a.send()
    a.save(bytearray(os.urandom(300_000)))
    [sent, unsent] = a.store.list(f"{FOLDER}packs/")

    class Full(Spool):
        def add_gone(self, folder: str, keys: object) -> None:
            if os.path.exists(self.path(sent)) or os.path.exists(self.path(unsent)):
                raise coded(StoreError("full", url=self.url), errno.ENOSPC)
            super().add_gone(folder, keys)  # type: ignore[arg-type]

    full = Full.__new__(Full)
    full.__dict__.update(a.spool.__dict__)
    note_gone(full, a.store._there, FOLDER, [unsent])
    assert list(a.spool.gone(FOLDER).values()) == [[unsent]]
    assert a.store.size(sent) > 0  # from the remote store


def test_a_job_that_was_cleared_begins_afresh_without_a_network(tmp_path: Path) -> None:
    """Its first checkpoint has the name of one that is still to be deleted there; no save asks for that."""
    a = restart(tmp_path, "a")
    a.save("old")
    a.end()
    clear(Machine(tmp_path, "a").store, "job")

    class Away(RemoteStore):
        def delete(self, keys: object) -> None:
            raise UnreachableError(f"asked to delete {keys}", url=self.url)

    a = restart(tmp_path, "a")
    a.store.remote = Away(a.remote.url)
    a.save("fresh")
    a.store.remote = a.remote
    a.end()
    assert Machine(tmp_path, "c").value() == "fresh"


def test_a_group_that_is_made_again_at_once(tmp_path: Path) -> None:
    """The uploader gives its claim back, and renews it, in the moment in which it is taken anew."""
    a = restart(tmp_path, "a")
    done = threading.Event()
    holding = Holding(a.spool, a.remote)

    def send() -> None:
        while not done.is_set():
            take_turn(a.spool, a.remote, holding)
            holding.renew()

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    try:
        for number in range(20):
            a.save(number)
            a.line.release()
            a = restart(tmp_path, "a")
            assert a.value() == number
    finally:
        done.set()
        sending.join(60)
    a.end()
    assert not list((tmp_path / "remote" / FOLDER / "claims").iterdir())


def test_who_is_no_program_has_a_claim_only_while_it_sends(tmp_path: Path) -> None:
    """A name that a command has given is sent by an uploader that lives on: programs elsewhere are not kept out."""
    a = restart(tmp_path, "a")
    a.save("one")
    a.end()
    command = Machine(tmp_path, "b")
    command.line.keeps.put(1, "good")
    assert command.send() is None
    assert (tmp_path / "remote" / FOLDER / "kept" / "000000000001.json").exists()
    assert not list((tmp_path / "remote" / FOLDER / "claims").glob("*"))
    restart(tmp_path, "c").end()
