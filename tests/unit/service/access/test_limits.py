"""What is over a limit is refused with an error that says which, and what is below is let in."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import OverQuotaError, TooLargeError, TooManyRequestsError
from lattice_addons.service import Limits
from lattice_addons.service.access._quotas import Quotas
from lattice_addons.storage import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.service.access._quotas import Room
    from lattice_addons.storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store in a folder."""
    return LocalStore(tmp_path / "store")


def room(quotas: Quotas, store: Store, job: str = "a", key: str = "/x") -> Room:
    """Give the room of an object."""
    made = quotas.room(store, job, key)
    assert made is not None
    return made


def test_rate_is_each_ones_own() -> None:
    """Who asks too often is refused, and told when to ask again; another one is not."""
    limits = Limits(rate=0.01, burst=3)
    for _ in range(3):
        limits.admit("one")

    with pytest.raises(
        TooManyRequestsError, match=r"one asks more often .* or have its --rate raised"
    ) as refused:
        limits.admit("one")
    limits.admit("other")
    assert 0 < refused.value.seconds <= 100


def test_no_rate_is_no_limit() -> None:
    """By default nobody's programs are counted."""
    limits = Limits()
    for _ in range(10_000):
        limits.admit("one")


def test_strangers_are_refused_after_a_while() -> None:
    """An address whose tokens were refused over and over is not heard; neither is another one of its network."""
    limits = Limits(strangers=0.01)
    limits.admit_stranger("2001:db8::1")
    for _ in range(10):
        limits.count_stranger("2001:db8::1")

    for address in ("2001:db8::1", "2001:db8::ffff"):
        with pytest.raises(TooManyRequestsError):
            limits.admit_stranger(address)
    limits.admit_stranger("2001:db8:1::1")
    limits.admit_stranger("192.0.2.1")


def test_callers_do_not_fill_the_memory() -> None:
    """Of many that ask, those that asked longest ago are forgotten."""
    limits = Limits(rate=1)
    for number in range(50_000):
        limits.admit(f"address {number}")

    assert len(limits._left) <= 20_000


def test_length() -> None:
    """A request's text and an object have limits of their own."""
    limits = Limits(text=10, largest=100)
    limits.check_length(10, text=True)
    limits.check_length(100, text=False)

    for length, text in ((11, True), (101, False)):
        with pytest.raises(
            TooLargeError, match=r"send less at once, or have its --max-\w+ raised"
        ) as refused:
            limits.check_length(length, text=text)
        assert refused.value.errno == errno.EFBIG
    Limits().check_length(1 << 60, text=False)


def test_quota_counts_what_is_there_and_what_comes(store: Store) -> None:
    """What is in the store counts, and so do the objects that are on their way at the same time."""
    store.put("a/there", bytes(60))
    store.put("ab/other", bytes(1000))
    quotas = Quotas(100)
    first, second = room(quotas, store), room(quotas, store)
    first.take(30)

    with pytest.raises(OverQuotaError) as refused:
        second.take(20)
    facts = refused.value
    assert (facts.job, facts.used, facts.quota, facts.errno) == ("a", 90, 100, errno.EDQUOT)
    first.end(stored=False)
    second.take(20)


def test_room_is_made_by_removing(store: Store) -> None:
    """A job that was full is let in as soon as something was removed, by the service or around it."""
    store.put("a/there", bytes(100))
    quotas = Quotas(100)
    with pytest.raises(OverQuotaError):
        room(quotas, store).take(1)

    store.delete(["a/there"])
    quotas.changed("a")
    room(quotas, store).take(100)


def test_stored_bytes_are_not_counted_twice(store: Store) -> None:
    """When a job seems full, it is measured again: what was counted while it came is in the store now."""
    quotas = Quotas(100)
    for number in range(10):
        taken = room(quotas, store)
        taken.take(10)
        store.replace("a/same", bytes(10))
        taken.end(stored=True)
        del number

    room(quotas, store).take(90)


@pytest.mark.parametrize(
    ("key", "counts"),
    [
        ("lease.json", False),
        ("claims/00000001.json", False),
        ("claims/x.json", True),
        ("claims/00000001.json/x", True),
        ("packs/lease.json.pack", True),
    ],
)
def test_lease_always_has_room(store: Store, key: str, counts: bool) -> None:
    """Without a lease, or a claim, nobody could remove anything."""
    assert (Quotas(1).room(store, "a", f"/rank-00000/{key}") is not None) is counts


def test_many_at_once_get_no_more_than_there_is(store: Store) -> None:
    """Threads that ask at the same instant are given the quota together, not each."""
    quotas = Quotas(100)
    taken: list[int] = []

    def take() -> None:
        mine = room(quotas, store)
        try:
            mine.take(10)
        except OverQuotaError:
            return
        taken.append(10)

    threads = [threading.Thread(target=take) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 100
