"""The secret that encrypts a store comes from the environment or from a file of the user's own."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING, Final

from lattice_addons._system import O_CLOEXEC, O_NONBLOCK
from lattice_addons.errors import SettingsError

if TYPE_CHECKING:
    from lattice_addons.settings import Settings

__all__ = ["missing_package", "secret_in", "secret_of"]

_log = logging.getLogger("lattice_addons.checkpoint")
_VARIABLE: Final = "LATTICE_ENCRYPTION_KEY"
_SHORTEST, _LONGEST = 16, 64 * 1024
# Each file is told of once, however many lines a process has.
_told: set[str] = set()


def secret_of(settings: Settings) -> bytes | None:
    """Give the secret of these settings, or None.

    Raises:
        SettingsError: the file that should have it cannot be read, or has none.
    """
    if settings.encryption_key_file is not None:
        return secret_in(settings.encryption_key_file)
    return settings.encryption_key


def secret_in(path: str) -> bytes:
    """Give the secret that is in a file; what ends its line is no part of it."""
    try:
        # Without waiting: nobody may ever write to a pipe of that name.
        descriptor = os.open(path, os.O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        try:
            mode = os.fstat(descriptor).st_mode
            text = os.read(descriptor, _LONGEST)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from error
    secret = text.rstrip(b"\r\n")
    if len(secret.strip()) < _SHORTEST:
        raise _refused(path, f"it has {len(secret.strip())} bytes, and a secret has at least {_SHORTEST}")
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and path not in _told:
        _told.add(path)
        _log.warning("others than its owner may use the key in %s: `chmod 600` takes that from them", path)
    return secret


def missing_package(error: ImportError) -> SettingsError:
    """Make the error for a key that nothing is there to encrypt with."""
    message = (
        f"{_VARIABLE}: there is a key, and the package that encrypts cannot be imported ({error}): "
        "pip install 'lattice-addons[encryption]'"
    )
    return SettingsError(message, variable=_VARIABLE, part="")


def _refused(path: str, why: str) -> SettingsError:
    message = (
        f"encryption_key_file={path}: {why}; make one with: "
        f'(umask 077; python -c "import secrets; print(secrets.token_hex(32))" > {path})'
    )
    return SettingsError(message, variable="LATTICE_CHECKPOINT_CONFIG", part=path)
