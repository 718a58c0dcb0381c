"""A training state in a slot of a group: as a whole, or by the states of its parts."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch", reason="a training state is made of torch objects")

import torch
from pydantic import model_validator

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import StateMismatchError
from lattice_addons.training import State
from lattice_addons.training._compare import same
from tests.unit.training.small_run import parts, train

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.frameworks


def start(folder: Path, **more: Any) -> StateManagerGroup:
    """Open the job."""
    return StateManagerGroup(
        Settings(root=str(folder), job_id="job", signals=(), atexit_saving=False, **more)
    )


def test_a_state_is_a_value_like_any_other(tmp_path: Path) -> None:
    """Saved as a whole and got back, with nothing made anew, the run ends with the same bits."""
    whole = train(State(**parts()), 7)
    group = start(tmp_path)
    group.register("state")
    group.update("state", train(State(**parts()), 3))
    group.save()
    group.close()
    group = start(tmp_path)
    group.register("state")
    state = group.get("state")
    assert type(state) is State
    assert state.step_index == 3
    # The optimizer's parameters are still the model's, and the scheduler's optimizer is still this one.
    assert train(state, 4) == whole
    group.save()
    group.close()


def test_a_wrapped_model_is_stored_bare(tmp_path: Path) -> None:
    """A parallel model comes back as the one within: the wrapper is of the process that made it."""
    state = train(State(**parts()), 1)
    plain = state.model
    state.model = torch.nn.DataParallel(plain)
    group = start(tmp_path)
    group.register("state")
    group.update("state", state)
    group.save()
    assert isinstance(state.model, torch.nn.DataParallel)
    group.close()
    group = start(tmp_path)
    group.register("state")
    assert type(group.get("state").model) is type(plain)
    assert group.get("state") == state
    group.close()


def test_a_tracked_state_gives_its_parts_back(tmp_path: Path) -> None:
    """Tracked, nothing of it is pickled, and the objects of the new process carry on."""
    whole = train(State(**parts()), 7)
    group = start(tmp_path)
    group.track(state=train(State(**parts(), vocabulary={"a": 0}), 3))
    group.save()
    group.close()
    group = start(tmp_path, trust="safe")
    state = State(**parts(seed=5))
    model = state.model
    group.track(state=state)
    assert (state.step_index, state.vocabulary) == (3, {"a": 0})
    assert state.model is model
    state.vocabulary = None
    assert train(state, 4) == whole
    group.close()


def test_a_tracked_state_that_does_not_fit_is_as_it_was(tmp_path: Path) -> None:
    """One part that does not fit is told as it is of a part by itself; no other part was changed before."""
    group = start(tmp_path)
    group.track(state=train(State(**parts(), epoch_index=4), 1))
    group.save()
    group.close()
    made = parts(seed=5)
    made["optimizer"].add_param_group({"params": [torch.nn.Parameter(torch.ones(1))]})
    state = State(**made)
    before = copy.deepcopy(state.model)
    group = start(tmp_path)
    with pytest.raises(StateMismatchError, match="does not fit AdamW, which is as it was"):
        group.track(state=state)
    assert same(state.model, before)
    assert state.epoch_index == 0
    group.close()


def test_of_a_tracked_state_what_fits_is_loaded(tmp_path: Path) -> None:
    """With ``strict=False`` each part takes what it can."""
    group = start(tmp_path)
    saved: Any = State(model=torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)), epoch_index=4)
    group.track(state=saved)
    group.save()
    group.close()
    state: Any = State(model=torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 3)))
    group = start(tmp_path)
    group.track(state=state, strict=False)
    assert state.epoch_index == 4
    assert same(state.model[0], saved.model[0])
    group.close()


class Best(State):
    """A state that says of two fields together what may be."""

    best: int = 0
    last: int = 0

    @model_validator(mode="after")
    def _in_order(self) -> Best:
        if self.best > self.last:
            raise ValueError("the best step comes after the last")
        return self


def test_fields_that_are_valid_only_together_come_back(tmp_path: Path) -> None:
    """Stored values are taken at once: some old and some new ones need not be a valid state."""
    group = start(tmp_path)
    group.track(state=Best(best=4, last=9))
    group.save()
    group.close()
    group, state = start(tmp_path), Best()
    group.track(state=state)
    assert (state.best, state.last) == (4, 9)
    group.close()


def test_a_state_has_no_used_gradients() -> None:
    """As of an optimizer by itself; and however often it is saved, its optimizer has one function to call more."""
    state: Any = State(**parts())
    for number in range(3):
        state.optimizer.zero_grad()
        state.model(torch.randn(5, 4))[0].square().mean().backward()
        state.optimizer.step()
        # Before the first save nobody has watched its steps.
        assert ("lattice_gradients" in state.state_dict()["optimizer"]) is (number == 0)
    assert len(state.optimizer._optimizer_step_post_hooks) == 1


def test_a_loader_in_a_state(tmp_path: Path) -> None:
    """Of a tracked loader the state keeps where it is, without its data; the next process's goes on from there."""
    data = torch.arange(1000.0).repeat(100, 1).T

    def begin() -> tuple[StateManagerGroup, Any]:
        torch.manual_seed(3)
        group = start(tmp_path)
        loader: Any = torch.utils.data.DataLoader(data, batch_size=10, shuffle=True)
        group.track(dataloader=loader)
        group.register("state")
        return group, loader

    group, loader = begin()
    group.update("state", State(dataloader=loader))
    batches = iter(loader)
    seen = [next(batches)[:, 0].tolist() for _ in range(4)]
    checkpoint = group.save()
    rest = [batch[:, 0].tolist() for batch in batches]
    assert checkpoint is not None
    assert checkpoint.slots["state"].size < data.nbytes // 5
    group.close()
    group, loader = begin()
    state = group.get("state")
    state.dataloader = loader
    assert [batch[:, 0].tolist() for batch in loader] == rest
    assert sorted(each for batch in seen + rest for each in batch) == list(range(1000))
    group.close()


def test_a_loader_that_nobody_tracks(caplog: pytest.LogCaptureFixture) -> None:
    """It has no place that could be stored, and keeps no state from being so."""
    loader: Any = torch.utils.data.DataLoader([1, 2, 3])
    state = State(dataloader=loader, step_index=2)
    other = State(dataloader=torch.utils.data.DataLoader([1, 2, 3]))
    other.load_state_dict(state.state_dict())
    assert other.step_index == 2
    assert "dataloader stays as it is" in caplog.text
