"""Signals do not interrupt who waits for a program: they lie in a box, and are taken out one by one."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from lattice_addons._host import signals_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["ENDING", "Letter", "Mailbox"]

#: By these somebody wants a program to end.
ENDING = signals_of("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGXCPU")
# Not those by which a terminal stops a job: they do what they do without us.
_TAKEN = ENDING | signals_of("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT")
# What a terminal sends goes to all processes of its foreground group, and so to the program, too.
_OF_TERMINALS = signals_of("SIGINT", "SIGQUIT", "SIGHUP")
_BY_THE_KERNEL = 0x80


class Letter:
    """One signal that came."""

    def __init__(self, told: signal.struct_siginfo) -> None:
        self.signum = signal.Signals(told.si_signo)
        #: Whether the program got it as well, by the same hand.
        self.reached_all = told.si_code == _BY_THE_KERNEL and self.signum in _OF_TERMINALS


class Mailbox:
    """Keeps signals back while the block runs; a process that is started gets those of ``before``, as if by hand."""

    def __init__(self, more: Iterable[int] = ()) -> None:
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        # One that is ignored stays so, as SIGHUP under nohup; kept back it would come all the same.
        wanted = {each for each in _TAKEN.union(more) if signal.getsignal(each) != signal.SIG_IGN}
        self._taken = wanted | {signal.SIGCHLD}

    def __enter__(self) -> Self:
        """Keep them back from now on."""
        # Inherited as ignored, it would let children vanish without a status.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, self._taken)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let what is still there take effect."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)

    def wait(self) -> Letter:
        """Wait for the next one."""
        return Letter(signal.sigwaitinfo(self._taken))

    def take(self, seconds: float) -> Letter | None:
        """Wait for the next one; None when none comes within these seconds."""
        told = signal.sigtimedwait(self._taken, max(seconds, 0.0))
        return Letter(told) if told is not None else None
