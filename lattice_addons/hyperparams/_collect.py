"""From paths to what their source says: read, passed over quickly, or known from the last time."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons.errors import NoSourceError

from ._cache import Cache
from ._facts import Facts
from ._files import files
from ._notebook import notebook
from ._parse import may_declare, read
from ._source import Source, decoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._files import File

__all__ = ["collect", "of_text"]


def collect(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    name: str,
    take_all: bool = False,
    cache: bool = True,
) -> dict[str, Facts]:
    """Give what is said of the manager of this name in each file, by the file's real path.

    Raises:
        NoSourceError: a path does not exist, or a file cannot be read.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    placeholder = name if take_all else None
    # A file alone is read in no time.
    folders = [os.path.realpath(each) for each in given] if cache and _is_large(given) else None
    known = Cache(folders, placeholder) if folders is not None else None
    found: dict[str, Facts] = {}
    for file in files(given[0] if len(given) == 1 else given):
        all_facts = known.get(file) if known is not None else None
        if all_facts is None:
            all_facts = _facts(file, placeholder)
            if known is not None:
                known.put(file, all_facts)
        # Also of a file in which there is nothing: there may have been something before.
        found[file.real] = all_facts.get("") or all_facts.get(name) or Facts()
    if known is not None:
        known.save()
    return found


def of_text(text: str, filename: str, *, name: str, take_all: bool = False) -> dict[str, Facts]:
    """Give what a text says of the manager of this name; equal texts of no file are the same one."""
    found = read(lambda: Source(text, filename), name if take_all else None)
    key = f"{filename}\0{text}" if filename == "<source>" else filename
    return {key: found.get("", found.get(name, Facts()))}


def _is_large(given: list[str | os.PathLike[str]]) -> bool:
    return len(given) > 1 or any(os.path.isdir(each) for each in given)


def _facts(file: File, placeholder: str | None) -> dict[str, Facts]:
    try:
        with open(file.real, "rb", buffering=0) as opened:
            data = opened.read()
    except OSError as error:
        message = f"{file.path!r} cannot be read ({error.strerror})"
        raise NoSourceError(message, path=file.path, name="") from None
    if not file.named and not may_declare(data, placeholder):
        return {}
    return read(partial(_source, data, file.path), placeholder)


def _source(data: bytes, path: str) -> Source:
    if path.endswith(".ipynb"):
        return notebook(data, path)
    return Source(decoded(data, path), path)
