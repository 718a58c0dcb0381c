"""Whose a lease is, is judged in one step with taking it, and never guessed."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from lattice_addons.lifecycle import Owner
from tests.unit.checkpoint.lines import FOLDER, line_of, save

if TYPE_CHECKING:
    from lattice_addons.storage import Store

LEASE = f"{FOLDER}lease.json"


def test_a_lease_is_taken_by_one_at_a_time(store: Store) -> None:
    """Of two processes that find a dead one's lease, the second judges what the first has written."""
    line = line_of(store)
    thread = threading.Thread(target=line.acquire)
    with store.exclusive(FOLDER):
        thread.start()
        thread.join(0.2)
        assert not line.lease.held()
    thread.join(60)
    assert line.lease.held()


def test_one_that_cannot_be_seen_is_not_taken_to_have_ended(store: Store) -> None:
    """On another host it may still run: what a group that was let go of has left is told, not dropped."""
    line = line_of(store)
    save(line, n=1)
    elsewhere = {"host": "elsewhere", "boot_id": "another boot", "session": "another"}
    store.replace(LEASE, json.dumps(Owner.current().to_dict() | elsewhere).encode())
    assert line.lease.is_held() is None
    assert not line.lease.is_over()
