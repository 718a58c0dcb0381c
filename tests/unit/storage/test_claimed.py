"""Who changes a job beside its programs has the claim on it meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import LeaseHeldError
from lattice_addons.lifecycle import Owner
from lattice_addons.storage import LocalStore, claimed

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "job/rank-00000/"


def claim(store: LocalStore, owner: dict[str, object]) -> None:
    """Let somebody have claimed the folder."""
    told = {"number": 3, "session": "s", "nonce": "n", "renewed": 0.0, "owner": owner, "by": owner}
    store.put(f"{FOLDER}claims/00000003.json", json.dumps(told).encode())


def test_where_no_program_has_claims_none_is_made(tmp_path: Path) -> None:
    """Programs of this machine have the lease alone."""
    store = LocalStore(tmp_path)
    with claimed(store, FOLDER):
        assert store.list("") == []


def test_a_live_programs_claim_stays(tmp_path: Path) -> None:
    """Nothing is done beside it."""
    store = LocalStore(tmp_path)
    claim(store, Owner.current().to_dict())
    with pytest.raises(LeaseHeldError, match="is written by"), claimed(store, FOLDER):
        pytest.fail("it was let in")
    assert store.list("") == [f"{FOLDER}claims/00000003.json"]


def test_a_dead_programs_claim_is_followed_and_given_back(tmp_path: Path) -> None:
    """No other machine can take it meanwhile; then each can."""
    store = LocalStore(tmp_path)
    source = "from lattice_addons.lifecycle import Owner; import json; print(json.dumps(Owner.current().to_dict()))"
    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    claim(store, json.loads(told.stdout))
    with claimed(store, FOLDER):
        assert store.list("") == [f"{FOLDER}claims/00000004.json"]
        with pytest.raises(LeaseHeldError), claimed(store, FOLDER):
            pytest.fail("it was let in")
    assert store.list("") == []
