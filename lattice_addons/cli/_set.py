"""``lattice set``: changes the config of a running program, which takes it over at its next step."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError, OverrideError

from ._output import print_json
from ._rank import add_rank_argument, line_of
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

NAME = "set"
HELP = "change the config of a running program, as of its next step()"
_LOOK_EVERY = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    add_rank_argument(parser)
    parser.add_argument("job", metavar="JOB", help="which job")
    parser.add_argument("overrides", metavar="FIELD=VALUE", nargs="+", help="such as optimizer.lr=0.05")
    parser.add_argument(
        "--wait",
        type=float,
        default=10,
        metavar="SECONDS",
        help="how long to wait for the answer (default: 10)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: that of the refusal when the program refuses."""
    from lattice_addons.hyperstate import Requests

    opened = OpenStore(options)
    line = line_of(opened, opened.job(options.job), options.rank)
    for override in options.overrides:
        if not override.partition("=")[1]:
            message = f"{override!r} is no FIELD=VALUE; give one such as optimizer.lr=0.05"
            raise OverrideError(message, override=override, path="")
    if line.store.at_home and line.lease.is_held() is False:
        message = (
            f"no process runs job {line.job!r}: start it with an override, or change its newest checkpoint with "
            f"`lattice edit {line.job}`"
        )
        raise NotInStoreError(message, url=line.store.url, key=line.job)
    requests = Requests(line.store, line.folder)
    name = requests.ask(options.overrides)
    deadline = time.monotonic() + options.wait
    answer = requests.answer_to(name)
    while answer is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
        answer = requests.answer_to(name)
    return _tell(options, answer)


def _tell(options: argparse.Namespace, answer: tuple[bool, str] | None) -> int:
    accepted, message = answer if answer is not None else (None, "")
    if options.json:
        print_json({"accepted": accepted, "message": message})
    elif accepted is None:
        sys.stdout.write("the program has not answered yet: it takes the change over at its next step()\n")
    elif accepted:
        sys.stdout.write(f"{message}\n")
    else:
        sys.stderr.write(f"lattice set: refused: {message}\n")
    return OverrideError.exit_code if accepted is False else 0
