"""The uploader: it sends what is in the spool while programs live, and a little longer."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from lattice_addons._owner import Owner
from lattice_addons._system import O_CLOEXEC, O_NONBLOCK
from lattice_addons.errors import StoreError
from lattice_addons.storage.remote import RemoteStore
from lattice_addons.storage.spool._holding import Holding
from lattice_addons.storage.spool._pauses import Pauses
from lattice_addons.storage.spool._poke import URGENT
from lattice_addons.storage.spool._process import LOG, POKE, lock, open_poke
from lattice_addons.storage.spool._room import keep_room
from lattice_addons.storage.spool._spool import Spool
from lattice_addons.storage.spool._tokens import Heard
from lattice_addons.storage.spool._turn import ROOM, Outcome, take_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["main"]

_LOG_BYTES = 256 << 10
_PROGRESS = 0.2
_ALL = ""  # what waits when not a folder has failed, but a whole turn
# So long one that is about to end, or looks whether there is one, has the lock, in seconds.
_HANDOVER = 2.0
# How often one that is left alone looks whether the last program is dead, and how long it sleeps between, in seconds.
_LOOKS, _DYING = 100, 0.1


def main(told: Mapping[str, Any]) -> NoReturn:
    """Be the uploader of a spool; ends when nothing is left to do and no program is, or when it lingers too long."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_IGN)
    status = 1
    try:
        os.umask(0o077)
        spool, _ = Spool.at(told["home"])
        held = lock(spool.home, _HANDOVER)
        if held is not None:
            os.close(open_poke(spool.home))  # the pipe is there
        _say_ready()
        if held is not None:
            remote = RemoteStore(told["url"], told["options"])
            _Loop(spool, remote, told).run()
        status = 0
    except Exception as error:  # noqa: BLE001 - nobody is there who could catch it
        note(f"ended: {type(error).__name__}: {error}", told["home"])
    finally:
        # Threads of the file system's may hang in a call: nobody waits for them.
        os._exit(status)


def _say_ready() -> None:
    """Tell the program that this runs, and let go of its pipes."""
    with suppress(BrokenPipeError):  # a program that ended meanwhile is none that waits
        os.write(1, b"ready\n")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


def note(text: str, home: str) -> None:
    """Write a line to the log, which keeps within bounds."""
    path = os.path.join(home, LOG)
    with suppress(OSError):
        if os.stat(path).st_size > _LOG_BYTES:
            os.replace(path, f"{path}.1")
            fresh = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | O_CLOEXEC, 0o600)
            os.dup2(fresh, 2)
            os.close(fresh)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        os.write(2, f"{now} {os.getpid()} {' '.join(text.split())}\n".encode("utf-8", "backslashreplace"))


class _Watch:
    """Hears pokes, and sees by the end of the pipe that no program is left."""

    def __init__(self, home: str, linger: float | str, learn: Callable[[str, str], None]) -> None:
        self._learn = learn
        self._heard = Heard()
        self._path = os.path.join(home, POKE)
        self._home = home
        self._linger = float("inf") if linger == "forever" else float(linger)
        self.poked = threading.Event()
        self.urgent = threading.Event()
        self.alone = threading.Event()  # no program is left
        self._since = time.monotonic()
        self._pipe = self._open()
        threading.Thread(target=self._run, name="lattice-pokes", daemon=True).start()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDONLY | O_NONBLOCK | O_CLOEXEC)

    def poke(self, *, urgent: bool = False) -> None:
        """Have the main thread look."""
        if urgent:
            self.urgent.set()
        self.poked.set()

    def _run(self) -> None:
        while True:
            self._look()
            waiting = select.poll()
            waiting.register(self._pipe, select.POLLIN)
            waiting.poll(
                self._left() * 1000 if self.alone.is_set() and self._linger != float("inf") else None
            )
            if self.alone.is_set() and self._left() <= 0 and self._look():
                note(
                    "no program is left, and there was no time for the rest: `lattice upload` sends it",
                    self._home,
                )
                _forget_progress(self._home)
                os._exit(0)

    def _left(self) -> float:
        return max(self._since + self._linger - time.monotonic(), 0.0)

    def _look(self) -> bool:
        """Read what there is; say whether no program is left."""
        while True:
            try:
                heard = os.read(self._pipe, 65536)
            except BlockingIOError:
                return self.alone.is_set()  # one that has not said anything yet does so at once
            if heard:
                self.alone.clear()
                pokes, tokens = self._heard.take(heard)
                for job, token in tokens.items():
                    self._learn(f"{job}/", token)
                # What was refused before may be allowed now.
                self.poke(urgent=URGENT in pokes or bool(tokens))
                continue
            if not self.alone.is_set():
                self._since = time.monotonic()
                self.alone.set()
                # With nobody left, what went wrong is tried again at once.
                self.poke(urgent=True)
            # One that was opened anew tells of the next program, and not again and again of the end of the last.
            again = self._open()
            os.close(self._pipe)
            self._pipe = again
            return True


class _Loop:
    """Turns, and sleep between them."""

    def __init__(self, spool: Spool, remote: RemoteStore, told: Mapping[str, Any]) -> None:
        self._spool = spool
        self._remote = remote
        self._limit = int(told["limit"])
        self._holding = Holding(spool, remote)
        self._watch = _Watch(spool.home, told["linger"], remote.learn)
        signal.signal(signal.SIGTERM, self._terminate)
        self._pauses = Pauses()
        self._swept = False
        self._known = ""
        self._told_at = 0.0

    def run(self) -> None:
        """Take turns until nothing is left and no program is."""
        note(f"begins for {self._spool.url}", self._spool.home)
        self._holding.keep_renewing(self._watch.poke)
        self._tell("", 0, 0)
        sent, dying = False, _LOOKS
        while True:
            self._watch.poked.clear()
            # In this order, and before every turn: it may have come in the middle of the last one.
            self._heed()
            alone = self._watch.alone.is_set()
            dying = dying if alone else _LOOKS
            # Before the turn, which gives back the claims of the dead: for one that dies within it, there is another.
            needed = alone and self._holding.is_needed()
            outcome = self._turn()
            if outcome is Outcome.AGAIN:
                sent = True
                continue
            if outcome is Outcome.DONE and sent and not alone:
                self._sweep()
            if alone and outcome is not Outcome.FAILED and not self._watch.poked.is_set():
                # A process that is killed closes its files a moment before it is dead: its claim is given back then.
                if dying <= 0 or not needed:
                    break
                dying -= 1
                time.sleep(_DYING)
                continue
            if not alone and not self._watch.poked.is_set():
                with suppress(Exception):  # the next turn meets it again, and tells
                    self._remote.warm()
            self._sleep(outcome)
        _forget_progress(self._spool.home)
        note("ends: no program is left", self._spool.home)

    def _sweep(self) -> None:
        """Once, remove what uploaders that died left in the remote store: nobody else does."""
        if self._swept:
            return
        self._swept = True
        # What fails is nothing that anybody waits for: the next one sweeps.
        with suppress(StoreError):
            for job in sorted({folder.partition("/")[0] for folder in self._spool.folders()}):
                self._remote.sweep(f"{job}/")

    def _terminate(self, *_: object) -> None:
        """End on SIGTERM when no program is left: it is sent to all of a service, whose program still saves."""
        if self._watch.alone.is_set():
            _forget_progress(self._spool.home)
            os._exit(0)

    def _turn(self) -> Outcome:
        try:
            outcome = take_turn(self._spool, self._remote, self._holding, self._tell, self._pauses)
        # The folders' troubles are written down there: this is the spool itself, perhaps a full disk.
        except Exception as error:  # noqa: BLE001
            outcome = Outcome.FAILED
            self._pauses.failed(_ALL)
            self._note(f"{type(error).__name__}: {error}")
        else:
            self._pauses.went_well(_ALL)
        self._tell("", 0, 0)
        with suppress(OSError):
            self._note_troubles(keep_room(self._spool, self._limit))
        return outcome

    def _note_troubles(self, room: str | None) -> None:
        """Write down what is wrong, each trouble once, and that the spool is too large."""
        found = {}
        for folder in self._spool.folders():
            trouble = self._spool.trouble(folder)
            if room is not None and trouble is None:
                now = datetime.now(timezone.utc).isoformat(timespec="seconds")
                trouble = {"error": room, "kind": ROOM, "since": now}
                self._spool.set_trouble(folder, trouble)
            elif room is None and trouble is not None and trouble.get("kind") == ROOM:
                trouble = None
                self._spool.set_trouble(folder, None)
            if trouble is not None:
                found[folder] = str(trouble.get("error"))
        self._note("; ".join(found.values()))

    def _note(self, text: str) -> None:
        if text != self._known:
            self._known = text
            note(text or "all is well again", self._spool.home)

    def _heed(self) -> None:
        """Let all be tried at once, where somebody asks for it: a program that ends, or begins; saves hurry nothing."""
        if self._watch.urgent.is_set():
            self._watch.urgent.clear()
            self._pauses.forget()

    def _sleep(self, outcome: Outcome) -> None:
        # Saves of those that have not failed are sent meanwhile.
        self._watch.poked.wait(self._pauses.seconds() if outcome is Outcome.FAILED else None)

    def _tell(self, key: str, done: int, of: int) -> None:
        """Write down how far it is, for who waits and who lists."""
        now = time.monotonic()
        if key and now - self._told_at < _PROGRESS:
            return
        self._told_at = now
        facts = Owner.current().to_dict() | {"working": key or None, "done": done, "of": of}
        path = os.path.join(self._spool.home, "uploader.json")
        with suppress(OSError):
            with open(f"{path}.new", "w", encoding="utf-8") as file:
                json.dump(facts, file)
            os.replace(f"{path}.new", path)


def _forget_progress(home: str) -> None:
    with suppress(OSError):
        os.unlink(os.path.join(home, "uploader.json"))
