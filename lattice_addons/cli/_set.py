"""``lattice set``: changes the config of a running program, which takes it over at its next step."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError, OverrideError

from ._output import print_json
from ._rank import line_of
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.hyperstate import Requests

    Answer = tuple[bool, str] | None

_LOOK_EVERY = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("--rank", type=int, metavar="R", help="only rank R (default: all that run)")
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
    """Run the command; give its exit status: that of the refusal when the program, or one of its ranks, refuses."""
    from lattice_addons.hyperstate import Requests, check_overrides

    opened = OpenStore(options)
    job = opened.job(options.job)
    check_overrides(options.overrides)
    lines = list(opened.lines(job)) if options.rank is None else [line_of(opened, job, options.rank)]
    # Where it cannot be told from here whether one runs, it is asked.
    running = [line for line in lines if not line.store.at_home or line.lease.is_held() is not False]
    if not running:
        message = (
            f"no process runs job {job!r}: start it with an override, or change its newest checkpoint with "
            f"`lattice edit {job}`"
        )
        raise NotInStoreError(message, url=opened.store.url, key=job)
    asked = {line.rank: Requests(line.store, line.folder) for line in running}
    names = {rank: requests.ask(options.overrides) for rank, requests in asked.items()}
    return _tell(options, _answers(asked, names, options.wait), several=len(lines) > 1)


def _answers(asked: dict[int, Requests], names: dict[int, str], seconds: float) -> dict[int, Answer]:
    """Wait for the answer of each rank; None where it has not come in this time."""
    deadline = time.monotonic() + seconds
    answers: dict[int, Answer] = {rank: requests.answer_to(names[rank]) for rank, requests in asked.items()}
    while None in answers.values() and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
        for rank, answer in answers.items():
            answers[rank] = answer or asked[rank].answer_to(names[rank])
    return answers


def _tell(options: argparse.Namespace, answers: dict[int, Answer], *, several: bool) -> int:
    told = [
        {"rank": rank, "accepted": answer[0] if answer else None, "message": answer[1] if answer else ""}
        for rank, answer in answers.items()
    ]
    if options.json:
        print_json(told if several and options.rank is None else told[0])
    for each in () if options.json else told:
        who = f"rank {each['rank']}: " if several else ""
        if each["accepted"] is None:
            sys.stdout.write(
                f"{who}the program has not answered yet: it takes the change over at its next step()\n"
            )
        elif each["accepted"]:
            sys.stdout.write(f"{who}{each['message']}\n")
        else:
            sys.stderr.write(f"lattice set: {who}refused: {each['message']}\n")
    return OverrideError.exit_code if any(each["accepted"] is False for each in told) else 0
