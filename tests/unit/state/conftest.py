"""Groups of their own for the tests of the state stage."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from tests.unit.state.reel import Slow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_else_to_collect() -> Iterator[None]:
    """Let a collection look at what the test made, and not at all that others have imported: that takes long."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., StateManagerGroup]]:
    """Give a function that starts the job's next session; the one before has ended without a last save."""
    groups: list[StateManagerGroup] = []

    def begin(**settings: Any) -> StateManagerGroup:
        for group in groups:
            group.close()
        chosen: dict[str, Any] = {"root": str(tmp_path / "store"), "job_id": "job", "signals": ()} | settings
        groups.append(StateManagerGroup(Settings(**chosen)))
        return groups[-1]

    yield begin
    for group in groups:
        group.close()


@pytest.fixture
def reel() -> Iterator[Slow]:
    """Give bytes that a save waits for, in the middle of writing them."""
    slow = Slow()
    yield slow
    slow.leave.set()
