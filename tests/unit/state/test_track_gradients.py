"""Gradients that outlive a save are there again, where what follows depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.state import StateManagerGroup

    Start = Callable[..., StateManagerGroup]

pytestmark = pytest.mark.frameworks


def bits(model: Any) -> dict[str, bytes]:
    """Give the bits of all parameters and buffers."""
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def never_dropped(model: Any, optimizer: Any, number: int) -> None:
    """Add to the gradients that are there, and step each time."""
    del number
    model(torch.randn(8, 3)).square().mean().backward()
    optimizer.step()


def dropped_now_and_then(model: Any, optimizer: Any, number: int) -> None:
    """Add to the gradients of three steps."""
    if number % 4 == 0:
        optimizer.zero_grad()
    never_dropped(model, optimizer, number)


def one_half_in_turn(model: Any, optimizer: Any, number: int) -> None:
    """Make gradients zero in place; a step changes by its momentum what it has a gradient of zeros for."""
    optimizer.zero_grad(set_to_none=False)
    model[number % 2](torch.randn(8, 3)).square().mean().backward()
    optimizer.step()


def zeros_before_the_save(model: Any, optimizer: Any, number: int) -> None:
    """Make gradients zero in place when they were used."""
    model[number % 2](torch.randn(8, 3)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)


@pytest.mark.parametrize("stop", [3, 5, 6])
@pytest.mark.parametrize(
    "body", [never_dropped, dropped_now_and_then, one_half_in_turn, zeros_before_the_save]
)
def test_gradients_that_outlive_a_step_are_kept(start: Start, stop: int, body: Callable[..., None]) -> None:
    """Where a loop adds to them, or makes them zero and uses the zeros, it ends with the same bits."""

    def begun(seed: int) -> tuple[Any, Any, StateManagerGroup]:
        torch.manual_seed(seed)
        model = torch.nn.ModuleList([torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)])
        if body in {never_dropped, dropped_now_and_then}:
            model = torch.nn.Sequential(*model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        group = start()
        group.track(model=model, optimizer=optimizer)
        group.track_randomness()
        return model, optimizer, group

    model, optimizer, group = begun(0)
    for number in range(stop):
        body(model, optimizer, number)
    group.save()
    for number in range(stop, 9):
        body(model, optimizer, number)
    # The third life begins after one step of the second.
    for life in (0, 1):
        again, other, group = begun(7)
        for number in range(stop + life, 9):
            body(again, other, number)
            if number == stop:
                group.save()
        assert bits(again) == bits(model)


def test_sparse_gradients_that_wait_for_a_step_are_kept(start: Start) -> None:
    """Torch cannot compare them with zero."""
    model = torch.nn.Sequential(torch.nn.Embedding(10, 4, sparse=True), torch.nn.Flatten())
    optimizer = torch.optim.SparseAdam(model.parameters())
    model(torch.tensor([[1, 2], [2, 3]])).square().sum().backward()
    group = start()
    group.track(optimizer=optimizer)
    group.save()
    group = start()
    wanted = model[0].weight.grad
    model[0].weight.grad = None
    group.track(optimizer=torch.optim.SparseAdam(model.parameters()))
    found = model[0].weight.grad
    assert torch.equal(found.to_dense(), wanted.to_dense())
    assert found.layout is torch.sparse_coo


def test_going_back_takes_gradients_away(start: Start) -> None:
    """What was added up after the save waits for no step of what came back."""
    group, model = start(), torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    group.track(model=model, optimizer=optimizer)
    group.save()
    model(torch.randn(8, 3)).sum().backward()
    group.load()
    assert all(parameter.grad is None for parameter in model.parameters())
