"""Which files a path means: each once, folders with all that is below them."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons.errors import NoSourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["File", "files"]

_log = logging.getLogger("lattice_addons.hyperparams")
_ENDINGS = (".py", ".ipynb")
_PASSED_OVER = ("__pycache__", "node_modules")


class File(NamedTuple):
    """A file to be parsed; ``stamp`` changes when its content does. One that was ``named`` is parsed in any case."""

    path: str
    real: str
    stamp: tuple[int, ...]
    named: bool


def files(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[File]:
    """Give the files that a path means, or several, in the order of their names.

    In folders these are ``*.py`` and ``*.ipynb``; hidden folders, ``__pycache__``, ``node_modules`` and virtual
    environments are passed over, and so are, with a warning, folders below that cannot be read.

    Raises:
        NoSourceError: a path does not exist.
    """
    one = isinstance(paths, (str, os.PathLike))
    seen: set[str] = set()
    for path in [paths] if one else paths:  # type: ignore[union-attr]
        for file in _below(os.fspath(path), named=one):  # type: ignore[arg-type]
            if file.real not in seen:
                seen.add(file.real)
                yield file


def _below(path: str, *, named: bool) -> Iterator[File]:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"there is no source at {path!r} ({why}); give a file, a folder, or a list of them"
        raise NoSourceError(message, path=path, name="") from None
    if stat.S_ISDIR(status.st_mode):
        yield from _walk(path, {os.path.realpath(path)})
    else:
        yield File(path, os.path.realpath(path), _stamp(status), named)


def _walk(folder: str, above: set[str]) -> Iterator[File]:
    """Go through a folder; ``above`` are those that it is in: a link to one of them would have no end."""
    real = os.path.realpath(folder)
    for entry in _entries(folder, given=len(above) == 1):
        try:
            target = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, entry.name)
            folder_below = entry.is_dir() and not _is_passed_over(entry) and target not in above
            wanted = entry.name.endswith(_ENDINGS) and entry.is_file()
            stamp = _stamp(entry.stat()) if wanted else ()
        except OSError:
            # It went away while we looked, as a link whose target is gone did before.
            continue
        if folder_below:
            yield from _walk(entry.path, above | {target})
        elif wanted:
            yield File(entry.path, target, stamp, named=False)


def _entries(folder: str, *, given: bool) -> list[os.DirEntry[str]]:
    """Give what is in a folder, by name; one below the folder that was given may have gone, or be closed to us."""
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if given:
            message = f"the folder {folder!r} cannot be read ({error.strerror})"
            raise NoSourceError(message, path=folder, name="") from None
        if not isinstance(error, FileNotFoundError):
            _log.warning("the folder %r is passed over: it cannot be read (%s)", folder, error.strerror)
        return []


def _is_passed_over(entry: os.DirEntry[str]) -> bool:
    hidden = entry.name.startswith(".") or entry.name in _PASSED_OVER
    return hidden or os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    # The time of the inode's change, too: the other one can be set back.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
