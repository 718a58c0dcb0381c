"""The training state: its fields are validated, and two are equal when they decide the run alike."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch", reason="a training state is made of torch objects")

import numpy as np
import torch
from pydantic import ValidationError

from lattice_addons.errors import DecodeError
from lattice_addons.training import State
from tests.unit.training.small_run import Words, parts, train

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.frameworks


class Pair(State):
    """A state with a second model and numbers of its own."""

    critic: torch.nn.Module | None = None
    temperature: float = 1.0


@pytest.fixture
def state() -> State:
    """A run that has taken three steps."""
    return train(State(**parts()), 3)


def test_a_state_is_empty_at_first() -> None:
    """Every field has a default, and no two states share one."""
    one, other = State(), State()
    assert (one.epoch_index, one.train_batch_index, one.step_index, one.history) == (0, 0, 0, {})
    one.history["loss"] = [1.0]
    assert other.history == {}
    assert State() == State()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "a model"),
        ("criterion", 3),
        ("optimizer", torch.nn.Linear(1, 1)),
        ("scheduler", object()),
        ("epoch_index", "first"),
        ("step_index", -1),
        ("history", {"loss": "falling"}),
        ("history", [1.0]),
        ("timestamp", "yesterday"),
    ],
)
def test_what_does_not_fit_is_refused(state: State, field: str, value: object) -> None:
    """An assignment that cannot be right is an error where it is made, and changes nothing."""
    before = getattr(state, field)
    with pytest.raises(ValidationError):
        setattr(state, field, value)
    assert getattr(state, field) is before
    with pytest.raises(ValidationError):
        State.model_validate({field: value})


def test_no_other_fields() -> None:
    """A field that is misspelt is not a new one."""
    with pytest.raises(ValidationError):
        State.model_validate({"step": 3})
    with pytest.raises(ValueError, match="step"):
        State().step = 3


def test_a_scheduler_need_not_be_that_of_torch() -> None:
    """Whatever steps and has a state is a scheduler, as those of other libraries."""

    class Warmup:
        def step(self) -> None: ...
        def state_dict(self) -> dict[str, int]:
            return {}

        def load_state_dict(self, state: object) -> None: ...

    assert isinstance(State(scheduler=Warmup()).scheduler, Warmup)


def test_history_takes_numbers_out_of_tensors() -> None:
    """A loss in a history is a number, not a tensor that keeps its graph alive."""
    weight = torch.ones(1, requires_grad=True)
    state = State(history={"loss": [weight.sum(), 2.0]})
    assert state.history == {"loss": [1.0, 2.0]}
    assert type(state.history["loss"][0]) is float


def test_a_copy_is_equal(state: State) -> None:
    """The same bits in other objects decide the run alike."""
    assert copy.deepcopy(state) == state


def flip(tensor: torch.Tensor) -> None:
    """Change one bit."""
    tensor.data.view(torch.int32).flatten()[0] ^= 1


CHANGES: dict[str, Callable[[Any], object]] = {
    "a bit of a parameter": lambda state: flip(state.model[0].weight),
    "a running average": lambda state: flip(state.model[2].running_mean),
    "the criterion's weights": lambda state: flip(state.criterion.weight),
    "the optimizer's average": lambda state: flip(next(iter(state.optimizer.state.values()))["exp_avg"]),
    "the learning rate": lambda state: state.optimizer.param_groups[0].update(lr=0.5),
    "the scheduler": lambda state: setattr(state.scheduler, "last_epoch", 17),
    "a frozen parameter": lambda state: state.model[0].weight.requires_grad_(False),
    "evaluation": lambda state: state.model.eval(),
    "the rate of dropout": lambda state: setattr(state.model[1], "p", 0.3),
    "the sign of zero": lambda state: setattr(state, "history", {"loss": [-0.0]}),
    "the epoch": lambda state: setattr(state, "epoch_index", 1),
    "the batch": lambda state: setattr(state, "train_batch_index", 1),
    "the step": lambda state: setattr(state, "step_index", 9),
    "the vocabulary": lambda state: setattr(state, "vocabulary", Words("b")),
    "the tokenizer": lambda state: setattr(state, "tokenizer", len),
    "no scheduler": lambda state: setattr(state, "scheduler", None),
    "an optimizer of another model": lambda state: setattr(
        state, "optimizer", copy.deepcopy(state.optimizer)
    ),
    "a generator": lambda state: state.rng.manual_seed(2),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_decides_the_run_is_compared(state: State, what: str) -> None:
    """A run that would go another way is not equal, however small the difference."""
    state.vocabulary, state.tokenizer, state.rng = Words("a"), str.split, torch.Generator()
    state.history = {"loss": [0.0]}
    other = copy.deepcopy(state)
    CHANGES[what](other)
    assert state != other
    assert other != state


def test_when_it_was_saved_is_not_compared(state: State) -> None:
    """The time of a snapshot decides nothing."""
    other = copy.deepcopy(state)
    other.timestamp = "2026-01-01T00:00:00Z"  # type: ignore[assignment]  # pydantic reads it
    assert other.timestamp is not None
    assert state == other


def test_nan_is_nan() -> None:
    """A run that has diverged is still equal to itself, restored."""
    nan = float("nan")
    assert State(history={"loss": [nan]}) == State(history={"loss": [float("nan")]})
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    for layer in (one, other):
        torch.nn.init.constant_(layer.weight, nan)
        torch.nn.init.constant_(layer.bias, nan)
    assert State(model=one) == State(model=other)


@dataclass
class Holder:
    """A class whose own ``==`` raises where it has arrays, and is False where it has NaN."""

    held: object


def ragged(*lengths: int) -> torch.Tensor:
    """Give a nested tensor."""
    return torch.nested.nested_tensor([torch.ones(length) for length in lengths], layout=torch.jagged)


def with_rate(default: float) -> Callable[..., float]:
    """Give a function that has this default for what is given by name alone."""

    def rate(step: int, *, start: float = default) -> float:
        return start / step

    return rate


def weight_norm() -> torch.nn.Module:
    """Give a layer that torch has made a class for."""
    torch.manual_seed(0)
    return torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Holder(torch.ones(2)),
        lambda: Holder(np.ones(2)),
        lambda: Holder(float("nan")),
        lambda: ragged(2, 3),
        lambda: torch.ones(2, 2).to_mkldnn(),
        lambda: range(10**12),
        weight_norm,
    ],
)
def test_the_same_made_twice_is_equal(make: Callable[[], object]) -> None:
    """What has the same contents decides the run alike, whatever its own ``==`` or its class says."""
    assert State(vocabulary=make()) == State(vocabulary=make())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(2, np.int64), np.zeros(2, np.float64)),
        (with_rate(0.1), with_rate(0.2)),
        (Holder(torch.zeros(2)), Holder(torch.ones(2))),
        (ragged(2, 3), ragged(3, 2)),
        (weight_norm(), torch.nn.Linear(3, 4)),
    ],
)
def test_what_is_nearly_the_same_is_not_equal(one: object, other: object) -> None:
    """The same bytes in another shape or type, another default: the run goes another way."""
    assert State(vocabulary=one) != State(vocabulary=other)


def test_a_tied_parameter_is_not_two_equal_ones() -> None:
    """What is one parameter learns for both of its places; two of the same bits go apart at the next step."""
    tied, other = (torch.nn.ModuleList(torch.nn.Linear(2, 2, bias=False) for _ in range(2)) for _ in range(2))
    tied[1].weight = tied[0].weight
    other.load_state_dict(tied.state_dict())
    assert State(model=tied) == State(model=copy.deepcopy(tied))
    assert State(model=tied) != State(model=other)
    assert State(model=other) != State(model=tied)


class Spiteful:
    """A value that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        """Compare nothing."""
        raise RuntimeError("never")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("value", [Spiteful(), float("nan"), torch.zeros(2), [torch.ones(3)], iter(())])
def test_comparing_never_raises(value: object) -> None:
    """Whatever a state holds, == gives True or False."""
    assert isinstance(State(vocabulary=value) == State(vocabulary=copy.copy(value)), bool)
    assert (State() == value) in {True, False}
    loop: list[object] = []
    loop.append(loop)
    assert State(vocabulary=loop) == State(vocabulary=copy.deepcopy(loop))


def test_two_classes_are_never_equal(state: State) -> None:
    """A subclass has more that decides the run; nothing else is a state at all."""
    assert State() != Pair()
    assert Pair() == Pair()
    assert state != 3
    assert Pair(critic=torch.nn.Linear(1, 1)) != Pair()
    assert Pair(temperature=0.5) != Pair()


def test_wrapped_models_are_equal_to_the_ones_within(state: State) -> None:
    """A compiled model decides the run as the plain one does."""
    other = copy.deepcopy(state)
    other.model = torch.nn.DataParallel(torch.compile(other.model))
    assert state == other


def test_how_a_model_was_compiled_decides_nothing(state: State) -> None:
    """Lightning stands in front of ``torch.compile``, and notes on the model how it was called."""
    other = copy.deepcopy(state)
    other.model = torch.compile(other.model)
    other.model._compile_kwargs = {"mode": None}
    assert state == other


def test_state_of_another_class_is_refused() -> None:
    """A state with more fields says which is unknown."""
    with pytest.raises(DecodeError, match="'critic'"):
        State().load_state_dict(Pair().state_dict())


def test_pretty_print(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person sees: sizes and counts of parameters, rates, and how far it is."""
    model: Any = state.model
    model[0].weight.requires_grad_(False)
    state.vocabulary = Spiteful()
    state.pretty_print()
    shown = capsys.readouterr().out
    count = sum(each.numel() for each in model.parameters())
    for told in (
        f"{count:,} parameters ({count - 32:,} trained)",
        "AdamW",
        "Linear(in_features=4",
        "step_index  3",
    ):
        assert told in shown
    assert "3 values" in shown
    html = state._repr_html_()
    assert f"{count:,} parameters ({count - 32:,} trained)" in html
    assert "&lt;tests.unit.training.test_state.Spiteful object" in html


def test_pretty_print_of_what_is_not_made_yet(capsys: pytest.CaptureFixture[str]) -> None:
    """A lazy parameter has no size, one on no device no memory; both can be shown."""
    with torch.device("meta"):
        model = torch.nn.Linear(3, 2)
    lazy = [torch.nn.LazyLinear(2), torch.nn.LazyBatchNorm1d(affine=False)]
    State(model=torch.nn.ModuleList([*lazy, model])).pretty_print()
    assert "8 parameters" in capsys.readouterr().out
