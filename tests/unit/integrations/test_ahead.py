"""Batches that were fetched ahead of their step are given again after a restart, each once."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from lattice_addons.integrations._ahead import Ahead  # noqa: E402 - torch must be there
from lattice_addons.settings import Settings  # noqa: E402
from lattice_addons.state import StateClosureManager, StateManagerGroup  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.frameworks


def tracked(root: Path, lookahead: int) -> tuple[StateManagerGroup, Ahead, Iterator[Any]]:
    """Begin an epoch of six batches, or carry on with it."""
    group = StateManagerGroup(Settings(root=str(root), signals=(), atexit_saving=False))
    loader = torch.utils.data.DataLoader(list(range(6)), batch_size=1, collate_fn=list)
    group.register("ahead", StateClosureManager)
    stored = group.get("ahead")
    group.track(loader=loader)
    ahead = Ahead(loader, lookahead=lookahead)
    if stored is not None:
        ahead.put_back(stored)
    group.update("ahead", ahead.state)
    return group, ahead, iter(loader)


@pytest.mark.parametrize("step_is_done", [True, False])
@pytest.mark.parametrize("lookahead", [0, 1])
@pytest.mark.parametrize("fetched", [2, 4, 6, 7])
def test_no_batch_is_lost_or_given_twice(
    tmp_path: Path, fetched: int, lookahead: int, *, step_is_done: bool
) -> None:
    """Saved between two steps or in the middle of one, near an epoch's beginning and at its end."""
    group, ahead, batches = tracked(tmp_path, lookahead)
    seen = [batch for _, batch in zip(range(fetched), batches, strict=False)]
    if fetched > len(seen):
        assert next(batches, None) is None
    trained = len(seen) if fetched > len(seen) else len(seen) - lookahead
    if step_is_done:
        ahead.trained()
    else:
        # The last step's batches are not done: it was of one batch.
        trained -= 1
        del ahead._fetched[:trained]
    group._session.save("signal:SIGTERM")  # as lifecycle does it, which counts no batch as done
    group.close()
    del group, ahead, batches
    gc.collect()

    group, _, batches = tracked(tmp_path, lookahead)
    rest = list(batches)
    group.close()
    expected = [[number] for number in range(trained, 6)]
    if step_is_done and lookahead == 0 and fetched < 7:
        # Who does not call safe_point() has the batch again that was fetched last.
        expected = [[number] for number in range(trained - 1, 6)]
    if not expected:
        expected = [[number] for number in range(6)]  # the next epoch
    assert rest == expected


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("ended", [True, False])
def test_what_an_earlier_process_had_fetched_is_kept_until_it_is_trained_on(
    tmp_path: Path, *, begun: bool, ended: bool
) -> None:
    """A process that is stopped again before its first step, or after the first of the batches, loses none."""
    group = StateManagerGroup(Settings(root=str(tmp_path), signals=(), atexit_saving=False))
    loader = torch.utils.data.DataLoader([8, 9], batch_size=1, collate_fn=list)
    group.track(loader=loader)
    ahead = Ahead(loader, lookahead=1)
    state = {"batches": [[6], [7]], "ended": ended}
    ahead.put_back(state)
    batches = iter(loader)
    if begun:
        assert next(batches) == [6]
        assert next(batches) == [7]
        assert ahead.state() == state
        ahead.trained()
        state = {"batches": [[7]], "ended": ended}
    assert ahead.state() == state
    rest = [[7]] if begun else [[6], [7]]
    assert list(batches) == (rest[begun:] + ([] if ended else [[8], [9]]))
    group.close()
