"""What is here, and what is there, are one store; another machine finds what was sent, and asks for little."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lattice_addons.errors import LeaseHeldError, NotInStoreError, UnreachableError
from lattice_addons.storage.remote._waiting import waits
from lattice_addons.storage.spool import _there
from tests.unit.storage.spool.machines import FOLDER, Machine, flip, restart

LARGE = os.urandom(300_000)


def test_another_machine_carries_on(tmp_path: Path) -> None:
    """It lists once, reads one manifest, and the bytes of the slot that is asked for."""
    a = restart(tmp_path, "a")
    for number in range(3):
        a.save([number, bytearray(LARGE)])
    a.send()
    a.end()
    b = restart(tmp_path, "b")
    newest = b.line.newest()
    assert newest is not None
    manifest = f"{FOLDER}checkpoints/{newest.number:012d}.json"
    assert b.remote.asked == [
        "list job/",
        f"get {manifest} 0-{os.path.getsize(tmp_path / 'remote' / manifest)}",
    ]
    b.remote.asked.clear()
    assert b.value() == [2, bytearray(LARGE)]
    assert all(one.startswith(f"get {FOLDER}packs/") for one in b.remote.asked)
    # Once is enough: the next read, and the next process, have it here.
    b.remote.asked.clear()
    assert b.value() == [2, bytearray(LARGE)]
    assert b.remote.asked == []
    b.line.release()
    again = restart(tmp_path, "b")
    again.remote.asked.clear()
    assert again.value() == [2, bytearray(LARGE)]
    assert again.remote.asked == []


def test_saving_and_tidying_ask_for_nothing(tmp_path: Path) -> None:
    """After a restart elsewhere, older manifests are read when a checkpoint is to be deleted, and not before."""
    a = restart(tmp_path, "a")
    for number in range(2):
        a.save([number, bytearray(LARGE)])
    a.send()
    a.end()
    b = restart(tmp_path, "b")
    b.value()
    b.remote.asked.clear()
    list(b.line.tidy(looking=True))
    b.save("third")
    list(b.line.tidy(looking=True))
    assert b.remote.asked == []
    b.save("fourth")
    list(b.line.tidy())  # as at exit, when nobody waits for a network
    assert b.remote.asked == []
    assert b.line.numbers() == [1, 2, 3, 4]
    list(b.line.tidy(looking=True))
    assert b.line.numbers() == [2, 3, 4]
    assert [one for one in b.remote.asked if "checkpoints" in one]
    b.send()
    assert sorted(path.name for path in (tmp_path / "remote" / FOLDER / "checkpoints").iterdir()) == [
        f"{number:012d}.json" for number in (2, 3, 4)
    ]


def test_a_spool_that_is_behind_takes_the_remote_line(tmp_path: Path) -> None:
    """What was sent from here, and deleted by the machine that went on, is not here any more."""
    a = restart(tmp_path, "a")
    a.save("first")
    a.send()
    a.end()
    b = restart(tmp_path, "b")
    for number in range(4):
        b.save(["on b", number])
    b.line.retain()
    b.send()
    b.end()
    a = restart(tmp_path, "a")
    assert a.value() == ["on b", 3]
    assert a.line.numbers() == [3, 4, 5]
    assert a.save("on a").number == 6


def test_a_spool_that_is_ahead_goes_on(tmp_path: Path) -> None:
    """What could not be sent is still the newest, and is sent later."""
    a = restart(tmp_path, "a")
    a.save("sent")
    a.send()
    a.save("not sent")
    a.vanish()
    a = restart(tmp_path, "a")
    assert a.value() == "not sent"
    assert a.store.asides.of(FOLDER) == []
    assert a.send() is None
    a.end()
    assert restart(tmp_path, "b").value() == "not sent"


def test_a_lease_whose_file_alone_is_gone_is_not_over(tmp_path: Path) -> None:
    """Before the first checkpoint nothing else is in the spool: what the program has must still be saved."""
    machine = restart(tmp_path, "a")
    os.unlink(machine.spool.path(f"{FOLDER}lease.json"))
    assert not machine.line.lease.is_over()
    machine.save("first")
    shutil.rmtree(machine.spool.folder_path(FOLDER))
    assert machine.line.lease.is_over()


def test_two_live_machines(tmp_path: Path) -> None:
    """The second one is refused, says who has the job, and leaves no lease behind; afterwards it is let in."""
    a = restart(tmp_path, "a")
    a.save(1)
    b = Machine(tmp_path, "b")
    with pytest.raises(LeaseHeldError, match=f"process {os.getpid()} on host") as caught:
        b.line.acquire()
    assert caught.value.job == "job"
    assert b.spool.store.list() == []
    a.send()
    a.end()
    b.line.acquire()
    assert b.value() == 1


def test_deleted_here_is_deleted_there(tmp_path: Path) -> None:
    """It is out of sight at once, also for the next process, and goes when the uploader comes to it."""
    a = restart(tmp_path, "a")
    a.save(1)
    a.save(2)
    a.send()
    doomed = f"{FOLDER}checkpoints/000000000001.json"
    a.store.delete([doomed])
    assert (tmp_path / "remote" / doomed).exists()
    assert a.line.numbers() == [2]
    with pytest.raises(NotInStoreError):
        a.store.read(doomed)
    again = Machine(tmp_path, "a")
    assert again.line.numbers() == [2]
    a.send()
    assert not (tmp_path / "remote" / doomed).exists()
    assert a.line.numbers() == [2]


def test_what_the_spool_dropped_is_read_from_there(tmp_path: Path) -> None:
    """Files that the uploader removed for want of room are still in the store."""
    a = restart(tmp_path, "a")
    a.save([bytearray(LARGE)])
    a.send()
    shutil.rmtree(os.path.join(a.spool.store.root, FOLDER, "packs"))
    assert a.value() == [bytearray(LARGE)]
    assert a.save("next").number == 2


def test_a_damaged_spool_is_mended_from_there(tmp_path: Path) -> None:
    """A pack that rotted on this disk is read from the remote store, and so is a manifest."""
    a = restart(tmp_path, "a")
    a.save([bytearray(LARGE)])
    a.send()
    for key in a.spool.here(FOLDER):
        flip(Path(a.spool.path(key)))
    again = Machine(tmp_path, "a")
    again.line.numbers()
    assert again.value() == [bytearray(LARGE)]


def test_names_given_elsewhere(tmp_path: Path) -> None:
    """A name that another machine has sent is changed there, at once, by who changes it."""
    a = restart(tmp_path, "a")
    a.save(1)
    a.line.keeps.put(1, "first")
    a.send()
    a.end()
    b = Machine(tmp_path, "b")
    b.line.keeps.put(1, "second")
    assert b.line.keeps.names() == {1: "second"}
    assert Machine(tmp_path, "c").line.keeps.names() == {1: "second"}
    b.line.keeps.drop(1)
    b.line.keeps.put(1, "third")
    b.send()
    assert Machine(tmp_path, "c").line.keeps.names() == {1: "third"}


def test_an_emptied_store_is_filled_again(tmp_path: Path) -> None:
    """What was sent and is not there any more is sent once more, and not deleted here."""
    a = restart(tmp_path, "a")
    a.save([bytearray(LARGE)])
    a.send()
    a.end()
    shutil.rmtree(tmp_path / "remote")
    (tmp_path / "remote").mkdir()
    a = restart(tmp_path, "a")
    assert a.value() == [bytearray(LARGE)]
    a.save("next")
    a.send()
    a.end()
    assert restart(tmp_path, "b").line.numbers() == [1, 2]


def test_offline(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without an answer a program does not begin; allowed to, it goes on with one warning, and sends later."""
    a = restart(tmp_path, "a")
    a.save(1)
    a.send()
    a.end()

    def dead(prefix: str = "") -> None:
        raise UnreachableError(f"no answer for {prefix}", url="file://")

    refused = Machine(tmp_path, "a")
    refused.remote.listing = dead  # type: ignore[assignment]  # as every network does some day
    with pytest.raises(UnreachableError):
        refused.line.acquire()
    reader = Machine(tmp_path, "a", offline=True)
    reader.remote.listing = dead  # type: ignore[assignment]
    assert reader.value() == 1
    a = Machine(tmp_path, "a", offline=True)
    a.remote.listing = dead  # type: ignore[assignment]
    a.line.acquire()
    assert a.value() == 1
    a.save(2)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    del a.remote.listing
    assert a.send() is None
    a.end()
    assert restart(tmp_path, "b").value() == 2


def test_near_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the end of a program: neither bytes nor a listing is asked for, however old the last one is."""
    a = restart(tmp_path, "a")
    a.save(1)
    a.end()
    b = Machine(tmp_path, "b")
    keys = b.store.list(FOLDER)
    monkeypatch.setattr(_there, "_FRESH", -1.0)
    b.remote.asked.clear()
    with b.store.near_only():
        assert b.store.list(FOLDER) == keys
        with pytest.raises(NotInStoreError):
            b.store.size(f"{FOLDER}packs/none.pack")
        with pytest.raises(UnreachableError, match="not asked for it now"):
            b.store.read(keys[0])
    unasked = Machine(tmp_path, "c", offline=True)
    with unasked.store.near_only(), pytest.raises(UnreachableError, match="not asked for it now"):
        unasked.store.list(FOLDER)
    assert (b.remote.asked, unasked.remote.asked) == ([], [])
    assert (b.store.list(FOLDER), unasked.value()) == (keys, 1)


def test_where_checkpoints_are(tmp_path: Path) -> None:
    """Sent ones are remote, others local, or being uploaded where the uploader says so."""
    a = restart(tmp_path, "a")
    a.save(1)
    a.send()
    a.save(2)
    first, second = (f"{FOLDER}checkpoints/{number:012d}.json" for number in (1, 2))
    assert a.store.standing([first, second]) == {first: "remote", second: "local"}


def test_what_is_deleted_meanwhile_takes_nothing_along(tmp_path: Path) -> None:
    """Of many keys that are fetched ahead one is gone by then: the others come all the same."""
    a = restart(tmp_path, "a")
    for number in range(3):
        a.save(number)
    a.send()
    a.end()
    b = Machine(tmp_path, "b")
    keys = b.store.list(f"{FOLDER}checkpoints/")
    b.remote.delete([keys[1]])
    b.store.prefetch([(key, 0, 2**63 - 1) for key in keys])
    assert [b.store.at_hand(key) for key in keys] == [True, False, True]
    b.remote.asked.clear()
    assert b.store.read(keys[2])
    assert b.remote.asked == []
    with pytest.raises(NotInStoreError):
        b.store.read(keys[1])


def test_who_was_waited_for_in_vain_is_not_waited_for_again(tmp_path: Path) -> None:
    """Not at once, that is: what was to be fetched ahead, and is read then, takes no second wait."""
    a = restart(tmp_path, "a")
    a.save(1)
    a.end()
    b = Machine(tmp_path, "b")
    [key] = b.store.list(f"{FOLDER}checkpoints/")
    waited: list[bool] = []

    def dead(ranges: object, *, passing: bool) -> None:
        del ranges, passing
        waited.append(waits())
        raise UnreachableError("no answer", url="file://")

    b.remote.fetch = dead  # type: ignore[assignment]  # as every network does some day
    for ask in (lambda: b.store.prefetch([(key, 0, 10)]), lambda: b.store.read(key)):
        with pytest.raises(UnreachableError):
            ask()
    assert waited == [True, False]
    del b.remote.fetch
    assert b.store.read(key, 0, 10)
    b.store.refresh(key)
    b.remote.fetch = dead  # type: ignore[assignment]
    with pytest.raises(UnreachableError):
        b.store.read(key)
    assert waited == [True, False, True]
