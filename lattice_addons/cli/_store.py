"""Which store and which job a command line means."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Line, jobs, ranks
from lattice_addons.errors import NotInStoreError
from lattice_addons.settings import Settings
from lattice_addons.storage import open_store

from ._output import add_json_argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lattice_addons.storage import SpooledStore, Store


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a command be told the store, and to answer in JSON."""
    add_root_argument(parser)
    add_json_argument(parser)


def add_root_argument(parser: argparse.ArgumentParser) -> None:
    """Let a command be told the store."""
    parser.add_argument(
        "--root",
        metavar="STORE",
        help="the store: a folder or a URL (default: what the LATTICE_* variables say)",
    )


def settings_of(root: str | None) -> Settings:
    """Give the settings of a store that is named by a folder or a URL; None is that of the LATTICE_* variables."""
    settings = Settings.from_environ()
    if root is None:
        return settings
    kind = "local" if "://" not in root else "s3" if root.startswith("s3://") else "fsspec"
    # An endpoint and credentials are those of the store that the variables name, or of another one of its kind.
    alike = kind == settings.type or (
        settings.type == "remote" and root.startswith(("lattice://", "lattices://"))
    )
    options = settings.options if alike else {}
    if kind == "local" and settings.type == "memory":
        kind = "memory"
    return dataclasses.replace(settings, type=kind, root=root, options=options)


def spooled(store: Store) -> SpooledStore | None:
    """Give a store that is elsewhere, as what it is; None for a local one."""
    if store.at_home:
        return None
    from lattice_addons.storage import SpooledStore

    return store if isinstance(store, SpooledStore) else None


class OpenStore:
    """The store of a command line, open for reading."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.settings = settings_of(options.root or None)
        self.store: Store = open_store(self.settings, create=False)

    def job(self, named: str | None) -> str:
        """Give the job that is meant; without a name, the only one."""
        known = jobs(self.store)
        if named is None and len(known) == 1:
            return known[0]
        if named in known:
            return str(named)
        listed = ", ".join(known) or "none"
        what = f"no job is named {named!r}" if named is not None else "name a job"
        message = f"{what}; {self.store.url} has: {listed}"
        raise NotInStoreError(message, url=self.store.url, key=named or "")

    def jobs(self) -> list[str]:
        """Give all jobs."""
        return jobs(self.store)

    def folders(self, named: str | None) -> list[str]:
        """Give the named job, or each folder that may be one: those are which have ranks."""
        return [self.job(named)] if named is not None else list(self.store.folders())

    def lines(self, job: str) -> Iterator[Line]:
        """Give the line of every rank of a job."""
        for rank in ranks(self.store, job):
            yield Line(self.store, job, rank, settings=self.settings)

    @contextmanager
    def writing(self, job: str) -> Iterator[list[Line]]:
        """Give the line of every rank; before any is changed, none is another process's."""
        lines = list(self.lines(job))
        try:
            for line in lines:
                line.acquire()
            yield lines
        finally:
            for line in lines:
                line.release()
