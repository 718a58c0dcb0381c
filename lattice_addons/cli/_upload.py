"""``lattice upload``: sends what is only in the spool to where it belongs."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lattice_addons import errors
from lattice_addons.settings import Settings

from ._output import add_json_argument, counted, print_json, size

if TYPE_CHECKING:
    import argparse

    from lattice_addons.storage import NotUp, Spool

_NEWS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--root", metavar="STORE", help="only what belongs into this store")
    where.add_argument(
        "--spool", metavar="FOLDER", help="one spool, or a folder of them (default: the setting `spool`)"
    )
    parser.add_argument("--status", action="store_true", help="send nothing, and only say what is not there")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: 0 when all is up, else that of the error that keeps it from it."""
    from lattice_addons.storage import not_up, spools, upload

    settings = Settings.from_environ()
    wanted = options.root.rstrip("/") if options.root else None
    found = spools(options.spool or settings.spool)
    chosen = [spool for spool in found if wanted in (None, spool.url)]
    if not chosen:
        known = ", ".join(spool.url for spool in found)
        message = f"there is no spool of {wanted} in {settings.spool}; there are those of: {known}"
        raise errors.NotInStoreError(message, url=str(wanted), key="")
    rows = []
    for spool in chosen:
        if options.status:
            rows.append((spool, not_up(spool)))
            continue
        ours = settings.type in ("s3", "fsspec", "remote") and _is_of(spool, settings)
        shown = _Progress(spool)
        left = upload(spool, settings.root if ours else spool.url, settings.options if ours else {}, shown)
        shown.end()
        rows.append((spool, left))
    if options.json:
        print_json(
            [{"store": spool.url, "spool": spool.home, "left": [*map(asdict, left)]} for spool, left in rows]
        )
    else:
        for spool, left in rows:
            sys.stdout.write("\n".join(_told(spool, left)) + "\n")
    return next((_status(each) for _, left in rows for each in left), 0)


def _is_of(spool: Spool, settings: Settings) -> bool:
    """Say whether a spool is that of the settings, which may have a password that it does not have."""
    from lattice_addons.storage import Spool

    return Spool.name_of(settings.root, settings.options) == os.path.basename(spool.home)


def _told(spool: Spool, left: list[NotUp]) -> list[str]:
    if not left:
        return [f"{spool.url}: all is there"]
    return [
        f"{spool.url}: {counted(each.checkpoints, 'checkpoint')} of {each.folder.removesuffix('/')} "
        f"({size(each.bytes)}) {'is' if each.checkpoints == 1 else 'are'} not there: {each.error}"
        for each in left
    ]


def _status(left: NotUp) -> int:
    kind: Any = getattr(errors, left.kind, errors.StoreError)
    return int(kind.exit_code)


class _Progress:
    """One line on a terminal, written over and over; nothing elsewhere."""

    def __init__(self, spool: Spool) -> None:
        self._url = spool.url
        self._shows = sys.stderr is not None and sys.stderr.isatty()
        self._at = 0.0

    def __call__(self, key: str, done: int, of: int) -> None:
        """Show how far it is."""
        del key
        if self._shows and time.monotonic() - self._at >= _NEWS:
            self._at = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{self._url}: {size(done)} of {size(of)}")
            sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._shows and self._at:
            sys.stderr.write("\r\x1b[K")
