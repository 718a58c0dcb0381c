"""``lattice edit``: opens the texts of a checkpoint in an editor, and commits what was changed as the next one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import HyperStateError, LatticeError, NotInStoreError
from lattice_addons.settings import Settings

from ._output import print_json
from ._rank import add_rank_argument, checkpoint_of, job_and_number, line_of
from ._status import NO
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Checkpoint, Line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    add_rank_argument(parser)
    parser.add_argument(
        "what", metavar="JOB[@N]", help="which job, and which checkpoint (default: the newest); or a FOLDER"
    )
    parser.add_argument(
        "--view",
        metavar="FOLDER",
        help="only write the checkpoint there: texts, and blobs with their digests",
    )
    parser.add_argument(
        "--commit", action="store_true", help="commit a FOLDER that --view wrote, as it is now"
    )
    parser.add_argument(
        "--format", default="yaml", choices=("yaml", "ron", "json"), help="of the texts (default: yaml)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    if options.commit:
        return _commit(options)
    opened = OpenStore(options)
    line, checkpoint = _meant(opened, options.rank, *job_and_number(options.what, opened.jobs()))
    if options.view is None:
        return _edit(options, line, checkpoint)
    from lattice_addons.hyperstate import write_folder

    write_folder(line, checkpoint, options.view, options.format)
    told = f"checkpoint {checkpoint.number} of job {line.job!r} is in {options.view}; to commit it when it is edited: "
    if options.json:
        print_json({"job": line.job, "checkpoint": checkpoint.number, "folder": options.view})
    else:
        sys.stdout.write(f"{told}lattice edit --commit {shlex.quote(options.view)}\n")
    return 0


def _meant(opened: OpenStore, rank: int, job: str, number: int | None) -> tuple[Line, Checkpoint]:
    """Give the line, and the checkpoint of a HyperState."""
    line = line_of(opened, opened.job(job), rank)
    checkpoint = checkpoint_of(line, number)
    if not {"config", "state"} <= set(checkpoint.slots):
        there = ", ".join(checkpoint.slots) or "none"
        message = (
            f"checkpoint {checkpoint.number} of job {line.job!r} is no HyperState's: it has no slots `config` and "
            f"`state`, but {there}; `lattice show` shows it"
        )
        raise HyperStateError(message)
    return line, checkpoint


def _edit(options: argparse.Namespace, line: Line, checkpoint: Checkpoint) -> int:
    from lattice_addons.hyperstate import text_paths, write_texts

    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    folder = tempfile.mkdtemp(prefix=f"lattice-{line.job}-")
    try:
        write_texts(line, checkpoint, folder, options.format)
        paths = text_paths(folder)
        try:
            status = subprocess.run([*editor, *paths.values()], check=False).returncode  # noqa: S603 - the user's own
        except OSError as error:
            message = f"the editor {editor[0]!r} cannot be started ({error}); set EDITOR"
            raise HyperStateError(message) from error
        if status:
            told = f"{editor[0]} ended with status {status}; nothing was committed; the texts are kept in {folder}"
            sys.stderr.write(f"lattice edit: {told}\n")
            return NO
        _take(options, line, checkpoint, paths, {})
    except LatticeError as error:
        # An hour's edits must not be lost for one typing error.
        raise _kept(error, folder) from error
    for path in (*paths.values(), folder):
        (os.rmdir if os.path.isdir(path) else os.remove)(path)
    return 0


def _kept(error: LatticeError, folder: str) -> LatticeError:
    error.args = (f"{error}\nthe edited texts are kept in {folder}", *error.args[1:])
    return error


def _commit(options: argparse.Namespace) -> int:
    from lattice_addons.hyperstate import read_folder

    found = read_folder(options.what, Settings.from_environ().trust)
    job, number, store = (found.origin.get(key) for key in ("job", "checkpoint", "store"))
    if not isinstance(job, str) or not isinstance(number, int):
        message = f"{options.what} does not say which checkpoint it is of: its checkpoint.json is gone"
        raise NotInStoreError(message, url=options.what, key="checkpoint.json")
    if options.root is None and isinstance(store, str) and os.path.isdir(store):
        options.root = store
    opened = OpenStore(options)
    if options.root is None and store not in (None, opened.store.url):
        # Of the same name and number, there may be another checkpoint.
        message = f"{options.what} is of a checkpoint in {store}, not in {opened.store.url}: give its store by --root"
        raise NotInStoreError(message, url=opened.store.url, key=job)
    line, checkpoint = _meant(opened, int(found.origin.get("rank") or 0), job, number)
    _take(options, line, checkpoint, found.paths, {name: found.blobs[name] for name in found.replaced})
    return 0


def _take(
    options: argparse.Namespace,
    line: Line,
    checkpoint: Checkpoint,
    paths: dict[str, str],
    blobs: dict[str, Any],
) -> None:
    """Commit what was changed, and tell it."""
    from lattice_addons.hyperstate import commit_edit, compare_edit, read_text

    edit = compare_edit(line, checkpoint, {name: read_text(path).data for name, path in paths.items()})
    told = edit.told() + [f"blob {name}: replaced" for name in blobs]
    made = commit_edit(line, checkpoint, edit, blobs) if told else None
    if options.json:
        print_json({"job": line.job, "checkpoint": made.number if made else None, "changes": told})
    elif made is None:
        sys.stdout.write("nothing was changed, and nothing committed\n")
    else:
        lines = "".join(f"  {each}\n" for each in told)
        sys.stdout.write(f"{lines}committed as checkpoint {made.number} of job {line.job!r}\n")
