"""Objects are bound to their slots in one line, and are at once what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.encoding import tensors_on
from lattice_addons.errors import DuplicateSlotError

from ._adapters import adapter_for, named
from ._dict import StateDictManager
from ._part import part_of
from ._randomness import RandomnessManager
from ._ranks import SHARDED, rule_of

if TYPE_CHECKING:
    from typing import Any, Literal

    from ._manager import StateManager
    from ._session import Session
    from ._slot import Slot

__all__ = ["Tracks"]

# Found when something is tracked by it: how torch spreads tensors is known by the stage that is about training.
_SHARDED = "lattice_addons.training._sharded:ShardedManager"


class Tracks:
    """What a group does with objects that have a state of their own."""

    _session: Session

    def track(
        self,
        *,
        strict: bool = True,
        device: str | None = None,
        ranks: Literal["replicated", "per-rank", "sharded"] | None = None,
        **objects: object,
    ) -> None:
        """Keep objects by their state, each in the slot of its name, and let each be at once what it was.

        Anything with ``state_dict`` and ``load_state_dict`` will do (models, optimizers, schedulers, scalers), and what
        has an adapter: data loaders, random generators. Where there is a checkpoint, its state is loaded into the
        object now; the objects are restored in the order in which they are given.

        A stored state that does not fit is refused, and the object is as it was. With ``strict=False`` what fits is
        loaded, and the rest is logged. Stored tensors are made on ``device`` (by default where they were), or on the
        CPU where that is not there; a module keeps its own where they are. ``ranks`` is as for `register`.

        Raises:
            StateMismatchError: shapes or names differ; all of them are told.
            DuplicateSlotError: the name is that of a slot of another kind.
            UnkeepableError: an object has no state that can be kept.
        """
        for name, value in objects.items():
            manager = named(_SHARDED) if ranks == SHARDED else adapter_for(value)
            slot = _slot(self._session, name, manager, ranks)
            if hasattr(slot.manager, "strict"):
                slot.manager.strict = strict
            with tensors_on(device or getattr(manager, "device", None)):
                self._session.hold(name, value)

    def get_part(self, key: str, *path: object) -> Any:  # noqa: ANN401 - whatever stands there
        """Give what is under these keys in a slot's state, ``get_part("model", "head.weight")``, and read no more.

        What is stored is read where the slot was only registered, and stays there to be asked for; else the part is
        that of the value there is now.

        Raises:
            UnknownSlotError: no slot has this name, or its state no such part.
            DamagedError: the stored bytes of the part are damaged.
        """
        return part_of(self._session, key, path)

    def track_randomness(self, key: str = "randomness") -> None:
        """Keep the random generators of this process in one slot, and let them go on where they were.

        These are Python's, NumPy's global one, and torch's on the CPU and on all devices. Call it when everything is
        made, just before the loop: numbers that are drawn after it are drawn anew by a program that is started again.
        """
        slot = _slot(self._session, key, RandomnessManager, None)
        self._session.value(key)
        if isinstance(slot.manager, RandomnessManager):
            slot.manager.watch()


def _slot(session: Session, name: str, manager: type[StateManager], ranks: str | None) -> Slot:
    """Give the slot of this name, made if need be."""
    slot = session.slots.get(name)
    if slot is None:
        # What a manager says counts where the program says nothing.
        merge = getattr(manager, "merge", None) if ranks is None else None
        rule = rule_of((ranks or getattr(manager, "ranks", None)) if merge is None else None, merge)
        return session.add(name, manager(), rule=rule)
    if slot.kind is not manager and not issubclass(slot.kind, StateDictManager):
        message = (
            f"slot {name!r} is registered already, with {slot.kind.__name__}; track() needs {manager.__name__}: leave "
            f"out register({name!r}), or use another name"
        )
        raise DuplicateSlotError(message, slot=name)
    return slot
