"""What of a training state has a state of its own: it is stored, and goes back into the object that the program has."""

from __future__ import annotations

import functools
import logging
import weakref
from collections import OrderedDict
from typing import Any

import torch

from lattice_addons.errors import DecodeError
from lattice_addons.state import TrackedManager, adapter_for
from lattice_addons.training._loader_class import track_of
from lattice_addons.training._unwrap import unwrapped

__all__ = [
    "PartsManager",
    "WaitingLoader",
    "bare",
    "compared",
    "give_back",
    "give_modes",
    "is_part",
    "mark_steps",
    "modes_of",
    "refuse_misfit",
    "state_of",
    "stored_parts",
]

log = logging.getLogger("lattice_addons.training")

_MARKED = "_wrapped_by_lr_sched"
_GENERATORS = (
    "random.Random",
    "numpy.random._generator.Generator",
    "numpy.random.mtrand.RandomState",
    "torch._C.Generator",
)


def is_part(value: object) -> bool:
    """Say whether a value has a state of its own, so that the value itself is not stored."""
    if isinstance(value, type):
        return False  # what it has is for its objects
    if callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None)):
        return True
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(value).__mro__}
    return isinstance(value, torch.utils.data.DataLoader) or not kinds.isdisjoint(_GENERATORS)


def state_of(part: Any) -> Any:
    """Give the state of a part as `StateManagerGroup.track` would store it; None of a loader that nobody tracks."""
    if isinstance(part, torch.utils.data.DataLoader):
        track = track_of(part)
        own = getattr(part, "state_dict", None)
        return track.stored() if track is not None else own() if callable(own) else None
    manager = adapter_for(part)()
    manager.hold(part)
    return _apart(manager.capture())


class PartsManager(TrackedManager):
    """Bind a `State`: what does not fit one of its parts is told of that part, or left out with ``strict=False``."""

    __module__ = "lattice_addons.training"

    def give(self, bound: Any, state: object) -> None:
        """Give the parts their states."""
        bound.load_state_dict(state, strict=self.strict)


def stored_parts(about: Any) -> tuple[list[str], dict[str, Any]]:
    """Give which fields are states of parts, and in what modes those were, as it was stored beside them.

    Raises:
        DecodeError: it does not say so.
    """
    names: list[Any] = [None]
    parts, modes = [], {}
    try:
        parts, modes = about["parts"], dict(about["modes"])
        names = [parts, *(mode[key] for mode in modes.values() for key in ("eval", "frozen"))]
    except (KeyError, TypeError, ValueError):
        pass  # told below
    if not all(isinstance(each, list) and all(isinstance(name, str) for name in each) for each in names):
        message = (
            "its '__about__' does not say which fields are parts, and in what modes they were: it was altered"
        )
        raise DecodeError(message, type=type(about).__name__)
    return parts, modes


def refuse_misfit(part: Any, stored: Any) -> None:
    """Raise `StateMismatchError` where a stored state is sure not to fit a part; nothing is changed."""
    manager = adapter_for(part)()
    if isinstance(manager, TrackedManager):
        mismatch = manager.misfit(unwrapped(part), stored)
        if mismatch:
            raise mismatch.error(type(part).__name__)


def give_back(part: Any, stored: Any, *, strict: bool) -> None:
    """Let a part have a stored state; what of it fits, where ``strict`` is not asked for.

    Raises:
        StateMismatchError: it does not fit; the part is as it was.
        DecodeError: the part does not take it.
    """
    if not isinstance(part, torch.utils.data.DataLoader):
        manager = adapter_for(part)()
        if isinstance(manager, TrackedManager):
            manager.strict = strict
        manager.restore(stored)
        manager.hold(part)
    elif (track := track_of(part)) is not None:
        track.restore(stored)
    elif callable(getattr(part, "load_state_dict", None)):
        part.load_state_dict(stored)
    else:
        log.warning(
            "the data loader begins anew, for it is not tracked: use group.track(dataloader=loader) before this"
        )


def _apart(value: Any) -> Any:
    """Give containers anew, so that none stands at two places: a scheduler's state has its rates twice."""
    if type(value) is dict:
        return {key: _apart(each) for key, each in value.items()}
    if type(value) is OrderedDict:
        made = OrderedDict((key, _apart(each)) for key, each in value.items())
        vars(made).update({name: _apart(each) for name, each in vars(value).items()})
        return made
    return [_apart(each) for each in value] if type(value) is list else value


def modes_of(part: object) -> dict[str, list[str]] | None:
    """Say which modules of a model are not in training, and which parameters have no gradient: no state dict does."""
    model = unwrapped(part)
    if not isinstance(model, torch.nn.Module):
        return None
    return {
        "eval": [name for name, module in model.named_modules() if not module.training],
        "frozen": [name for name, parameter in model.named_parameters() if not parameter.requires_grad],
    }


def give_modes(part: object, modes: dict[str, list[str]]) -> None:
    """Let a model and its parts be in training, and have gradients, as they were."""
    model = unwrapped(part)
    resting, frozen = set(modes["eval"]), set(modes["frozen"])
    for name, module in model.named_modules():
        module.training = name not in resting
    for name, parameter in model.named_parameters():
        if parameter.requires_grad != (name not in frozen):
            parameter.requires_grad_(name not in frozen)


def mark_steps(optimizer: Any) -> None:
    """Let an optimizer that was unpickled tell its scheduler when it has stepped, as the scheduler's making did.

    Without that torch warns that they are used in the wrong order.
    """
    if hasattr(optimizer.step, _MARKED):
        return
    # Weakly, as torch does: the optimizer holds this function.
    found, step = weakref.ref(optimizer), type(optimizer).step

    @functools.wraps(step)
    def marked(*args: Any, **how: Any) -> Any:
        one = found()
        one._opt_called = True  # type: ignore[union-attr]  # noqa: SLF001 - where its scheduler looks
        return step(one, *args, **how)

    setattr(marked, _MARKED, True)
    optimizer.step = marked


class WaitingLoader:
    """Where a data loader was, until the program gives one."""

    __module__ = "lattice_addons.training"

    def __init__(self, stored: Any) -> None:
        self.stored = stored

    def give(self, loader: object) -> None:
        """Let a loader be there."""
        if loader is not None and self.stored is not None:
            give_back(loader, self.stored, strict=True)


def compared(value: Any) -> Any:
    """Give what of a field is compared; never raises."""
    try:
        return state_of(value) if isinstance(value, torch.utils.data.DataLoader) else value
    except Exception:  # noqa: BLE001 - a loader's state is in part its data set's and sampler's own: any may come out
        return value


def bare(value: Any) -> Any:
    """Give what of a field is pickled; of a loader only where it is, for its data stay where they are."""
    if isinstance(value, torch.utils.data.DataLoader):
        return WaitingLoader(state_of(value))
    model = unwrapped(value)
    return model if isinstance(model, torch.nn.Module) else value
