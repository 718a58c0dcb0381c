"""Which store and which job a command line means."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Line, jobs, ranks
from lattice_addons.errors import NotInStoreError
from lattice_addons.settings import Settings
from lattice_addons.storage import open_store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lattice_addons.storage import SpooledStore, Store


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a command be told the store, and to answer in JSON."""
    parser.add_argument(
        "--root", metavar="FOLDER", help="the store (default: what the LATTICE_* variables say)"
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON, for programs")


def spooled(store: Store) -> SpooledStore | None:
    """Give a store that is elsewhere, as what it is; None for a local one."""
    if store.at_home:
        return None
    from lattice_addons.storage import SpooledStore

    return store if isinstance(store, SpooledStore) else None


class OpenStore:
    """The store of a command line, open for reading."""

    def __init__(self, options: argparse.Namespace) -> None:
        settings = Settings.from_environ()
        self.settings = dataclasses.replace(settings, root=options.root) if options.root else settings
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

    def jobs(self, named: str | None) -> list[str]:
        """Give the named job, or all."""
        return [self.job(named)] if named is not None else jobs(self.store)

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
