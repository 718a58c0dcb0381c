"""The groups that a process has made: what they keep is saved to the end, also when nobody holds them any more."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

from lattice_addons.errors import LatticeError, NotSavedError
from lattice_addons.lifecycle import job_id, rank

from ._turns import running

if TYPE_CHECKING:
    from lattice_addons.settings import Settings

    from ._session import Session

__all__ = ["Made"]

log = logging.getLogger("lattice_addons.state")

#: So many groups that nobody holds any more stay: each has its values in memory, and a descriptor.
_MOST_LEFT: Final = 8


class _Group(Protocol):
    _session: Session

    def close(self) -> None: ...


Group = TypeVar("Group", bound=_Group)


class _Kept(NamedTuple):
    """What goes with a session: what tells that nobody holds its group any more, and the turn to end it."""

    group: weakref.ref[_Group]
    # One each: a forked child has sessions of its own, and another thread's turn may have come along with it.
    turn: Any  # a re-entrant lock


class Made(Generic[Group]):
    """The groups of this process, and the sessions of those that are gone.

    A function that makes a group and returns lets go of it, and still wants its values saved at the program's end. So
    the session stays, until that, or until another group takes its place.
    """

    def __init__(self) -> None:
        self._groups: weakref.WeakSet[Group] = weakref.WeakSet()
        # In the order in which they were made, and only those that would be saved by themselves.
        self._kept: dict[Session, _Kept] = {}
        self._told = False

    def add(self, group: Group) -> None:
        """Remember a group for as long as there is one, and its session until it is closed."""
        self._groups.add(group)
        session = group._session  # noqa: SLF001 - a group is its session, and a door to it
        settings = session.settings
        by_itself = settings.atexit_saving or settings.signals or settings.periodic_saving
        if session.attachment is None or not by_itself:
            return

        def let_go(_: object) -> None:
            session.let_go = True
            if not session.slots:  # and nothing to be saved
                self.forget(session)

        self._kept[session] = _Kept(weakref.ref(group, let_go), threading.RLock())

    def forget(self, session: Session) -> None:
        """Let go of a session that is closed."""
        self._kept.pop(session, None)

    def make_room(self, settings: Settings) -> None:
        """Save and close what nobody holds any more: what is complete, in the place of these settings, or too much.

        Of what is complete nothing would be saved any more.
        """
        left = [session for session in list(self._kept) if session.let_go and not any(running(session))]
        staying = []
        for session in left:
            if session.stored.passive is not None:
                self.forget(session)  # of the process that this one was forked by
            elif session.completed or _is_in_place(session, settings):
                self._end_left(session)
            else:
                staying.append(session)
        for session in staying[:-_MOST_LEFT]:
            self._end_left(session)
            self._tell(session)

    def instead(self, settings: Settings) -> Group | None:
        """Give the group that has these settings; one of the same job with others is saved and closed."""
        for group in list(self._groups):
            session = group._session  # noqa: SLF001 - as above
            if session.attachment is None:
                continue  # closed, or one that never writes
            if session.settings == settings:
                return group
            if _is_in_place(session, settings):
                _end(group)
        return None

    def _end_left(self, session: Session) -> None:
        kept = self._kept.get(session)
        if kept is None:
            return
        # Of several threads that make groups one ends it, and the others wait for that.
        with kept.turn:
            if session not in self._kept:
                return
            try:
                session.save_now("exit", ["nobody held the group any more"])
            except LatticeError as error:
                log.warning("job %r: %s", session.stored.job, error)
            session.close()
            # Last: one that Ctrl-C breaks off is still there at the end.
            self.forget(session)

    def _tell(self, session: Session) -> None:
        if not self._told:
            self._told = True
            log.warning(
                "more than %d groups are left that nobody holds any more: that of job %r, the oldest, is saved and "
                "closed now, and so are others that come to be too many; close() a group whose work is done",
                _MOST_LEFT, session.stored.job,
            )  # fmt: skip


def _is_in_place(session: Session, settings: Settings) -> bool:
    """Say whether a session writes what a group with these settings would write."""
    there = session.settings.type, session.settings.root, session.stored.job, session.stored.rank
    return there == (settings.type, settings.root, job_id(settings), rank())


def _end(group: _Group) -> None:
    session = group._session  # noqa: SLF001 - as above
    try:
        session.save_now("manual", ["a group with other settings takes over"])
    except NotSavedError as error:
        log.warning("%s", error)
    group.close()
    log.warning(
        "job %r has a group with other settings now; the one before is saved and closed", session.stored.job
    )
