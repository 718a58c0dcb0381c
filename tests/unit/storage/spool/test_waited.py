"""Who had to wait until another machine gave its claim back knows what that one has sent meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.storage.spool import _claim
from tests.unit.storage.spool.machines import FOLDER, Machine, part, restart

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from lattice_addons.storage.remote import Listed


def far(machine: Machine) -> None:
    """Let a machine be one whose processes cannot be seen from here."""
    claim = machine.spool.claim(FOLDER)
    assert claim is not None
    owner = claim["owner"] | {"host": "far", "boot_id": "another"}
    there = claim | {"owner": owner, "by": owner}
    machine.remote.replace(_claim._key(FOLDER, claim["number"]), _claim._text(there))


def waits(waiting: Machine, sending: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one machine see the claim of another one that is about to send the last that it has, and give it back."""
    sending.line.release()
    far(sending)
    monkeypatch.setattr(_claim, "_LOOK", 0.01)
    looked: list[str] = []
    read = waiting.remote.read

    def sent_meanwhile(key: str, start: int = 0, stop: int | None = None) -> bytes:
        if f"/{_claim.CLAIMS}" in key:
            looked.append(key)
            if len(looked) == 2:
                assert sending.send() is None
        return read(key, start, stop)

    monkeypatch.setattr(waiting.remote, "read", sent_meanwhile)


def test_a_program_that_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It carries on from the last checkpoint, and not from the one that was there when it began to wait."""
    a, b = restart(tmp_path, "a"), Machine(tmp_path, "b")
    a.save("one")
    a.send()
    a.save("two")
    waits(b, a, monkeypatch)
    b.line.acquire()
    assert b.value() == "two"
    b.save("three")
    assert b.send() is None


def test_a_program_whose_rival_gives_back_before_it_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the look at the claim that it shows, all was sent: there is nobody to wait for."""
    a, b = restart(tmp_path, "a"), Machine(tmp_path, "b")
    a.save("one")
    a.line.release()
    listing = b.remote.listing

    def sent_after_it(prefix: str = "") -> dict[str, Listed]:
        found = listing(prefix)
        a.send()
        return found

    monkeypatch.setattr(b.remote, "listing", sent_after_it)
    b.line.acquire()
    assert b.value() == "one"


def test_an_uploader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries to send nothing where another machine has gone on, and keeps no claim there."""
    a, b = part(tmp_path)
    waits(a, b, monkeypatch)
    assert "went on elsewhere: checkpoints 2 are only on this machine" in (a.send() or "")
    assert a.remote.list(f"{FOLDER}claims/") == []
