"""A tracked object is at once what it was, or as it was before, with all that does not fit told by name."""

from __future__ import annotations

import copy
import logging
import signal
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from lattice_addons.errors import (  # noqa: E402 - after the skip
    DecodeError,
    DuplicateSlotError,
    NotAManagerError,
    StateMismatchError,
    UnkeepableError,
)
from lattice_addons.state import (  # noqa: E402
    StateManager,
    StateManagerGroup,
    TrackedManager,
    register_adapter,
)
from lattice_addons.state._adapters import ADAPTERS, adapter_for  # noqa: E402
from tests.integration.lives import TORCH, Life, lives  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., StateManagerGroup]

pytestmark = pytest.mark.frameworks


def network(width: int = 4, *, seed: int = 0) -> Any:
    """Give a small network with parameters and buffers."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(3, width), torch.nn.BatchNorm1d(width), torch.nn.Linear(width, 1)
    )


def step(model: Any, optimizer: Any, scheduler: Any = None, *, seed: int = 0) -> None:
    """Train for one step."""
    torch.manual_seed(seed)
    optimizer.zero_grad()
    model(torch.randn(8, 3)).square().mean().backward()
    optimizer.step()
    if scheduler is not None:
        scheduler.step()


def bits(model: Any) -> dict[str, bytes]:
    """Give the bits of all parameters and buffers."""
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def everything(seed: int = 0) -> dict[str, Any]:
    """Give what a training script tracks."""
    model = network(seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    return {
        "model": model,
        "optimizer": optimizer,
        "scheduler": torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4], gamma=0.1),
        "scaler": torch.amp.GradScaler("cpu"),
        "ema": torch.optim.swa_utils.AveragedModel(model),
    }


def train(parts: dict[str, Any], steps: range) -> None:
    """Train all of them."""
    for number in steps:
        step(parts["model"], parts["optimizer"], parts["scheduler"], seed=number)
        parts["ema"].update_parameters(parts["model"])


def test_objects_are_at_once_what_they_were(start: Start) -> None:
    """Everything that decides a run goes on with the same bits, and nothing of it needs pickle."""
    group, parts = start(trust="safe"), everything()
    group.track(**parts)
    train(parts, range(3))
    group.save()
    train(parts, range(3, 6))
    group, again = start(trust="safe"), everything(seed=1)
    group.track(**again)
    train(again, range(3, 6))
    assert bits(again["model"]) == bits(parts["model"])
    assert bits(again["ema"]) == bits(parts["ema"])
    assert again["optimizer"].param_groups[0]["lr"] == parts["optimizer"].param_groups[0]["lr"]
    assert again["scheduler"].state_dict() == parts["scheduler"].state_dict()
    assert group.get("model") is again["model"]


def test_nothing_is_changed_where_nothing_is_stored(start: Start) -> None:
    """The first start finds no checkpoint; the objects stay as the program made them."""
    group, model = start(), network()
    before = bits(model)
    group.track(model=model)
    assert bits(model) == before
    assert group.list() == ["model"]


def stored(start: Start, **objects: Any) -> StateManagerGroup:
    """Save objects, and give the next session."""
    group = start()
    group.track(**objects)
    group.save()
    return start()


def test_all_that_does_not_fit_is_told_by_name(start: Start) -> None:
    """Shapes, what is missing and what is unexpected, in one error; neither the model nor the store is changed."""
    group = stored(start, model=network(4))
    other = network(5)
    other.add_module("head", torch.nn.Linear(2, 2))
    other[1] = torch.nn.Identity()
    before = bits(other)
    with pytest.raises(StateMismatchError) as caught:
        group.track(model=other)
    error = caught.value
    assert error.shapes == {
        "0.weight": ((4, 3), (5, 3)),
        "0.bias": ((4,), (5,)),
        "2.weight": ((1, 4), (1, 5)),
    }
    assert set(error.missing) == {"head.weight", "head.bias"}
    assert "1.running_mean" in error.unexpected
    assert error.type == "Sequential"
    assert all(
        name in str(error) for name in ("0.weight (stored 4x3, here 5x3)", "head.bias", "1.running_mean")
    )
    assert bits(other) == before
    group.save()
    fitting = network(4, seed=7)
    start().track(model=fitting)
    assert bits(fitting) == bits(network(4))


def test_what_fits_is_loaded_on_demand(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """With strict=False the rest stays as it was, and is logged; the slot then has the new model's state."""
    group = stored(start, model=network(4))
    other = network(4, seed=1)
    other[2] = torch.nn.Linear(4, 2)
    fresh = bits(other)
    with pytest.raises(StateMismatchError):
        group.track(model=other)
    with caplog.at_level(logging.WARNING, logger="lattice_addons.state"):
        group.track(model=other, strict=False)
    now, was = bits(other), bits(network(4))
    assert now["0.weight"] == was["0.weight"] != fresh["0.weight"]
    assert now["2.weight"] == fresh["2.weight"]
    assert "2.weight (stored 1x4, here 2x4)" in caplog.text
    group.save()
    again = copy.deepcopy(other)
    start().track(model=again)
    assert bits(again) == now


def test_an_optimizer_of_other_groups_is_told(start: Start) -> None:
    """How many parameters each group has; with strict=False it begins afresh."""
    model = network()
    group = stored(start, optimizer=torch.optim.SGD(model.parameters(), momentum=0.9))
    halves = [{"params": list(model.parameters())[:2]}, {"params": list(model.parameters())[2:]}]
    other = torch.optim.SGD(halves, lr=0.5)
    with pytest.raises(StateMismatchError, match=r"groups of 6 parameters are stored, and it has 2 \+ 4"):
        group.track(optimizer=other)
    group.track(optimizer=other, strict=False)
    assert [group["lr"] for group in other.param_groups] == [0.5, 0.5]


def test_an_optimizer_of_a_model_of_other_shapes_is_told(start: Start) -> None:
    """Torch itself would take it, and fail, or go wrong, at the next step."""
    model = network(4)
    optimizer = torch.optim.Adam(model.parameters())
    step(model, optimizer)
    group = stored(start, optimizer=optimizer)
    model = network(5)
    other = torch.optim.Adam(model.parameters())
    with pytest.raises(StateMismatchError) as caught:
        group.track(optimizer=other)
    assert caught.value.shapes["state.0.exp_avg"] == ((4, 3), (5, 3))
    assert not other.state
    group.track(optimizer=other, strict=False)
    assert other.state[model[2].bias]["step"] == 1
    step(model, other)


class Renaming(torch.nn.Module):  # type: ignore[name-defined]
    """A module that takes the names of an older version of itself."""

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.new = torch.nn.Linear(size, 2)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        for name in ("weight", "bias"):
            if f"{prefix}old.{name}" in state_dict:
                state_dict[f"{prefix}new.{name}"] = state_dict.pop(f"{prefix}old.{name}")
        super()._load_from_state_dict(state_dict, prefix, *args)


def test_a_module_that_renames_what_it_loads_may_do_so(start: Start) -> None:
    """Its own code decides what fits; where it does not, the module is as it was, too."""
    older = torch.nn.ModuleDict({"old": torch.nn.Linear(2, 2)})
    group = stored(start, model=older)
    wrong, module = Renaming(3), Renaming()
    before = bits(wrong)
    with pytest.raises(StateMismatchError):
        group.track(model=wrong)
    assert bits(wrong) == before
    group.track(model=module)
    assert torch.equal(module.new.weight, older["old"].weight)


def test_a_type_that_loses_bits_is_told(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A model of another type of elements takes the state as torch does, but not silently."""
    group = stored(start, model=network())
    with caplog.at_level(logging.WARNING, logger="lattice_addons.state"):
        group.track(model=network().bfloat16())
    assert "0.weight (torch.float32 to torch.bfloat16)" in caplog.text


class Fine(torch.optim.SGD):  # type: ignore[name-defined]
    """An optimizer that sums up more finely than its parameters are."""

    def step(self, closure: Any = None) -> Any:
        """Sum up."""
        for group in self.param_groups:
            for parameter in group["params"]:
                total = self.state[parameter].setdefault("total", torch.zeros(parameter.shape))
                total += parameter.grad.float() / 3
        return closure


def test_an_optimizer_keeps_what_is_finer_than_its_parameters(start: Start) -> None:
    """Torch would round it to their type."""
    model = torch.nn.Linear(3, 1).bfloat16()
    optimizer = Fine(model.parameters())
    model(torch.ones(1, 3).bfloat16()).sum().backward()
    optimizer.step()
    group = stored(start, optimizer=optimizer)
    again = Fine(model.parameters())
    group.track(optimizer=again)
    assert again.state[model.weight]["total"].dtype == torch.float32
    assert torch.equal(again.state[model.weight]["total"], optimizer.state[model.weight]["total"])


def accumulate(model: Any, optimizer: Any, number: int) -> None:
    """Add up the gradients of two batches for each step."""
    torch.manual_seed(number)
    model(torch.randn(8, 3)).square().mean().backward()
    if number % 2:
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("stop", [3, 4])
def test_gradients_that_wait_for_a_step_are_kept(start: Start, stop: int) -> None:
    """A run stopped between two batches of one step ends with the same bits; after a step none are stored."""
    group, model = start(), network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    group.track(model=model, optimizer=optimizer)
    for number in range(stop):
        accumulate(model, optimizer, number)
    group.save()
    for number in range(stop, 6):
        accumulate(model, optimizer, number)
    group, again = start(), network(seed=1)
    other = torch.optim.Adam(again.parameters(), lr=0.1)
    group.track(model=again, optimizer=other)
    assert (again[0].weight.grad is not None) == bool(stop % 2)
    # Saved again before anything is done, they are kept again.
    group.save()
    group, again = start(), network(seed=2)
    other = torch.optim.Adam(again.parameters(), lr=0.1)
    group.track(model=again, optimizer=other)
    for number in range(stop, 6):
        accumulate(again, other, number)
    assert bits(again) == bits(model)


def test_gradients_that_a_step_has_used_are_not_kept(start: Start) -> None:
    """They stand there until the next step begins, and would be as large as the model."""
    group, model = start(), network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    group.track(model=model, optimizer=optimizer)
    step(model, optimizer)
    assert model[0].weight.grad is not None
    group.save()
    group = start()
    group.register("optimizer")
    assert "lattice_gradients" not in group.get("optimizer")


def test_schedulers_of_schedulers_need_no_pickle(start: Start) -> None:
    """The state of torch's SequentialLR has one list at several places."""

    def made() -> tuple[Any, Any]:
        optimizer = torch.optim.SGD(network().parameters(), lr=0.1)
        rates = torch.optim.lr_scheduler
        parts = [rates.LinearLR(optimizer, 0.1, 1, 3), rates.CosineAnnealingLR(optimizer, 10)]
        return optimizer, rates.SequentialLR(optimizer, parts, [3])

    optimizer, scheduler = made()
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    group = stored(start, scheduler=scheduler, optimizer=optimizer)
    group.close()
    group = start(trust="safe")
    other, again = made()
    group.track(optimizer=other, scheduler=again)
    for each in (optimizer, other):
        each.step()
    scheduler.step()
    again.step()
    assert again.get_last_lr() == scheduler.get_last_lr()
    assert other.state_dict() == optimizer.state_dict()


def test_a_wrapped_model_is_stored_as_the_one_within(start: Start) -> None:
    """A wrapper can be put on or left out at the next start."""
    model = network()
    group = stored(start, model=torch.nn.DataParallel(model))
    plain = network(seed=1)
    group.track(model=plain)
    assert bits(plain) == bits(model)


def test_tracking_twice_is_tracking_once(start: Start) -> None:
    """A cell of a notebook may run again; another object takes the place, and is left as it is."""
    group = stored(start, model=network())
    model = network(seed=1)
    group.track(model=model)
    step(model, torch.optim.SGD(model.parameters(), lr=0.1))
    now = bits(model)
    group.track(model=model)
    assert bits(model) == now
    other = network(seed=2)
    fresh = bits(other)
    group.track(model=other)
    assert bits(other) == fresh
    group.load()
    assert bits(other) == bits(network())


class Counter:
    """Anything with a state dict."""

    def __init__(self) -> None:
        self.count = 0

    def state_dict(self) -> dict[str, Any]:
        """Give the state."""
        return {"count": self.count, "of": (1, 2)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.count = state["count"]


class Refusing(Counter):
    """It does not take its state back."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        raise RuntimeError(f"no {len(state)}")


def test_anything_with_a_state_dict_will_do(start: Start) -> None:
    """What has none is refused, and so is a name that is taken; what it raises itself is told."""
    counter = Counter()
    counter.count = 3
    group = stored(start, counter=counter)
    with pytest.raises(DecodeError, match="refused the stored state"):
        group.track(counter=Refusing())
    again = Counter()
    group.track(counter=again)
    assert again.count == 3
    with pytest.raises(UnkeepableError, match="no state_dict"):
        group.track(number=3)
    group.register("plain")
    with pytest.raises(DuplicateSlotError, match="track"):
        group.track(plain=Counter())


class Halved(StateManager):
    """A manager of a framework's own."""


class Special(Counter):
    """An object of a framework."""


@pytest.fixture
def adapters() -> Iterator[None]:
    """Take away afterwards what a test registers."""
    before = dict(ADAPTERS)
    yield
    ADAPTERS.clear()
    ADAPTERS.update(before)


@pytest.mark.usefixtures("adapters")
def test_a_framework_names_the_manager_of_its_objects(start: Start) -> None:
    """By the name of the class, for its subclasses, too; the nearest base counts, and a bad name is an error."""
    register_adapter(f"{__name__}.Counter", f"{__name__}:Halved")
    assert adapter_for(Special()) is Halved
    register_adapter(f"{__name__}.Special", "lattice_addons.state:TrackedManager")
    assert adapter_for(Special()) is TrackedManager
    for name, manager in (("Special", "x:y"), ("a.b", "x"), ("a.b", ":y")):
        with pytest.raises(NotAManagerError):
            register_adapter(name, manager)
    register_adapter(f"{__name__}.Special", f"{__name__}:Counter")
    with pytest.raises(NotAManagerError):
        start().track(special=Special())


def test_stored_tensors_are_made_where_they_are_asked_for(start: Start) -> None:
    """An object that keeps the tensors it is given has them on the device that track() was told."""
    source = Given()
    source.tensor = torch.arange(3.0)
    group = stored(start, given=source)
    there, nowhere = Given(), Given()
    group.track(given=there, device="meta")
    assert there.tensor.device.type == "meta"
    start().track(given=nowhere, device="cuda:99")
    assert torch.equal(nowhere.tensor, source.tensor)


class Given(Counter):
    """It keeps the very tensors of its state."""

    tensor: Any = None

    def state_dict(self) -> dict[str, Any]:
        """Give the state."""
        return {"tensor": self.tensor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.tensor = state["tensor"]


def test_an_asynchronous_save_has_the_values_of_its_moment(start: Start) -> None:
    """The program may train on as soon as it returns."""
    group, model = start(), torch.nn.Linear(500, 500)
    group.track(model=model)
    now = bits(model)
    saved = group.async_save()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)
    saved.result(timeout=60)
    again = torch.nn.Linear(500, 500)
    start().track(model=again)
    assert bits(again) == now


LIVES = """
    import os, signal, sys, torch
    from lattice_addons import StateManagerGroup

    stop, death = int(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    group = StateManagerGroup()
    group.track(model=model, optimizer=optimizer, schedule=schedule)
    group.track_randomness()
    for number in group.resume(range(20), "steps"):
        optimizer.zero_grad()
        model(torch.randn(4, 5)).square().mean().backward()
        if number == stop:
            os.kill(os.getpid(), signal.Signals[death])
        optimizer.step()
        schedule.step()
        if number % 4 == 3:
            group.save()
    print(*(p.detach().numpy().tobytes().hex() for p in model.parameters()), flush=True)
"""


def test_a_killed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Killed by SIGKILL, then by SIGTERM, and started again: weights, dropout and schedule are those of one life."""
    wanted = [Life(["-1", ""], "one"), Life(["6", "SIGKILL"]), Life(["13", "SIGTERM"]), Life(["-1", ""])]
    whole, *killed, resumed = lives(tmp_path, LIVES, TORCH, wanted)
    assert [each.status for each in killed] == [-signal.SIGKILL, -signal.SIGTERM]
    assert resumed.status == 0, resumed.errors
    assert resumed.output == whole.output
    assert len(whole.output) > 100
