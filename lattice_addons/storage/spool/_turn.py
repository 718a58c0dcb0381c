"""Packs go up first, then the manifests that name them, and only then goes what is to go there."""

from __future__ import annotations

import enum
import errno
import time
from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import LeaseHeldError, NoAccessError, StoreError, UnreachableError
from lattice_addons.storage.spool._held_files import OpenFiles
from lattice_addons.storage.spool._holding import Holding
from lattice_addons.storage.spool._pending import is_manifest, pending, stamps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._held_files import OpenFile
    from lattice_addons.storage.spool._spool import Spool, Stamp

__all__ = ["ROOM", "Outcome", "take_turn", "turn"]

#: The kind of trouble that is no failure: the spool is too large.
ROOM = "room"
# With fewer keys, to try costs no more than to ask what is there.
_FEW = 8
# What is larger is written down as soon as it is up.
_LARGE = 8 << 20
# There a name given by a person stands, and the newest counts.
_NAMES = "kept"


class Outcome(enum.Enum):
    """How a turn ended."""

    # The later ones count where folders end differently.
    DONE = "nothing is left"
    STUCK = "it will not go better by itself"
    AGAIN = "there is more at once"
    FAILED = "it may go better later"


def turn(spool: Spool, remote: RemoteStore, tell: Callable[[str, int, int], None] | None = None) -> bool:
    """Send what is not up, and delete what is to go; say whether nothing is left. Troubles are written down.

    One process at a time does so for a spool: who has the lock on ``uploader.lock``.
    """
    holding = Holding(spool, remote)
    while True:
        outcome = take_turn(spool, remote, holding, tell)
        if outcome is not Outcome.AGAIN:
            return outcome is Outcome.DONE


def take_turn(
    spool: Spool, remote: RemoteStore, holding: Holding, tell: Callable[[str, int, int], None] | None = None
) -> Outcome:
    """Take one turn; ``tell`` is told which key is on its way, and how many bytes of how many are up."""
    folders = spool.folders()
    waiting = {folder: pending(spool, folder).bytes for folder in folders}
    counter = _Counter(sum(waiting.values()), tell)
    worst = Outcome.DONE
    away: StoreError | None = None
    for folder in folders:
        if away is not None:
            # Where the store does not answer for one folder, it is not asked for another.
            if waiting[folder]:
                worst = max(worst, _note_trouble(spool, folder, away), key=list(Outcome).index)
            continue
        try:
            outcome = _Sending(spool, remote, folder, holding, counter).run()
        # One folder's failure, of whatever kind, must neither end the uploader nor stop the other folders.
        except Exception as error:  # noqa: BLE001
            outcome = _note_trouble(spool, folder, error)
            if isinstance(error, (UnreachableError, NoAccessError)):
                away = error
        else:
            if (spool.trouble(folder) or {}).get("kind", ROOM) != ROOM:
                spool.set_trouble(folder, None)
        worst = max(worst, outcome, key=list(Outcome).index)
    return worst


class _DivergedError(StoreError):
    """The job went on elsewhere."""


def _note_trouble(spool: Spool, folder: str, error: Exception) -> Outcome:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    kind = "diverged" if isinstance(error, _DivergedError) else type(error).__name__
    known = spool.trouble(folder) or {}
    same = known.get("kind") == kind
    trouble: dict[str, Any] = {
        "error": str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}",
        "kind": kind,
        "since": known.get("since", now) if same else now,
        "last": now,
        "times": known.get("times", 0) + 1 if same else 1,
        "stuck": isinstance(error, (NoAccessError, _DivergedError, LeaseHeldError)),
        "tried": time.time(),
    }
    spool.set_trouble(folder, trouble)
    return Outcome.STUCK if isinstance(error, _DivergedError) else Outcome.FAILED


class _Counter:
    """How far a turn is."""

    def __init__(self, of: int, tell: Callable[[str, int, int], None] | None) -> None:
        self._of = of
        self._tell = tell
        self._done = 0

    def at(self, key: str, done: int) -> None:
        """Tell that so much of a key is up."""
        if self._tell is not None:
            self._tell(key, self._done + done, max(self._of, self._done + done))

    def add(self, size: int) -> None:
        """Count a key as up."""
        self._done += size


class _Sending:
    """The turn of one rank's folder."""

    def __init__(
        self, spool: Spool, remote: RemoteStore, folder: str, holding: Holding, counter: _Counter
    ) -> None:
        self._spool = spool
        self._remote = remote
        self._folder = folder
        self._holding = holding
        self._counter = counter
        self._uploaded: dict[str, Stamp] = {}
        self._written = self._sent = 0

    def run(self) -> Outcome:
        """Take the turn."""
        spool = self._spool
        # Before the manifests: what is deleted from now on may be what a newer one has superseded that is not up.
        gone = spool.gone(self._folder)
        self._uploaded = spool.uploaded(self._folder)
        manifests, others = self._missing()
        doomed = self._doomed(gone)
        if not manifests and not others and not any(doomed):
            self._forget(gone, ())
            spool.drop_parts(self._folder)
            self._holding.give_back(self._folder)
            return Outcome.DONE
        against = self._holding.against(self._folder)
        if against is not None:
            raise _DivergedError(against, url=spool.url)
        session = self._holding.session(self._folder)
        if not self._uploaded and len(others) > _FEW:
            self._learn(others)
        whole = self._send_all(session)
        if not whole:
            return Outcome.AGAIN
        if any(doomed):
            self._delete(gone, doomed)
        elif not self._sent:
            return Outcome.DONE  # what is being written now is told of when it is committed
        return Outcome.AGAIN  # what came meanwhile, and then the claim

    def _missing(self) -> tuple[list[str], list[str]]:
        # The manifests are listed first: all that they name was there before them.
        known = self._uploaded
        listed = [key for key in self._spool.store.list(f"{self._folder}checkpoints/") if is_manifest(key)]
        manifests = [key for key, found in stamps(self._spool, listed).items() if known.get(key) != found]
        rest = [key for key in self._spool.here(self._folder) if not is_manifest(key)]
        others = [key for key, found in stamps(self._spool, rest).items() if known.get(key) != found]
        return sorted(manifests, key=lambda key: (len(key), key)), [
            key for key in others if not self._is_empty(key)
        ]

    def _is_empty(self, key: str) -> bool:
        return key.endswith(".pack") and stamps(self._spool, [key]).get(key, [1])[0] == 0

    def _learn(self, keys: Sequence[str]) -> None:
        """Ask what is there, where it is not known any more; a pack has the bytes that its name had ever."""
        listed = self._remote.listing(self._folder)
        here = stamps(self._spool, (key for key in keys if key.endswith(".pack") and key in listed))
        self._uploaded.update({key: found for key, found in here.items() if listed[key].size == found[0]})
        self._spool.set_uploaded(self._folder, self._uploaded)

    def _send_all(self, session: object) -> bool:
        """Send packs and then manifests; say whether all is up that was there when this began."""
        manifests, _ = self._missing()
        with closing(OpenFiles(self._spool, manifests)) as named:
            _, others = self._missing()
            # One that is still there has all that it names, and it was listed just now.
            named.drop_nameless()
            with closing(OpenFiles(self._spool, others)) as packs:
                for key, file in packs.each():
                    self._send(key, file)
                self._write_down()
                if packs.vanished:
                    named.drop_nameless()
            for key, file in named.each():
                if self._holding.session(self._folder) != session:
                    return False  # a program began meanwhile, and may have put this line aside
                self._send(key, file)
                self._write_down()
            return not named.vanished and not named.in_writing

    def _send(self, key: str, file: OpenFile) -> None:
        size = file.stamp[0]
        self._counter.at(key, 0)
        over = key in self._uploaded
        parts = self._spool.parts(key) if size >= _LARGE else None

        def tell(done: int) -> None:
            self._counter.at(key, done)

        try:
            self._remote.send(key, file.path, over=over, parts=parts, tell=tell)
        except StoreError as error:
            if error.errno != errno.EEXIST:
                raise
            if is_manifest(key):
                raise self._diverged(key) from error
            if key.split("/")[-2] != _NAMES:
                raise
            self._remote.send(key, file.path, over=True)
        self._counter.add(size)
        self._sent += 1
        self._uploaded[key] = file.stamp
        self._written += size
        if self._written >= _LARGE:
            self._write_down()

    def _diverged(self, key: str) -> _DivergedError:
        message = (
            f"{key} is in {self._spool.url} already, with other bytes: the job went on elsewhere. Nothing is lost, and "
            f"nothing of {self._folder.removesuffix('/')} is sent any more: start the program again, and "
            f"`lattice choose {self._folder.partition('/')[0]}` shows both lines"
        )
        return _DivergedError(message, url=self._spool.url, key=key)

    def _write_down(self) -> None:
        if self._written or self._spool.uploaded(self._folder) != self._uploaded:
            self._spool.set_uploaded(self._folder, self._uploaded)
            self._written = 0

    # -- what is to go

    def _doomed(self, gone: dict[str, list[str]]) -> tuple[list[str], list[str]]:
        """Give the manifests, and the rest, that are gone here; what is still here is about to go, and waits."""
        keys = dict.fromkeys(key for record in gone.values() for key in record)
        waiting = stamps(self._spool, keys)
        going = [key for key in keys if key not in waiting]
        return [key for key in going if is_manifest(key)], [key for key in going if not is_manifest(key)]

    def _delete(self, gone: dict[str, list[str]], doomed: tuple[list[str], list[str]]) -> None:
        for some in doomed:
            if some:
                self._remote.delete(some)
        for key in (*doomed[0], *doomed[1]):
            self._uploaded.pop(key, None)
        self._write_down()
        self._forget(gone, {*doomed[0], *doomed[1]})

    def _forget(self, gone: dict[str, list[str]], done: Sequence[str] | set[str]) -> None:
        """Forget records of what is deleted there."""
        for name, keys in gone.items():
            rest = [key for key in keys if key not in done]
            if rest and len(rest) < len(keys):
                self._spool.add_gone(self._folder, rest)
            if len(rest) < len(keys) or not keys:
                self._spool.drop_gone(self._folder, [name])
