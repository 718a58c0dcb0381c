"""What the system's errors mean for a store, and what to do about them."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.errors import DamagedError, NotInStoreError, StoreError
from lattice_addons.storage._process import keep_spare

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "already_there",
    "coded",
    "ends_early",
    "explain",
    "kept_locked",
    "not_there",
    "replaced",
    "told",
    "vanished",
]

_ADVICE = {
    errno.ENOSPC: "the file system is full: make room there (`lattice clear`, a smaller `keep`), save again",
    errno.EDQUOT: "your quota is used up: make room there (`lattice clear`, a smaller `keep`), save again",
    errno.EROFS: "the file system is read-only: set `root` to a folder that can be written",
    errno.EACCES: "give yourself the right to read and write there, or set `root` to a folder of yours",
    errno.EPERM: "give yourself the right to read and write there, or set `root` to a folder of yours",
    errno.ENOTDIR: "a file or a link stands where a folder must be, and links are not followed: move it away",
    errno.ELOOP: "a link stands there, and links inside a store are not followed: move it away",
    errno.EIO: "the disk reported an error, nothing was taken for saved: check it (`dmesg`) and save again",
    errno.EMFILE: "the program has no file descriptor left: close files, or raise `ulimit -n`",
    errno.ENFILE: "the system has no file descriptor left: close files",
    errno.ENOENT: "its folder is gone: make the folder that holds the store again, or set `root` to another",
    errno.EISDIR: "a folder stands where a file must be: move it away",
    errno.EFBIG: "the file grew over the largest size allowed here: raise `ulimit -f`",
    errno.ENAMETOOLONG: "the name is too long for this file system: use a shorter job id or root",
    errno.ESTALE: "the network file system lost the folder: see that it is mounted, then save again",
}


@contextmanager
def told(action: str, path: str) -> Iterator[None]:
    """Turn the system's errors into ours for one operation, and keep the spare descriptors after it."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise explain(error, action, path) from error
    finally:
        keep_spare()


def explain(error: OSError, action: str, path: str) -> StoreError:
    """Make our error of one of the system's: what, where, what to do."""
    code = error.errno or 0
    said = error.strerror or str(error)
    advice = _ADVICE.get(code, "see that the folder is there and can be written, then try again")
    return coded(StoreError(f"cannot {action} {path} ({said}): {advice}", url=path), code)


def coded(error: StoreError, code: int) -> StoreError:
    """Give the error its number, by hand, because OSError's own attribute hides the constructor's facts."""
    error.errno = code
    return error


def already_there(url: str, key: str) -> StoreError:
    """Make the error for a new key that is an old one."""
    message = f"{key} is in {url} already, and is never written over: see what other process saves there"
    return coded(StoreError(message, url=url, key=key), errno.EEXIST)


def vanished(url: str, key: str) -> StoreError:
    """Make the error for a key whose folder was taken away while it was written."""
    message = f"{key} in {url} was removed while it was written ({os.strerror(errno.ENOENT)}): save again"
    return coded(StoreError(message, url=url, key=key), errno.ENOENT)


def kept_locked(url: str, folder: str, seconds: float) -> StoreError:
    """Make the error for a critical section that somebody does not leave."""
    message = (
        f"{folder or 'the root'} of {url} has been locked by another process or thread for {seconds:g} s: "
        "look for a stopped one (`fuser` on the folder), then try again"
    )
    return coded(StoreError(message, url=url), errno.ETIMEDOUT)


def replaced(url: str, key: str) -> StoreError:
    """Make the error for a name that is given to another file again and again."""
    message = f"{key or 'the root'} in {url} is replaced faster than it can be locked: see who writes there"
    return coded(StoreError(message, url=url), errno.EAGAIN)


def not_there(url: str, key: str) -> NotInStoreError:
    """Make the error for a key that is not in its store."""
    error = NotInStoreError(f"{key} is not in {url}; `lattice list` shows what is there", url=url, key=key)
    error.errno = errno.ENOENT
    return error


def ends_early(url: str, key: str, end: int, wanted: int) -> DamagedError:
    """Make the error for bytes that should be there and are not."""
    message = (
        f"{key} in {url} ends at byte {end} where there should be bytes up to {wanted}: "
        "it was cut off; `lattice verify` shows what is still good"
    )
    return DamagedError(message, key=key)
