"""A file that people keep is written as a whole, durably, or stays as it was."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress

from lattice_addons._system import sync_folder

__all__ = ["write_whole"]


def write_whole(path: str, content: bytes) -> None:
    """Put bytes into a file in one step, with the rights that it has; where it is a link, into what that leads to.

    Raises:
        OSError: it cannot be written, and is as it was.
    """
    target = os.path.realpath(path)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), suffix=".tmp")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
        # Where folders cannot be synchronised it is there all the same.
        with suppress(OSError):
            sync_folder(os.path.dirname(target))
    except BaseException:
        # Also when it is stopped by Ctrl-C: nothing half written stays beside it.
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _mode(path: str) -> int:
    """Give the rights that a file has, or that a new one gets."""
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        # It can only be asked for by setting it: what another thread makes in that moment is its user's alone.
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask
