"""A manager holds one value, says what of it is to be stored, and gets it back after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from lattice_addons.errors import NotAManagerError

from ._alone import Alone, the_one

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._session import Session

__all__ = ["NoValue", "StateManager"]


class NoValue(LookupError):  # noqa: N818 - a signal between manager and group, as StopIteration is, not an error
    """Raised by ``capture`` and ``value`` when there is nothing; the group then keeps what it last saved."""

    __module__ = "lattice_addons.state"


class _Nothing:
    """The mark of an empty manager; None is a value like any other."""


NOTHING: Final = _Nothing()


class StateManager(Alone):
    """Keep a strong reference to one value, which is stored as it is at the time of each save.

    A manager of one's own subclasses this and writes the methods in which it differs:

    - ``hold(value)``: take hold of a value that the program gives;
    - ``capture()``: what is to be stored now; raise ``NoValue`` when there is nothing;
    - ``restore(stored)``: what an earlier ``capture`` gave comes back, in this process or a later one;
    - ``value()``: what the program gets.

    An error out of ``capture`` is no disaster: the group keeps the last good value and names the slot.

    A group makes its managers itself. ``StateManager(uid="x")`` is a manager that stands alone: the same object for
    the same class and uid, saved by itself in a line of checkpoints of its own.
    """

    __module__ = "lattice_addons.state"

    #: Whether the stored value must be there before the program gives one: ``hold`` then needs it.
    restore_first: ClassVar[bool] = False
    #: Whether an older value will do where the stored one is damaged; if not, `get` raises ``DamagedError``.
    takes_older: ClassVar[bool] = True
    #: Whether what it gives is stored without pickle where its parts allow that: dicts, lists, tensors, arrays.
    as_tree: ClassVar[bool] = False
    #: Whether what it keeps is a place in a loop, to which the program comes by itself.
    has_place: ClassVar[bool] = False

    def __new__(cls, uid: str | None = None) -> Self:
        """Make a manager for a group, or give the one that stands alone under this uid."""
        return super().__new__(cls) if uid is None else the_one(cls, uid)

    # A class attribute, so that a subclass with an __init__ of its own need not call ours.
    _held: object = NOTHING

    def enter(self, session: Session, key: str) -> None:
        """Learn which slot of which session it keeps, for a manager that takes part in more than saving."""

    def hold(self, value: object) -> None:
        """Take hold of this value, and let go of the one before."""
        self._held = value

    def capture(self) -> object:
        """Give what is to be stored now, or raise `NoValue`."""
        if self._held is NOTHING:
            raise NoValue
        return self._held

    def ready(self) -> bool:
        """Say whether `capture` can be called now.

        It cannot in a signal handler that came in the middle of what `capture` needs, as a write to the held file.
        """
        return True

    def restore(self, stored: object) -> None:
        """Take back what an earlier `capture` gave; it becomes the held value."""
        self._held = stored

    def value(self) -> object:
        """Give the value to the program, or raise `NoValue`."""
        return self.capture()


def not_a_manager(given: object) -> NotAManagerError:
    """Make the error for something that was given as a manager class and is none."""
    import reprlib  # Only a mistake needs it: the value may have been given in the manager's place, and be large.

    known = ["StateManager"]
    kinds = list(StateManager.__subclasses__())
    while kinds:
        kind = kinds.pop()
        kinds.extend(kind.__subclasses__())
        if not kind.__name__.startswith("_"):
            known.append(kind.__name__)
    shown = given.__name__ if isinstance(given, type) else reprlib.repr(given)
    message = (
        f"{shown} is no manager class; give one of {', '.join(sorted(known))}, or a subclass of StateManager"
    )
    return NotAManagerError(message, slot=None)
