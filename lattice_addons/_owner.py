"""A process, told apart from every other that had or will have its number."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from lattice_addons._host import host_name
from lattice_addons.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Owner"]


@dataclass(frozen=True, slots=True)
class _Process:
    """What the system says about a process."""

    dead: bool  # ended, and only waiting for its parent to ask
    parent: int
    start: int | None  # None where the system hides it: there is one, and nobody knows whose


_HIDDEN = _Process(dead=False, parent=0, start=None)


def _look(pid: int) -> _Process | None:
    """Ask the system about a process; None when there is none."""
    if not os.path.exists("/proc/self/stat"):  # which raises nothing, as Path.exists does where reading fails
        return _look_portably(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return _HIDDEN if _is_there(pid) else None
    except OSError as error:
        # The likeliest by far is a program that has no file descriptor left.
        message = f"cannot read /proc/{pid}/stat ({error.strerror}): close files, or raise `ulimit -n`"
        raise StoreError(message, url=f"/proc/{pid}/stat") from error
    # The name is in parentheses and may itself hold some: count from the last.
    told = text[text.rindex(")") + 2 :].split()
    return _Process(dead=told[0] in "ZXx", parent=int(told[1]), start=int(told[19]))


def _is_there(pid: int) -> bool:
    """Say whether there is a process that `/proc` does not show: another user's, where it is mounted with hidepid."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0  # made in this moment; and numbers that are not above 0 mean many processes


def _look_portably(pid: int) -> _Process | None:
    import psutil

    try:
        process = psutil.Process(pid)
        # In milliseconds: whole, so that what was stored as JSON compares equal.
        start = int(process.create_time() * 1000)
        return _Process(dead=process.status() == psutil.STATUS_ZOMBIE, parent=process.ppid(), start=start)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return _HIDDEN


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


@dataclass(frozen=True)
class Owner:
    """Who writes: a process by host, boot, namespace, number and start, since numbers are given out again."""

    host: str
    boot_id: str
    pid: int
    start: int
    pid_namespace: str

    @classmethod
    def current(cls) -> Owner:
        """Give this process."""
        # Not remembered: a forked child is another owner.
        pid = os.getpid()
        found = _look(pid)
        start = (found.start if found is not None else None) or 0
        return cls(host_name(), _boot_id(), pid, start, _pid_namespace())

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Owner:
        """Read what `to_dict` gave; `ValueError` when it is something else."""
        try:
            owner = cls(**{field.name: told[field.name] for field in fields(cls)})
        except (KeyError, TypeError) as error:
            raise ValueError(f"no owner: {error}") from None
        texts = (owner.host, owner.boot_id, owner.pid_namespace)
        counts = (owner.pid, owner.start)
        if not all(type(text) is str for text in texts) or not all(type(count) is int for count in counts):
            raise ValueError("no owner: a fact about it has another type than it should have")
        return owner

    def _is_seen_from_here(self) -> bool:
        """Say whether its number means the same process here."""
        return bool(self.boot_id) and self.boot_id == _boot_id() and self.pid_namespace == _pid_namespace()

    def alive(self) -> bool | None:
        """Say whether it still runs; None when that cannot be told from here (another host, container or user)."""
        if self._is_seen_from_here():
            found = _look(self.pid)
            if found is _HIDDEN:
                return None
            return found is not None and not found.dead and found.start == self.start
        here = Owner.current()
        if self.host == here.host and self.boot_id and here.boot_id and self.boot_id != here.boot_id:
            return False  # the host was started again since
        return None

    def is_ancestor(self) -> bool:
        """Say whether this process descends from it."""
        if not self._is_seen_from_here():
            return False
        pid = os.getppid()
        while pid > 0:
            found = _look(pid)
            if found is None:
                return False
            if pid == self.pid:
                return found.start == self.start
            pid = found.parent
        return False
