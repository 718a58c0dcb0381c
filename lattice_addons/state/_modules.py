"""The parameters and buffers of a torch module are compared by name and shape before any of them is changed."""

from __future__ import annotations

import copy
import logging
import sys
from typing import TYPE_CHECKING, Any

from ._mismatch import Mismatch
from ._tracked import TrackedManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._dict import Stateful
    from ._mismatch import Shape

__all__ = ["ModuleManager"]

_log = logging.getLogger("lattice_addons.state")
# Found when a module is tracked: which wrappers there are is known by the stage that is about training.
_UNWRAPPED = "lattice_addons.training._unwrap:unwrapped"


class ModuleManager(TrackedManager):
    """Bind a ``torch.nn.Module``; one that is wrapped (DDP, ``torch.compile``) is stored as the one within."""

    __module__ = "lattice_addons.state"

    #: Where stored tensors are made: a module copies them to where its own are.
    device = "cpu"
    _given: object = None

    def hold(self, value: object) -> None:
        """Bind a module, and load into it what was restored."""
        from ._adapters import named

        if value is self._given:
            return
        super().hold(named(_UNWRAPPED)(value))
        self._given = value

    def value(self) -> object:
        """Give the module as it was given, wrapped or not; before there is one, the stored state."""
        return super().value() if self._bound is None else self._given

    def compare(self, bound: Stateful, stored: object) -> Mismatch:
        """Compare names and shapes."""
        mismatch = Mismatch()
        if not isinstance(stored, dict):
            mismatch.other.append(f"a {type(stored).__name__} is stored, not a state dict")
            return mismatch
        own: Any = bound.state_dict()
        mismatch.missing += [name for name in own if name not in stored]
        mismatch.unexpected += [name for name in stored if name not in own]
        for name in own.keys() & stored.keys():
            shapes = _shape(stored[name]), _shape(own[name])
            if shapes[0] is not None and shapes[1] is not None and shapes[0] != shapes[1]:
                mismatch.shapes[name] = shapes[0], shapes[1]
        return mismatch

    def misfit(self, bound: Stateful, stored: object) -> Mismatch | None:
        """Say what does not fit; of a module that renames what it loads nobody knows."""
        return None if any(_own_ways(bound)) else self.compare(bound, stored)

    def load_into(self, bound: Stateful, stored: object) -> None:
        """Load a stored state, once it is known to fit; a module that renames what it loads decides that itself."""
        if self.compare(bound, stored) and any(_own_ways(bound)):
            before: Any = bound.state_dict()
            before = {
                name: value.clone() if _shape(value) is not None else value for name, value in before.items()
            }
            try:
                bound.load_state_dict(copy.copy(stored))
            except Exception:  # noqa: BLE001 - the module's own code: what does not fit is told below
                bound.load_state_dict(before)
            else:
                return
        super().load_into(bound, stored)
        _tell_narrowed(bound, stored)

    def fitting(self, bound: Stateful, stored: object, mismatch: Mismatch) -> object:
        """Leave out what has another shape; a module passes over what else does not fit."""
        del bound
        if not isinstance(stored, dict):
            return {}
        fitting = copy.copy(stored)
        for name in mismatch.shapes:
            del fitting[name]
        return fitting

    def give(self, bound: Stateful, state: object) -> None:
        """Give a module its state."""
        how = {} if self.strict else {"strict": False}
        bound.load_state_dict(state, **how)


def _shape(value: object) -> Shape | None:
    """Give the shape of a tensor; None for what is none, or has none yet."""
    try:
        return tuple(value.shape)  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # a parameter of a lazy module, before its first call
        return None


def _own_ways(bound: Any) -> Iterator[bool]:  # noqa: ANN401 - a module, or what stands for one
    """Say of each part of a module whether code of its own may take other names than those it gives."""
    standard = getattr(sys.modules.get("torch.nn"), "Module", None)
    for part in bound.modules():
        hooks = getattr(part, "_load_state_dict_pre_hooks", None)
        own = type(part).__module__.partition(".")[0] != "torch"
        changed = any(
            getattr(type(part), name, None) is not getattr(standard, name, None)
            for name in ("load_state_dict", "_load_from_state_dict")
        )
        yield bool(hooks) or (own and changed)


def _tell_narrowed(bound: Stateful, stored: object) -> None:
    own: Any = bound.state_dict()
    if not isinstance(stored, dict):
        return
    changed = [
        f"{name} ({stored[name].dtype} to {own[name].dtype})"
        for name in own.keys() & stored.keys()
        if getattr(own[name], "dtype", None) != getattr(stored[name], "dtype", None)
    ]
    if changed:
        _log.warning(
            "stored with another type of elements than they have here: %s", ", ".join(sorted(changed))
        )
