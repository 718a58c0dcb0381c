"""A program that dies is started again, after a pause; one that ends by itself has ended."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons._amounts import duration
from lattice_addons.errors import LatticeError
from lattice_addons.storage import ulid

from ._environ import environ_of
from ._life import Start, live, reap
from ._losses import losses
from ._mailbox import ENDING, Mailbox

if TYPE_CHECKING:
    from collections.abc import Collection

    from lattice_addons.settings import Settings

    from ._life import Life
    from ._losses import Loss
    from ._slurm import Slurm

__all__ = ["Lives", "Plan"]

_LONGEST_PAUSE = 60.0
_CANNOT_RUN, _NOT_FOUND = 126, 127
# What is wrong now will be wrong again: the arguments (as argparse and as sysexits.h have it), data that does not fit,
# among them a checkpoint to whose point the program does not come, the settings, and the program itself.
_FINAL = frozenset({2, 64, 65, 78, _CANNOT_RUN, _NOT_FOUND})


@dataclass(frozen=True)
class Plan:
    """What is to be run, and how."""

    command: list[str]
    settings: Settings
    restarts: int
    requeues: int
    """How many starts in a row that have saved nothing SLURM is asked to follow by another."""
    pause: float
    job: str | None
    """The name that is put into the environment; None where the program names its job itself."""
    looked_for: str | None
    """The name by which its checkpoints are found; None where it is not known."""
    sure: bool
    """Whether the program was told this name, and it is no guess from the command."""
    slurm: Slurm
    warning: signal.Signals | None
    report: str | None
    alone: bool
    """Whether this is the only one that starts processes of the job."""


class Lives:
    """The lives of a program, one after the other."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._name = ulid()
        self._saved = False  # any life of this start

    def run(self) -> int:
        """Run it until it has ended for good; give its status, or end by the signal that ended it."""
        plan = self._plan
        more = {
            number for name in plan.settings.signals if (number := getattr(signal, name, None)) is not None
        }
        more |= {plan.warning} if plan.warning is not None else set()
        with Mailbox(more) as mailbox:
            try:
                life = self._all(mailbox)
            except OSError as error:
                _tell(f"{plan.command[0]!r} cannot be started: {error.strerror}")
                return _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN
            if os.getpid() == 1:
                self._wait_for_uploaders(mailbox)
            if life.killed_by is not None and os.getpid() != 1:
                _end_by(life.killed_by)
        return life.status

    def _all(self, mailbox: Mailbox) -> Life:
        plan, number, pause = self._plan, 1, self._plan.pause
        while True:
            life = self._live(number, mailbox)
            lost = self._account(life)
            if not self._goes_on(life, number, lost):
                return life
            if any(loss.new for loss in lost):
                pause = plan.pause  # it gets on, and dies of something else each time
            _tell(f"it is started again in {duration(pause)} ({number} of {plan.restarts})")
            came = _rest(pause, mailbox, ENDING | {plan.warning})
            if came is not None and came == plan.warning:
                self._requeue(lost)
                return life
            if came is not None:
                _tell("asked to end: it is not started again")
                return life
            number, pause = number + 1, longer(pause)

    def _live(self, number: int, mailbox: Mailbox) -> Life:
        plan = self._plan
        environ = environ_of(plan.job, plan.settings.run_id, number, self._name if plan.alone else None)
        send = plan.slurm.send if plan.slurm.reaches(plan.command) else _send
        return live(Start(number, plan.command, environ), mailbox, plan.warning, send)

    def _goes_on(self, life: Life, number: int, lost: list[Loss]) -> bool:
        """Decide whether there is another life here, and have SLURM make one where it can."""
        if life.status in _FINAL:
            _tell(f"status {life.status} says that another start would end like this one: there is none")
            return False
        if life.warned and (life.status or any(loss.cut_short for loss in lost)):
            self._requeue(lost)
            return False
        if not life.status or life.asked or life.warned:
            return False
        if number > self._plan.restarts:
            if self._plan.restarts:
                _tell(f"it has died {number} times, and is not started again")
            return False
        return True

    def _requeue(self, lost: list[Loss]) -> None:
        """Have SLURM make another life, unless none of the last ones got anywhere: the next would end as they did."""
        plan, slurm = self._plan, self._plan.slurm
        last = max(
            (loss.slurm for loss in lost if loss.slurm is not None and loss.slurm[0] == slurm.job),
            default=None,
        )
        in_vain = 0 if self._saved else slurm.in_vain(last)
        if in_vain <= plan.requeues:
            _tell(slurm.requeue())
            return
        starts = "this start" if in_vain == 1 else f"the last {in_vain} starts"
        _tell(
            f"job {slurm.job} is NOT put back into the queue: the warning came in {starts} before anything was saved "
            f"in {plan.settings.root}. Give the job more time, or save earlier (periodic_saving); where the program "
            "saves elsewhere, say so in LATTICE_CHECKPOINT_CONFIG. --restarts N allows N such starts in a row"
        )

    def _account(self, life: Life) -> list[Loss]:
        """Tell how a life ended, and what was lost with it; nothing of one that went well."""
        plan, lost, told = self._plan, [], ""
        try:
            lost = losses(plan.settings, plan.looked_for, life, sure=plan.sure)
        except LatticeError as error:
            told = str(error)
        self._saved = self._saved or any(loss.new for loss in lost)
        if life.status:
            _tell(f"life {life.number} (process {life.pid}) {_how(life)} after {duration(life.seconds)}")
            for line in map(str, lost):
                _tell(line)
            if told or not lost:
                _tell(f"what it has saved cannot be told: {told or 'no job of the store was saved by it'}")
        if plan.report is not None:
            _report(plan.report, life, lost)
        return lost

    def _wait_for_uploaders(self, mailbox: Mailbox) -> None:
        """Let what sends checkpoints away finish: with the first process of a container all others end."""
        if self._plan.settings.type in ("local", "memory"):
            return
        deadline = time.monotonic() + (self._plan.settings.grace or _LONGEST_PAUSE)
        while time.monotonic() < deadline and _has_children():
            letter = mailbox.take(deadline - time.monotonic())
            if letter is not None and letter.signum in ENDING:
                return


def _send(pid: int, signum: signal.Signals) -> None:
    """Hand a signal on; a program of another user, as under `sudo`, need not take it, and goes on."""
    try:
        os.kill(pid, signum)
    except OSError as error:
        _tell(f"{signum.name} could not be handed on to process {pid}: {error.strerror}")


def _has_children() -> bool:
    reap()
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def longer(pause: float) -> float:
    """Give the pause before the restart after the next: twice as long, up to a minute, and never shorter."""
    return max(pause, min(pause * 2, _LONGEST_PAUSE))


def _rest(
    seconds: float, mailbox: Mailbox, awaited: Collection[signal.Signals | None]
) -> signal.Signals | None:
    """Wait before the next life; give the signal that comes meanwhile and after which there is none here."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        letter = mailbox.take(left)
        if letter is None:
            return None
        if letter.signum in awaited:
            return letter.signum
        reap()
    return None


def _how(life: Life) -> str:
    if life.killed_by is not None:
        return f"was killed by {life.killed_by.name}"
    return f"ended with status {life.status}"


def _report(path: str, life: Life, lost: list[Loss]) -> None:
    """Add a line about a life to a file, for programs."""
    told = {
        "life": life.number,
        "pid": life.pid,
        "began": life.began,
        "seconds": life.seconds,
        "status": life.status,
        "signal": life.killed_by.name if life.killed_by is not None else None,
        "lost": [loss.to_dict() for loss in lost],
    }
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
    except OSError as error:
        _tell(f"{path} cannot be written: {error.strerror}")


def _end_by(signum: signal.Signals) -> None:
    """End as the program did, so that the wait status is true; but leave no core of this process."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    sys.stdout.flush()
    if signum != signal.SIGKILL:
        signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})


def _tell(text: str) -> None:
    """Say something to people; that nobody hears it any more does not end the program."""
    try:
        sys.stderr.write(f"lattice run: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
