"""One machine at a time has the claim; a dead one's expires by the clock of who looks."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lattice_addons._owner import Owner
from lattice_addons.errors import LeaseHeldError
from lattice_addons.storage import RemoteStore
from lattice_addons.storage.spool import _claim
from lattice_addons.storage.spool._claim import give_back, renew, take

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.integration.servers import Bucket

FOLDER = "job/rank-00000/"


@pytest.fixture
def remote(tmp_path: Path) -> RemoteStore:
    """Give a remote store."""
    (tmp_path / "remote").mkdir()
    return RemoteStore(f"file://{tmp_path}/remote")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let claims expire soon."""
    monkeypatch.setattr(_claim, "EXPIRY", 0.2)


def elsewhere(**facts: object) -> Owner:
    """Give a process that cannot be seen from here."""
    return replace(Owner.current(), host="far", boot_id="another", pid=7, **facts)  # type: ignore[arg-type]


def taken(remote: RemoteStore, owner: Owner, known: Mapping[str, object] | None = None) -> _claim.Claim:
    """Take the claim."""
    return take(remote, FOLDER, remote.list(), owner, dict(known) if known else None)[0]


def show(remote: RemoteStore, claim: _claim.Claim, **facts: object) -> None:
    """Let a claim be another one's."""
    far = claim["owner"]
    remote.replace(f"{FOLDER}claims/{claim['number']:08d}.json", _claim._text(claim | {"by": far} | facts))


def test_a_live_one_here_is_refused_at_once(remote: RemoteStore) -> None:
    """The machine itself knows that the process runs."""
    taken(remote, Owner.current())
    with pytest.raises(LeaseHeldError, match="wait for its end"):
        taken(remote, elsewhere())


def test_a_dead_one_here_is_taken_over_at_once(remote: RemoteStore, caplog: pytest.LogCaptureFixture) -> None:
    """The machine itself knows that the process has ended; its claim is another's now."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        start = Owner.current()
        dead = replace(start, pid=process.pid, start=start.start + 1)
    old = taken(remote, dead)
    show(remote, old)
    new = taken(remote, Owner.current())
    assert caplog.records == [], "it was waited for"
    assert new["number"] == old["number"] + 1
    assert renew(remote, FOLDER, old) is None
    renewed = renew(remote, FOLDER, new)
    assert renewed is not None
    assert renewed["nonce"] != new["nonce"]


def test_one_elsewhere_expires(remote: RemoteStore, short: None, caplog: pytest.LogCaptureFixture) -> None:
    """It is watched for as long as it may be renewed, with one line for whoever waits, and then taken over."""
    del short
    old = taken(remote, elsewhere())
    show(remote, old, renewed=time.time())
    begun = time.monotonic()
    new = taken(remote, Owner.current())
    assert time.monotonic() - begun >= _claim.EXPIRY
    assert new["number"] == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_one_elsewhere_that_is_renewed_is_live(remote: RemoteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its clock says: it is minutes behind."""
    monkeypatch.setattr(_claim, "EXPIRY", 30.0)
    monkeypatch.setattr(_claim, "_LOOK", 0.05)
    old = taken(remote, elsewhere())
    show(remote, old, renewed=time.time() - 600)
    looked: list[bytes] = []

    class Beating(RemoteStore):
        """A store in which the claim is renewed after the second look."""

        def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
            looked.append(super().read(key, start, stop))
            if len(looked) == 2:
                show(remote, old, renewed=time.time() - 600, nonce="another")
            return looked[-1]

    with pytest.raises(LeaseHeldError, match="on host far"):
        taken(Beating(remote.url), Owner.current())
    assert len(looked) > 2


def test_one_that_is_older_than_clocks_differ_is_dead(
    remote: RemoteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits a minute for a machine that was switched off yesterday."""
    old = taken(remote, elsewhere())
    yesterday = time.time() - 24 * 3600
    show(remote, old, renewed=yesterday)
    os.utime(tmp_path / "remote" / FOLDER / "claims" / "00000001.json", (yesterday, yesterday))
    taken(remote, Owner.current())
    assert caplog.records == [], "it was waited for"


def test_one_by_a_clock_that_is_hours_behind_is_watched(
    remote: RemoteStore, short: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The store says that it was renewed a moment ago, so that its owner may well live."""
    del short
    show(remote, taken(remote, elsewhere()), renewed=time.time() - 24 * 3600)
    taken(remote, Owner.current())
    assert "waiting up to" in caplog.text


def test_one_that_was_given_back(remote: RemoteStore) -> None:
    """It is nobody's; and who has lost his gives back nothing of another's."""
    first = taken(remote, Owner.current())
    give_back(remote, FOLDER, first)
    assert remote.list() == []
    taken(remote, elsewhere())
    give_back(remote, FOLDER, first)
    assert renew(remote, FOLDER, first) is None
    assert len(remote.list()) == 1


def test_a_spool_knows_its_own(remote: RemoteStore) -> None:
    """A program that is started again where it was need not wait for what its uploader still renews."""
    old = taken(remote, Owner.current())
    new = taken(remote, Owner.current(), old)
    assert new["number"] == 2
    assert len(remote.list()) == 1


@pytest.mark.one_python
def test_of_many_one_wins(s3: Bucket) -> None:
    """Eight machines begin at once, on a store that puts a key once: one has the claim, the others are told."""
    remote = RemoteStore(s3.root, s3.options)
    assert remote.list() == []
    won: list[int] = []
    refused: list[str] = []
    begin = threading.Barrier(8)

    def start(number: int) -> None:
        begin.wait()
        try:
            take(remote, FOLDER, [], Owner.current())
        except LeaseHeldError as error:
            refused.append(str(error))
        else:
            won.append(number)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(refused) == 7


class _Twice(RemoteStore):
    """A store behind something that says each new key twice, and hands on the second answer."""

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """Store it, and then once more."""
        super().put(key, data)
        super().put(key, data)


def test_a_claim_that_is_said_twice(remote: RemoteStore) -> None:
    """It is known by its session for one's own, and not taken for another machine's that was faster."""
    claim = taken(_Twice(remote.url), Owner.current())
    assert claim["number"] == 1
    assert renew(remote, FOLDER, claim) is not None
