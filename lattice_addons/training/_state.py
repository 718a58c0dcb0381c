"""The state of a training run: what is trained, by what, and how far it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from torch import nn, optim

from lattice_addons.errors import DecodeError
from lattice_addons.training._compare import same
from lattice_addons.training._parts import (
    WaitingLoader,
    give_back,
    give_modes,
    is_part,
    mark_steps,
    modes_of,
    state_of,
)
from lattice_addons.training._unwrap import unwrapped

if TYPE_CHECKING:
    from collections.abc import Collection

    from typing_extensions import Self

__all__ = ["State"]

log = logging.getLogger("lattice_addons.training")

#: Where a stored state says which of its fields are states of parts, and what modes those are in.
_ABOUT: Final = "__about__"
#: The fields that have a state of their own in a file of ``torch.save``, which does not say so.
_PARTS: Final = ("model", "criterion", "optimizer", "scheduler")


def _scheduler(value: Any) -> Any:
    """Let pass what steps and has a state: not all schedulers are torch's."""
    needed = ("step", "state_dict", "load_state_dict")
    lacking = [name for name in needed if value is not None and not callable(getattr(value, name, None))]
    if lacking:
        message = f"a scheduler has {'(), '.join(needed)}(); {type(value).__name__} has no {lacking[0]}()"
        raise ValueError(message)
    return value


def _numbers(history: Any) -> Any:
    """Take the number out of each tensor and NumPy number of a history, which would keep a graph or not be plain."""
    if not isinstance(history, dict):
        return history
    return {
        name: [each.item() if callable(getattr(each, "item", None)) else each for each in values]
        if isinstance(values, (list, tuple))
        else values
        for name, values in history.items()
    }


_Index = Annotated[int, Field(ge=0)]
_Scheduler = Annotated[Any, BeforeValidator(_scheduler)]
_History = Annotated[dict[str, list[float]], BeforeValidator(_numbers)]


class State(BaseModel):
    """What a training run consists of and where it is; a subclass adds fields of its own.

    Assignments are validated. Two states are equal when the runs that carry on from them end with the same bits;
    comparing them never raises. In a slot of a `StateManagerGroup` a state is stored as a whole, models without their
    wrappers; ``group.track(state=state)`` stores the states of its parts and gives them back to the objects there are.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        arbitrary_types_allowed=True, validate_assignment=True, extra="forbid", protected_namespaces=()
    )

    model: nn.Module | None = Field(default=None, description="What is trained.")
    criterion: nn.Module | None = Field(default=None, description="The loss function.")
    optimizer: optim.Optimizer | None = Field(default=None, description="What changes the model.")
    scheduler: _Scheduler = Field(default=None, description="What changes the learning rate.")
    scaler: Any = Field(default=None, description="The gradient scaler of mixed precision.")
    ema: Any = Field(default=None, description="An average of the model, as of `torch.optim.swa_utils`.")
    dataloader: Any = Field(default=None, description="Where batches come from, and how far it is.")
    rng: Any = Field(default=None, description="A random generator that the run draws from.")

    epoch_index: _Index = Field(default=0, description="The epoch, from 0.")
    train_batch_index: _Index = Field(
        default=0, description="The batch within the epoch; validation does not count."
    )
    step_index: _Index = Field(
        default=0,
        description="How often the optimizer has stepped; unlike the batch it never goes back to 0.",
    )
    history: _History = Field(default_factory=dict, description="Metrics, each with its values so far.")
    vocabulary: Any = Field(default=None, description="The vocabulary, stored as it is.")
    tokenizer: Any = Field(default=None, description="The tokenizer, stored as it is.")
    timestamp: datetime | None = Field(default=None, description="When a snapshot was saved; not compared.")

    #: Fields that are stored as values, also where a value has a state dict.
    whole: ClassVar[frozenset[str]] = frozenset({"vocabulary", "tokenizer"})

    # -- comparing

    def __eq__(self, other: object) -> bool:
        """Say whether two runs that carry on from these states end with the same bits."""
        # Never NotImplemented: the other one would be asked, and it may raise.
        if not isinstance(other, State) or type(self) is not type(other):
            return False
        if self is other:
            return True
        names = sorted(type(self).model_fields.keys() - {"timestamp"})
        mine, theirs = ([_compared(getattr(state, name, None)) for name in names] for state in (self, other))
        return same(mine, theirs) and same(_trained(self), _trained(other))

    __hash__ = None  # type: ignore[assignment]  # it changes all the time

    # -- storing

    def state_dict(self) -> dict[str, Any]:
        """Give the state of every part, and every other field as it is; models without their wrappers."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        parts = [name for name, value in values.items() if name not in self.whole and is_part(value)]
        stored = {name: state_of(value) if name in parts else value for name, value in values.items()}
        # A loader that nobody tracks has none.
        parts = [name for name in parts if stored[name] is not None]
        modes = {name: mode for name in parts if (mode := modes_of(values[name])) is not None}
        return {**stored, _ABOUT: {"parts": parts, "modes": modes}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the parts have the stored states, and the other fields the stored values.

        A part of which no state was stored stays as it is, and a stored state whose part is not here is left out; both
        are logged.

        Raises:
            StateMismatchError: a state does not fit its part.
            DecodeError: it is no state of a training run, or of another class than this one.
        """
        parts, modes = self._about(state_dict)
        for name, value in state_dict.items():
            if name == _ABOUT:
                continue
            part = getattr(self, name)
            if name in parts and part is not None:
                give_back(part, value)
                if name in modes:
                    give_modes(part, modes[name])
            elif name in parts:
                log.info("the stored state of the %s is not used: there is none here to have it", name)
            elif value is None and name not in self.whole and is_part(part):
                log.warning("the %s stays as it is: nothing was stored of one", name)
            else:
                setattr(self, name, value)

    @classmethod
    def _about(cls, stored: Mapping[str, Any]) -> tuple[Collection[str], Mapping[str, Any]]:
        """Say which stored fields are states of parts, and in what modes those were."""
        if not isinstance(stored, Mapping):
            message = f"a {type(stored).__name__} is stored, which is no state of a training run"
            raise DecodeError(message, type=type(stored).__name__)
        unknown = [name for name in stored if name not in cls.model_fields and name != _ABOUT]
        if unknown:
            message = (
                f"{cls.__name__} has no field {unknown[0]!r}, which the stored state has: load it with the class that "
                "it was saved with"
            )
            raise DecodeError(message, type=cls.__name__)
        about = stored.get(_ABOUT)
        if about is None:
            return [name for name in _PARTS if stored.get(name) is not None], {}
        return about["parts"], about["modes"]

    def save_snapshots(self, filepath: str | os.PathLike[str]) -> None:
        """Write everything as one file, whole and durable; a file of that name is replaced only then.

        Tensors and plain data are stored without pickle. The file is what ``lattice export`` writes: ``lattice import``
        takes it into a store.

        Raises:
            EncodeError: a field cannot be stored.
            StoreError: the file cannot be written, and is as it was.
        """
        from lattice_addons.training._snapshot_file import write_snapshot

        now = datetime.now(timezone.utc)
        write_snapshot(os.fspath(filepath), self.state_dict() | {"timestamp": now.isoformat()})
        self.timestamp = now

    @classmethod
    def load_snapshots(  # noqa: PLR0913 - the names are what people know
        cls,
        filepath: str | os.PathLike[str],
        device: torch.device | str | None = None,
        *,
        model: nn.Module | None = None,
        criterion: nn.Module | None = None,
        optimizer: optim.Optimizer | None = None,
        scheduler: Any = None,
        trust: Literal["safe", "pickle"] = "safe",
        **others: Any,
    ) -> Self:
        """Read a file that `save_snapshots` wrote, or ``torch.save``, into these objects; give the new state of them.

        Tensors come to ``device``, or to the CPU where that is not there, and from there into the objects, wherever
        those are. ``others`` are the objects of other fields: ``scaler``, ``ema``, ``dataloader``, ``rng``, and what
        has a state among those of a subclass.

        Nothing that needs pickle is read, unless the file is signed with the key that is set
        (``LATTICE_CHECKPOINT_KEY``), or ``trust="pickle"`` says that who wrote it is trusted.

        Raises:
            UntrustedError: it has something that needs pickle, and is not trusted.
            DamagedError: it is no such file, or not as it was written.
            StateMismatchError: a state does not fit its object.
            DecodeError: what it has is no state of a training run, or one of another class than this.
            StoreError: it cannot be read.
            RuntimeError: torch knows no such device.
        """
        from lattice_addons.training._snapshot_file import read_snapshot

        wanted = torch.device("cpu" if device is None else device)
        stored = read_snapshot(os.fspath(filepath), wanted, trusted=trust == "pickle")
        parts, _ = cls._about(stored)
        named = {"model": model, "criterion": criterion, "optimizer": optimizer, "scheduler": scheduler}
        objects = {name: part for name, part in {**named, **others}.items() if part is not None}
        later = {*objects, *parts, _ABOUT}
        state = cls(**objects, **{name: each for name, each in stored.items() if name not in later})
        state.load_state_dict({name: each for name, each in stored.items() if name in later})
        return state

    # -- in a slot

    def __getstate__(self) -> dict[Any, Any]:
        """Give what is pickled: models without their wrappers, and of a data loader its state, for its data stay."""
        pickled = super().__getstate__()
        fields = {name: _bare(value) for name, value in pickled["__dict__"].items()}
        return {**pickled, "__dict__": fields}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Take back what was pickled."""
        super().__setstate__(state)
        if self.optimizer is not None and self.scheduler is not None:
            mark_steps(self.optimizer)

    def __setattr__(self, name: str, value: Any) -> None:
        """Let a field have a value that fits it; a loader has the place that came back with the state."""
        waiting = self.__dict__.get(name)
        super().__setattr__(name, value)
        if isinstance(waiting, WaitingLoader):
            waiting.give(getattr(self, name))

    # -- showing

    def pretty_print(self) -> None:
        """Show the state on the terminal: models with their numbers of parameters and sizes, and how far it is."""
        from rich import print as show

        from lattice_addons.training._show import shown

        show(shown(self))

    def _repr_html_(self) -> str:
        from lattice_addons.training._show import html

        return html(self)


# Only now: pydantic looks for the names in its annotations in the module that a class says it is of.
State.__module__ = "lattice_addons.training"


def _compared(value: Any) -> Any:
    """Give what of a field is compared; never raises."""
    try:
        return state_of(value) if isinstance(value, torch.utils.data.DataLoader) else value
    except Exception:  # noqa: BLE001 - a loader's state is in part its data set's and sampler's own: any may come out
        return value


def _bare(value: Any) -> Any:
    """Give what of a field is pickled; of a loader only where it is, for its data stay where they are."""
    if isinstance(value, torch.utils.data.DataLoader):
        return WaitingLoader(state_of(value))
    model = unwrapped(value)
    return model if isinstance(model, nn.Module) else value


def _trained(state: State) -> list[list[str | None]]:
    """Say which of the model's parameters the optimizer changes: a new model with an old optimizer learns nothing."""
    if state.model is None or state.optimizer is None:
        return []
    names = {id(parameter): name for name, parameter in unwrapped(state.model).named_parameters()}
    return [[names.get(id(each)) for each in group["params"]] for group in state.optimizer.param_groups]
