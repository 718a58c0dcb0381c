"""Packs go up first, then the manifests that name them, and only then goes what is to go there."""

from __future__ import annotations

import errno
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING

from lattice_addons.errors import StoreError
from lattice_addons.storage.spool._early import NO_ROOM, may_go_early
from lattice_addons.storage.spool._held_files import OpenFiles
from lattice_addons.storage.spool._pending import is_begun, is_manifest, newest_counts, stamps
from lattice_addons.storage.spool._trouble import DivergedError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._held_files import OpenFile
    from lattice_addons.storage.spool._holding import Holding
    from lattice_addons.storage.spool._spool import Spool, Stamp

__all__ = ["Counter", "Sending"]

# With fewer keys, to try costs no more than to ask what is there.
_FEW = 8
# What is larger is written down as soon as it is up.
_LARGE = 8 << 20


class Counter:
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


class Sending:
    """The turn of one rank's folder: what is new goes up, and when that is so for all ranks, what is old goes."""

    def __init__(
        self, spool: Spool, remote: RemoteStore, folder: str, holding: Holding, counter: Counter
    ) -> None:
        self._spool = spool
        self._remote = remote
        self._folder = self.folder = folder
        self._holding = holding
        self._counter = counter
        self._uploaded: dict[str, Stamp] = {}
        self._written = self._sent = 0
        self._gone = spool.gone(folder)
        self._session: object = None

    def send(self) -> tuple[Outcome, bool]:
        """Send what is not up; say whether all is up that was here when this began.

        Where there is no room for it, what was superseded goes before, as far as that is safe.
        """
        while True:
            try:
                return self._send_what_is_new()
            except StoreError as error:
                if error.errno not in NO_ROOM or not self._make_room():
                    raise

    def _send_what_is_new(self) -> tuple[Outcome, bool]:
        spool = self._spool
        self._uploaded = spool.uploaded(self._folder)
        manifests, others = self._missing()
        if not manifests and not others and not self.due():
            self._forget(())
            spool.drop_parts(self._folder)
            self._holding.give_back(self._folder)
            return Outcome.DONE, True
        self._see_that_it_is_ours()
        self._session = self._holding.session(self._folder)
        if not self._uploaded and len(others) > _FEW:
            self._learn(others)
        whole = self._send_all()
        # What came meanwhile, and then the claim; what is being written now is told of when it is committed.
        return Outcome.AGAIN if self._sent or not whole else Outcome.DONE, whole

    def _see_that_it_is_ours(self) -> None:
        against = self._holding.against(self._folder)
        if against is not None:
            raise DivergedError(against, url=self._spool.url)

    def _is_still_ours(self) -> bool:
        """Say whether nothing came between.

        A program that began may have put this line aside; and while much is sent, or this process is stopped,
        another machine may have taken the claim.
        """
        if self._holding.session(self._folder) == self._session:
            self._see_that_it_is_ours()
        return self._holding.session(self._folder) == self._session

    def _missing(self) -> tuple[list[str], list[str]]:
        # The manifests are listed first: all that they name was there before them.
        known = self._uploaded
        listed = [key for key in self._spool.store.list(f"{self._folder}checkpoints/") if is_manifest(key)]
        manifests = [key for key, found in stamps(self._spool, listed).items() if known.get(key) != found]
        rest = [key for key in self._spool.here(self._folder) if not is_manifest(key)]
        others = [
            key
            for key, found in stamps(self._spool, rest).items()
            if known.get(key) != found and not is_begun(key, found)
        ]
        return sorted(manifests, key=lambda key: (len(key), key)), others

    def _learn(self, keys: Sequence[str]) -> None:
        """Ask what is there, where it is not known any more; a pack has the bytes that its name had ever."""
        listed = self._remote.listing(self._folder)
        here = stamps(self._spool, (key for key in keys if key.endswith(".pack") and key in listed))
        self._uploaded.update({key: found for key, found in here.items() if listed[key].size == found[0]})
        self._spool.set_uploaded(self._folder, self._uploaded)

    def _send_all(self) -> bool:
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
                if not self._is_still_ours():
                    return False
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
            if not newest_counts(key) and not self._was_left_short(key, size):
                raise
            self._remote.send(key, file.path, over=True)
        self._counter.add(size)
        self._sent += 1
        self._uploaded[key] = file.stamp
        self._written += size
        if self._written >= _LARGE:
            self._write_down()

    def _was_left_short(self, key: str, size: int) -> bool:
        """Say whether there is only a part of a pack: its name is given once, so that it is this one.

        Where a file is moved by a copy, as on most file systems of fsspec, who is killed in its middle leaves that.
        """
        return key.endswith(".pack") and self._remote.size(key) < size

    def _diverged(self, key: str) -> DivergedError:
        message = (
            f"{key} is in {self._spool.url} already, with other bytes: the job went on elsewhere. Nothing is lost, and "
            f"nothing of {self._folder.removesuffix('/')} is sent any more: start the program again, and "
            f"`lattice choose {self._folder.partition('/')[0]}` shows both lines"
        )
        return DivergedError(message, url=self._spool.url, key=key)

    def _write_down(self) -> None:
        if self._written or self._spool.uploaded(self._folder) != self._uploaded:
            self._spool.set_uploaded(self._folder, self._uploaded)
            self._written = 0

    # -- what is to go

    def due(self) -> list[str]:
        """Give what is gone here, manifests first; what is still here is about to go, and waits."""
        keys = dict.fromkeys(key for record in self._gone.values() for key in record)
        waiting = stamps(self._spool, keys)
        return sorted((key for key in keys if key not in waiting), key=lambda key: not is_manifest(key))

    def delete(self) -> tuple[Outcome, bool]:
        """Delete what is due, manifests in one batch and then the rest."""
        if not self._is_still_ours():
            return Outcome.AGAIN, False
        self._delete(self.due())
        return Outcome.AGAIN, True  # what came meanwhile, and then the claim

    def _delete(self, doomed: Sequence[str]) -> None:
        for _, some in groupby(doomed, key=is_manifest):
            self._remote.delete([*some])
        for key in doomed:
            self._uploaded.pop(key, None)
        self._write_down()
        self._forget(doomed)

    def _make_room(self) -> bool:
        """Delete what may go before what is new is up; say whether there was something."""
        job, rank, _ = self._folder.split("/")
        self._gone = self._spool.gone(self._folder)
        due = self.due()
        if not due or not self._is_still_ours():
            return False
        there = self._remote.listing(f"{job}/")
        ranks = {
            key.split("/")[1] for key in [*there, *self._spool.folders()] if key.startswith(f"{job}/rank-")
        }
        floor = None
        if ranks != {rank}:
            # What the newest checkpoint of the job consists of there, those know who read manifests.
            floor = next((key for key in self._spool.floors(self._folder)[::-1] if key in there), None)
            if floor is None:
                return False
        gone = self._spool.gone(self._folder)
        doomed = may_go_early(self._folder, due, gone, there, [*self._uploaded], floor=floor)
        self._delete(doomed)
        return bool(doomed)

    def _forget(self, done: Collection[str]) -> None:
        """Forget records of what is deleted there."""
        for name, keys in self._gone.items():
            rest = [key for key in keys if key not in done]
            if not rest:
                self._spool.drop_gone(self._folder, [name])
            elif len(rest) < len(keys):
                self._spool.set_gone(self._folder, name, rest)
