"""A turn goes through all folders of a spool; one that fails stops no other."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from lattice_addons.errors import StoreError, TooManyRequestsError, UnreachableError
from lattice_addons.storage.spool._holding import Holding
from lattice_addons.storage.spool._pauses import Pauses
from lattice_addons.storage.spool._pending import pending
from lattice_addons.storage.spool._sending import Counter, Sending
from lattice_addons.storage.spool._trouble import ROOM, Outcome, note_trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._spool import Spool

__all__ = ["ROOM", "Outcome", "take_turn", "turn"]


def turn(spool: Spool, remote: RemoteStore, tell: Callable[[str, int, int], None] | None = None) -> bool:
    """Send what is not up, and delete what is to go; say whether nothing is left. Troubles are written down.

    One process at a time does so for a spool: who has the lock on ``uploader.lock``.
    """
    holding, pauses = Holding(spool, remote), Pauses()
    while True:
        outcome = take_turn(spool, remote, holding, tell, pauses)
        if outcome is not Outcome.AGAIN:
            return outcome is Outcome.DONE


def take_turn(
    spool: Spool,
    remote: RemoteStore,
    holding: Holding,
    tell: Callable[[str, int, int], None] | None = None,
    pauses: Pauses | None = None,
) -> Outcome:
    """Take one turn; ``tell`` is told which key is on its way, and how many bytes of how many are up.

    What is in one of the ``pauses`` is left out, and counts as failed.
    """
    pauses = pauses if pauses is not None else Pauses()
    known = spool.folders()
    waiting = {folder: pending(spool, folder).bytes for folder in known if pauses.is_due(folder)}
    taking = _Turn(spool, waiting, pauses)
    counter = Counter(sum(waiting.values()), tell)
    for folders in _jobs(known, pauses):
        # Before anything of the job is listed: what is deleted from now on may be what a newer checkpoint has
        # superseded that is not up, of this rank or of another one.
        ranks = [Sending(spool, remote, folder, holding, counter) for folder in folders]
        whole = [taking.take(sending.folder, sending.send) for sending in ranks]
        for sending in ranks:
            if all(whole) and sending.due():
                taking.take(sending.folder, sending.delete)
    for folder in waiting.keys() - taking.failed:
        pauses.went_well(folder)
    pauses.keep_to(known)
    return taking.worst


def _jobs(folders: Sequence[str], pauses: Pauses) -> list[list[str]]:
    """Give the folders of each job; those come last that failed last, lest the others never have their turn."""
    jobs = [[*some] for _, some in groupby(folders, key=lambda folder: folder.partition("/")[0])]
    return sorted(jobs, key=lambda some: max(map(pauses.last_tried, some)))


class _Turn:
    """How a turn goes; a folder that fails stops no other, but where the store does not answer."""

    def __init__(self, spool: Spool, waiting: Mapping[str, int], pauses: Pauses) -> None:
        self._spool = spool
        self._waiting = waiting
        self._pauses = pauses
        self._away: StoreError | None = None
        self.worst = Outcome.DONE
        self.failed: set[str] = set()

    def take(self, folder: str, step: Callable[[], tuple[Outcome, bool]]) -> bool:
        """Take a step for a folder; say whether it ended as it should."""
        whole = False
        if folder not in self._waiting:
            outcome = Outcome.FAILED
        elif self._away is not None:
            outcome = self._note(folder, self._away) if self._waiting[folder] else Outcome.DONE
        else:
            try:
                outcome, whole = step()
            # One folder's failure, of whatever kind, must neither end the uploader nor stop the other folders.
            except Exception as error:  # noqa: BLE001
                outcome = self._note(folder, error)
                self._pauses.was_tried(folder)
                # Who asks too often is one of them; the others may ask.
                if isinstance(error, UnreachableError) and not isinstance(error, TooManyRequestsError):
                    self._away = error
            else:
                if (self._spool.trouble(folder) or {}).get("kind", ROOM) != ROOM:
                    self._spool.set_trouble(folder, None)
        self.worst = max(self.worst, outcome, key=list(Outcome).index)
        return whole

    def _note(self, folder: str, error: Exception) -> Outcome:
        outcome = note_trouble(self._spool, folder, error)
        self.failed.add(folder)
        if outcome is Outcome.FAILED:
            self._pauses.failed(folder)
        else:  # it waits for a person: an old pause, long over, would let nobody sleep
            self._pauses.went_well(folder)
        return outcome
