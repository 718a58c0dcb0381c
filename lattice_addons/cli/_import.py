"""``lattice import``: takes a checkpoint out of a file that ``lattice export`` has written."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Line, Portable, cipher_of, imported
from lattice_addons.storage import open_store, split_key

from ._output import print_json
from ._store import add_store_arguments, settings_of

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("file", metavar="FILE", help="a file that `lattice export` has written")
    parser.add_argument(
        "--encryption-key-file",
        metavar="KEYFILE",
        help="has the key that FILE is encrypted with (default: that of the store)",
    )
    parser.add_argument("--job", metavar="NAME", help="the job that it goes to (default: the one it is of)")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    settings = settings_of(options.root or None)
    told_by = settings
    if options.encryption_key_file is not None:
        told_by = dataclasses.replace(
            settings, encryption_key=None, encryption_key_file=options.encryption_key_file
        )
    with Portable(options.file, settings.key, cipher_of(told_by)) as portable:
        told = portable.checkpoint
        job = told.job if options.job is None else options.job
        # Before a store is made, which is made only now, when all of the file is verified.
        split_key(job)
        line = Line(open_store(settings), job, told.rank, settings=settings)
        try:
            checkpoint = imported(line, portable)
        finally:
            line.release()
    if options.json:
        print_json({"job": line.job, "rank": line.rank, "number": checkpoint.number, "file": options.file})
    else:
        sys.stdout.write(f"took {options.file} in as checkpoint {checkpoint.number} of job {line.job!r}\n")
    return 0
