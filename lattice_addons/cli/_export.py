"""``lattice export``: writes one checkpoint as one file, for a colleague or a bug report."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons._system import O_CLOEXEC, sync_folder
from lattice_addons.checkpoint import exported
from lattice_addons.errors import DamagedError, StoreError
from lattice_addons.storage import ulid

from ._output import print_json, size
from ._rank import add_rank_argument, checkpoint_of, job_and_number, line_of
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from lattice_addons.checkpoint import Checkpoint, Line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument(
        "job", metavar="JOB[@N]", help="which job, and which of its checkpoints (default: the newest)"
    )
    parser.add_argument("file", metavar="FILE", help="the file to write: a tar, by custom named .tar")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    add_rank_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    job, number = job_and_number(options.job, opened.jobs())
    line = line_of(opened, opened.job(job), options.rank)
    checkpoint, written = _export(line, number, options.file, force=options.force)
    if options.json:
        print_json(
            {
                "job": job,
                "rank": line.rank,
                "number": checkpoint.number,
                "file": options.file,
                "bytes": written,
            }
        )
    else:
        sys.stdout.write(
            f"wrote checkpoint {checkpoint.number} of job {job!r} to {options.file} ({size(written)})\n"
        )
    return 0


def _export(line: Line, number: int | None, path: str, *, force: bool) -> tuple[Checkpoint, int]:
    while True:
        checkpoint = checkpoint_of(line, number)
        try:
            with _new_file(path, force=force) as write:
                return checkpoint, sum(map(write, exported(line, checkpoint)))
        except DamagedError:
            # The newest one that there was may be gone, because the program that writes them went on meanwhile.
            if number is not None or checkpoint.number in line.numbers():
                raise


@contextmanager
def _new_file(path: str, *, force: bool) -> Iterator[Callable[[bytes | memoryview], int]]:
    """Write a file that is there, whole and durable, when the block ends well, and not there when it does not."""
    folder, name = os.path.split(path)
    # A name of its own, beside the file: so that it can take the file's name in one step.
    temporary = os.path.join(folder, f".{name[:100]}.{ulid()}.tmp")
    if not force and os.path.lexists(path):
        raise _there(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            yield partial(_write, descriptor)
            os.fsync(descriptor)
        finally:
            # Before it gets its name: Windows renames no file that is open.
            os.close(descriptor)
        _name(temporary, path, force=force)
    except StoreError:
        raise
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def _write(descriptor: int, data: bytes | memoryview) -> int:
    """Write all of these bytes; a single call may stop short."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(data)


def _name(temporary: str, path: str, *, force: bool) -> None:
    """Give the file its name, durably."""
    if force:
        os.replace(temporary, path)
    else:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise _there(path) from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            # A file system without links; a file that comes between these two steps is replaced.
            if os.path.lexists(path):
                raise _there(path) from None
            os.rename(temporary, path)
    sync_folder(os.path.dirname(path) or ".")


def _there(path: str) -> StoreError:
    message = f"{path} is there already: name another file, or say --force to replace it"
    return StoreError(message, url=path, errno=errno.EEXIST)


def _unwritable(path: str, error: OSError) -> StoreError:
    message = f"cannot write {path}: {error.strerror}; it is not there, or as it was"
    return StoreError(message, url=path, errno=error.errno)
