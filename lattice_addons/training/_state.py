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
from lattice_addons.training._compare import same, trained
from lattice_addons.training._parts import (
    WaitingLoader,
    bare,
    compared,
    give_back,
    give_modes,
    is_part,
    mark_steps,
    modes_of,
    refuse_misfit,
    state_of,
    stored_parts,
)

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
        arbitrary_types_allowed=True,
        validate_assignment=True,
        extra="forbid",
        populate_by_name=True,
        protected_namespaces=(),
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
        default=0, description="The batch within the epoch, without validation."
    )
    step_index: _Index = Field(default=0, description="How often the optimizer has stepped, in all epochs.")
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
        mine, theirs = ([compared(getattr(state, name, None)) for name in names] for state in (self, other))
        return same(mine, theirs) and same(*(trained(each.model, each.optimizer) for each in (self, other)))

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

    def load_state_dict(self, state_dict: Mapping[str, Any], *, strict: bool = True) -> None:
        """Let the parts have the stored states, and the other fields the stored values.

        A part of which no state was stored stays as it is, and a stored state whose part is not here is left out; both
        are logged. With ``strict=False`` a state goes into its part as far as it fits, and the rest is logged.

        Raises:
            StateMismatchError: a state does not fit its part; nothing was changed.
            DecodeError: it is no state of a training run, or of another class than this one.
            ValidationError: a stored value is none that its field may have; nothing was changed.
        """
        parts, modes = self._about(state_dict)
        states, values = {}, {}
        for name, value in state_dict.items():
            if name == _ABOUT:
                continue
            part = getattr(self, name)
            if name in parts and part is not None:
                states[name] = value
            elif name in parts:
                log.info("the stored state of the %s is not used: there is none here to have it", name)
            elif value is None and name not in self.whole and is_part(part):
                log.warning("the %s stays as it is: nothing was stored of one", name)
            else:
                values[name] = value
        # All at once: what a class says of several fields together need not be true of some old and some new ones.
        fields = {name: getattr(self, name) for name in type(self).model_fields} | values
        fresh = vars(type(self)(**self._beside_defaults(fields)))
        for name, value in states.items() if strict else ():
            refuse_misfit(getattr(self, name), value)
        for name, value in states.items():
            give_back(getattr(self, name), value, strict=strict)
            if name in modes:
                give_modes(getattr(self, name), modes[name])
        vars(self).update({name: fresh[name] for name in values})
        self.model_fields_set.update(values)

    @classmethod
    def _beside_defaults(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out what is as it is by default, for that need not be valid: many a field is None at first."""
        fields = cls.model_fields
        return {name: each for name, each in values.items() if not same(each, fields[name].default)}

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
        return stored_parts(about)

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
        those are. ``others`` are objects of other fields: ``scaler``, ``ema``, ``dataloader``, ``rng``, a subclass's.

        Nothing that needs pickle is read, unless the file is signed with the key that is set
        (``LATTICE_CHECKPOINT_KEY``), or ``trust="pickle"`` says that who wrote it is trusted.

        Raises:
            UntrustedError: it has something that needs pickle, and is not trusted.
            DamagedError: it is no such file, or not as it was written.
            StateMismatchError: a state does not fit its object.
            DecodeError: what it has is no state of a training run, or one of another class than this, or not valid.
            StoreError: it cannot be read.
            RuntimeError: torch knows no such device.
        """
        from lattice_addons.training._snapshot_file import read_snapshot, told_of

        wanted = torch.device("cpu" if device is None else device)
        stored = read_snapshot(os.fspath(filepath), wanted, trusted=trust == "pickle")
        named = {"model": model, "criterion": criterion, "optimizer": optimizer, "scheduler": scheduler}
        objects = {name: part for name, part in {**named, **others}.items() if part is not None}
        with told_of(filepath, objects):
            later = {*objects, *cls._about(stored)[0], _ABOUT}
            values = {name: each for name, each in stored.items() if name not in later}
            state = cls(**objects, **cls._beside_defaults(values))
            state.load_state_dict({name: each for name, each in stored.items() if name in later})
        return state

    # -- in a slot

    def __getstate__(self) -> dict[Any, Any]:
        """Give what is pickled: models without their wrappers, and of a data loader its state, for its data stay."""
        pickled = super().__getstate__()
        fields = {name: bare(value) for name, value in pickled["__dict__"].items()}
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
