"""Where the checkpoints of a HyperState are: a folder, a URL, or where the LATTICE_* variables say."""

from __future__ import annotations

import dataclasses
import os

from lattice_addons._environ import CONFIG, TYPE, entries
from lattice_addons.checkpoint import Line
from lattice_addons.errors import NotInStoreError
from lattice_addons.lifecycle import job_id, rank
from lattice_addons.settings import Settings
from lattice_addons.storage import open_store

__all__ = ["line_of", "settings_of"]


def settings_of(checkpoint_dir: str | os.PathLike[str] | None) -> Settings:
    """Give the settings of a HyperState: those of the environment, with this store.

    Only `step` saves: at any other moment the state may be half of one step and half of the next.
    """
    environ = dict(os.environ)
    if checkpoint_dir is not None and all(key != "root" for key, _ in entries(environ.get(CONFIG, ""))):
        # The type of a store that is not meant, which may need a root.
        environ.pop(TYPE, None)
    settings = Settings.from_environ(environ)
    settings = dataclasses.replace(
        settings, atexit_saving=False, periodic_saving=False, signals=(), restore="map"
    )
    if checkpoint_dir is None:
        return settings
    root = str(checkpoint_dir)
    scheme, elsewhere, _ = root.partition("://")
    kind = "local" if not elsewhere or scheme == "file" else "s3" if scheme == "s3" else "fsspec"
    if scheme == "memory":
        kind, root = "memory", root.partition("://")[2]
    return dataclasses.replace(settings, type=kind, root=root.removeprefix("file://"))


def line_of(settings: Settings) -> Line | None:
    """Give this process's line, to read; None where there is no store yet."""
    try:
        # One at home is made here as well as a moment later; to begin to write to one elsewhere is the group's.
        store = open_store(settings, create=settings.type in ("local", "memory"))
    except NotInStoreError:
        return None
    return Line(store, job_id(settings), rank(), settings=settings)
