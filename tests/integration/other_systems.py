"""A Python that looks to Lattice as if it ran on another system: what that lacks is not there, or refuses."""

from __future__ import annotations

import builtins
import errno
import fcntl
import importlib
import mmap
import os
import select
import signal
import sys
import time
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# The modules that Lattice gets stand-ins for; all others go on as they are.
_SHOWN = {"os": os, "signal": signal, "time": time, "mmap": mmap, "select": select, "sys": sys}
_REAL_IMPORT, _REAL_OPEN = builtins.__import__, builtins.open
_BINARY = 1 << 30  # of no flag on Linux

# What each system lacks of the modules of Linux's Python.
_LACKS: dict[str, dict[str, str]] = {
    "darwin": {
        "os": """O_DIRECT O_TMPFILE O_PATH fdatasync posix_fadvise posix_fallocate pipe2 sched_getaffinity memfd_create
            sched_setaffinity waitid P_ALL WEXITED WNOWAIT copy_file_range getrandom preadv2 pwritev2 eventfd""",
        "signal": "sigwaitinfo sigtimedwait SIGRTMIN SIGRTMAX SIGPOLL SIGPWR SIGSTKFLT struct_siginfo",
        "time": "pthread_getcpuclockid",
        "select": "epoll",
    },
    "win32": {
        "os": """O_CLOEXEC O_DIRECT O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_NOCTTY O_TMPFILE O_PATH O_SYNC O_DSYNC
            ST_RDONLY chown chroot confstr ctermid fchdir fchmod fchown fdatasync fork forkpty fpathconf fstatvfs
            getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getsid getuid killpg lchown lockf
            major makedev minor mkfifo mknod nice openpty pathconf pipe2 posix_fadvise posix_fallocate posix_spawn
            posix_spawnp pread preadv pwrite pwritev readv
            register_at_fork sched_getaffinity sched_yield sendfile setegid
            seteuid setgid setpgid
            setpriority setsid setuid statvfs sync sysconf tcgetpgrp uname wait wait3 wait4 waitid
            writev WNOHANG WIFEXITED WIFSIGNALED P_ALL WEXITED WNOWAIT""",
        "signal": """SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGPOLL SIGPROF SIGPWR SIGQUIT SIGRTMAX
            SIGRTMIN SIGSTOP SIGSTKFLT SIGSYS SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH
            SIGXCPU SIGXFSZ SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm getitimer pause pthread_kill pthread_sigmask
            setitimer siginterrupt sigpending sigtimedwait sigwait sigwaitinfo ITIMER_REAL struct_siginfo""",
        "time": "clock_gettime clock_settime pthread_getcpuclockid tzset",
        "mmap": "MAP_PRIVATE MAP_ANONYMOUS MAP_SHARED PROT_READ PROT_WRITE",
        "select": "epoll poll",
    },
}
_NO_MODULES = {
    "darwin": set[str](),
    "win32": {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"},
}


class _Stand(types.ModuleType):
    """Shows a module without what is lacking, and with what is different."""

    def __init__(self, real: types.ModuleType, lacks: set[str], other: dict[str, Any]) -> None:
        super().__init__(real.__name__)
        vars(self).update(_real=real, _lacks=lacks, _other=other)

    def __getattr__(self, name: str) -> Any:
        if name in vars(self)["_lacks"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on this system")
        other: dict[str, Any] = vars(self)["_other"]
        return other[name] if name in other else getattr(vars(self)["_real"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(vars(self)["_real"], name, value)


def pretend(system: str) -> None:
    """Let what is imported of Lattice from now on see another system."""
    other = _windows() if system == "win32" else {}
    other.setdefault("sys", {})["platform"] = system
    stands = {
        name: _Stand(real, set(_LACKS[system].get(name, "").split()), other.get(name, {}))
        for name, real in _SHOWN.items()
    }
    stands["importlib"] = _Stand(importlib, set(), {"import_module": _importing(system)})

    def find(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002 - as __import__
        ours = _is_ours(str((globals or {}).get("__name__", "")))
        if ours and level == 0:
            if name in _NO_MODULES[system]:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in stands:
                _REAL_IMPORT(name, globals, locals, fromlist, level)  # what it has below it, too
                return stands[name]
        return _REAL_IMPORT(name, globals, locals, fromlist, level)

    def opened(path: Any, *args: Any, **options: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if _is_ours(caller) and isinstance(path, str) and path.startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return _REAL_OPEN(path, *args, **options)

    builtins.__import__ = find
    builtins.open = opened  # type: ignore[assignment] # as open() is called here


def hide(*names: str) -> None:
    """Let packages be as if they were not installed."""

    class Absent:
        """Finds them first, to say so."""

        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            del path, target
            if name.partition(".")[0] in names:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Absent())


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "lattice_addons"


def _importing(system: str) -> Callable[..., Any]:
    def import_module(name: str, package: str | None = None) -> Any:
        if name == "msvcrt" and system == "win32":
            return _msvcrt()
        return importlib.import_module(name, package)

    return import_module


def _windows() -> dict[str, dict[str, Any]]:
    """Give what Windows has otherwise: paths in place of folders' descriptors, and files that cannot go while open."""
    signals = {"SIGINT", "SIGTERM", "SIGABRT", "SIGFPE", "SIGILL", "SIGSEGV"}
    few = types.SimpleNamespace(
        __members__={name: getattr(signal, name) for name in signals},
    )
    numbers = {int(getattr(signal, name)) for name in signals}

    class Signals:
        """The enumeration, of which there are six."""

        __members__ = few.__members__

        def __new__(cls, number: int) -> Any:
            if int(number) not in numbers:
                raise ValueError(number)
            return signal.Signals(number)

        def __class_getitem__(cls, name: str) -> Any:
            return few.__members__[name]

    def handled(signum: int, handler: Any) -> Any:
        if int(signum) not in numbers:
            raise ValueError("signal number out of range")
        return signal.signal(signum, handler)

    def no_pipes(read: Any, write: Any, other: Any, seconds: Any = None) -> Any:
        if any(isinstance(each, int) for each in (*read, *write, *other)):
            raise OSError(errno.ENOTSOCK, "an operation was attempted on something that is not a socket")
        return select.select(read, write, other, seconds)

    return {
        "os": _windows_files(),
        "signal": {"signal": handled, "Signals": Signals, "valid_signals": lambda: set(numbers)},
        "select": {"select": no_pipes},
    }


def _windows_files() -> dict[str, Any]:  # noqa: C901, PLR0915 - one small stand-in after another
    paths = _Stand(os.path, set(), {"exists": lambda path: not _in_proc(path) and os.path.exists(path)})

    def whole(dir_fd: object) -> None:
        if dir_fd is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")

    def open_file(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
        whole(dir_fd)
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        assert flags & _BINARY, f"{path} is opened as text: its line ends would be changed"
        return os.open(path, flags & ~_BINARY, mode)

    def closed(path: Any) -> None:
        if _is_open(path):
            raise PermissionError(errno.EACCES, "it is used by another process", path)

    def rename(old: Any, new: Any, *, src_dir_fd: Any = None, dst_dir_fd: Any = None) -> None:
        whole(src_dir_fd)
        whole(dst_dir_fd)
        closed(old)
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(old, new)

    def replace(old: Any, new: Any, *, src_dir_fd: Any = None, dst_dir_fd: Any = None) -> None:
        whole(src_dir_fd)
        whole(dst_dir_fd)
        closed(old)
        closed(new)
        os.replace(old, new)

    def unlink(path: Any, *, dir_fd: Any = None) -> None:
        whole(dir_fd)
        closed(path)
        os.unlink(path)

    def link(old: Any, new: Any, *, follow_symlinks: bool = True) -> None:
        if not follow_symlinks:
            raise NotImplementedError("link: follow_symlinks unavailable on this platform")
        os.link(old, new)

    def with_dir(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *args: Any, dir_fd: Any = None, **options: Any) -> Any:
            whole(dir_fd)
            return call(path, *args, **options)

        return called

    def access(
        path: Any, mode: int, *, dir_fd: Any = None, effective_ids: bool = False, **options: Any
    ) -> bool:
        whole(dir_fd)
        if effective_ids:
            raise NotImplementedError("access: effective_ids unavailable on this platform")
        return os.access(path, mode, **options)

    def scandir(path: Any = ".") -> Any:
        if isinstance(path, int):
            raise TypeError("scandir: path should be string, bytes, os.PathLike or None, not int")
        return os.scandir(path)

    named = {
        "open": open_file,
        "rename": rename,
        "replace": replace,
        "unlink": unlink,
        "remove": unlink,
        "link": link,
    }
    named |= {
        name: with_dir(getattr(os, name)) for name in ("mkdir", "rmdir", "stat", "chmod", "readlink", "utime")
    }
    return named | {
        "access": access,
        "scandir": scandir,
        "name": "nt",
        "path": paths,
        "O_BINARY": _BINARY,
        "O_NOINHERIT": os.O_CLOEXEC,
        "supports_dir_fd": set(),
        "supports_effective_ids": set(),
        "supports_fd": {named["stat"]},
        "supports_follow_symlinks": {named["stat"]},
    }


def _in_proc(path: Any) -> bool:
    return isinstance(path, str) and path.startswith("/proc/")


def _is_open(path: Any) -> bool:
    """Say whether this process has a file open, as Windows would by its sharing modes."""
    try:
        facts = os.stat(path)
    except OSError:
        return False
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.path.samestat(os.fstat(int(name)), facts):
                return True
        except OSError:
            continue
    return False


def _msvcrt() -> types.ModuleType:
    """Make the module that locks bytes: for one open file alone, and a second lock of the same byte is refused."""
    made = types.ModuleType("msvcrt")

    def locking(descriptor: int, how: int, count: int) -> None:
        import struct

        start = os.lseek(descriptor, 0, os.SEEK_CUR)
        kind = fcntl.F_UNLCK if how == 0 else fcntl.F_WRLCK
        # struct flock, for a lock that belongs to the open file and not to the process.
        told = struct.pack("hhqqi4x", kind, os.SEEK_SET, start, count, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, told)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None

    vars(made).update(LK_UNLCK=0, LK_LOCK=1, LK_NBLCK=2, locking=locking)
    return made
