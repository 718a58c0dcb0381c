"""Objects have no folders; who looks at them as files sees a folder wherever something is in it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import StoreError

if TYPE_CHECKING:
    from lattice_addons.storage.remote._files import Listed
    from lattice_addons.storage.remote._service import ServiceFiles

__all__ = ["Info", "below", "children", "directory", "info_of"]

Info = dict[str, Any]


def below(files: ServiceFiles, folder: str) -> dict[str, Info]:
    """List all files below a folder; none where it is a file itself."""
    try:
        return {key: info_of(key, facts) for key, facts in files.listing(folder).items()}
    except StoreError as error:
        if error.errno != errno.ENOTDIR:
            raise
        return {}


def children(files: ServiceFiles, folder: str) -> dict[str, Info]:
    """List what is directly in a folder; the folders of the top are the jobs."""
    if not folder:
        return {name: directory(name) for name in files.folders("")} | {
            key: info_of(key, facts) for key, facts in files.outside().items()
        }
    found: dict[str, Info] = {}
    for key, info in below(files, folder).items():
        name, deeper, _ = key[len(folder) :].partition("/")
        found.setdefault(folder + name, directory(folder + name) if deeper else info)
    return found


def directory(name: str) -> Info:
    """Give what is known of a folder."""
    return {"name": name, "size": 0, "type": "directory"}


def info_of(name: str, facts: Listed) -> Info:
    """Give what is known of a file, in fsspec's words."""
    return {"name": name, "size": facts.size, "type": "file", "etag": facts.tag, "modified": facts.modified}
