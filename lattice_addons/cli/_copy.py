"""``lattice copy``: copies a job, or all, from one store to another, as they are, and reads back what has arrived."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import jobs, mirrored
from lattice_addons.errors import DamagedError, NotInStoreError, SettingsError
from lattice_addons.storage import open_store

from ._output import add_json_argument, counted, plain, print_json, size
from ._progress import shown
from ._status import OK
from ._store import settings_of

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Mirrored
    from lattice_addons.storage import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("root", metavar="SRC", help="the store to copy from: a folder or a URL")
    parser.add_argument("target", metavar="DST", help="the store to copy to: a folder or a URL")
    parser.add_argument("job", metavar="JOB", nargs="?", help="only this job (default: all)")
    parser.add_argument(
        "--force",
        action="store_true",
        help="also beside a job of this name in DST that has no checkpoint in common with it",
    )
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: that of `DamagedError` when damage was copied, too."""
    settings, other = settings_of(options.root), settings_of(options.target)
    source = open_store(settings, create=False)
    names = _named(source, options.job)
    target = open_store(other)
    if source.url == target.url:
        message = f"{options.root} and {options.target} are the same store: {source.url}"
        raise SettingsError(message, variable="DST", part=options.target)
    rows: list[dict[str, object]] = []
    for name in names:
        with shown(name) as progress:
            found = mirrored(
                (source, settings), (target, other), name, progress or _untold, force=options.force
            )
        rows += [{"job": name} | asdict(each) for each in found]
        for each in () if options.json else found:
            _tell(name, each)
    if options.json:
        print_json(rows)
    return DamagedError.exit_code if any(row["damaged"] for row in rows) else OK


def _named(source: Store, job: str | None) -> list[str]:
    known = jobs(source)
    if job is not None and job not in known:
        message = f"no job is named {job!r}; {source.url} has: {', '.join(known) or 'none'}"
        raise NotInStoreError(message, url=source.url, key=job)
    return known if job is None else [job]


def _untold(done: int, total: int) -> None:
    del done, total


def _tell(job: str, each: Mirrored) -> None:
    there = f", {each.there} there already" if each.there else ""
    who = f"{job}, rank {each.rank}"
    copied = counted(each.checkpoints, "checkpoint")
    print(plain(f"{who}: {copied} copied and read back ({size(each.bytes)}){there}"))
    if each.gone:
        told = ", ".join(map(str, each.gone))
        print(plain(f"{who}: deleted meanwhile by the program that runs: {told}"))
    for told in each.damaged:
        print(plain(f"lattice copy: {who}: damaged, and copied as it is: {told}"), file=sys.stderr)
