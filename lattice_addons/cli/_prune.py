"""``lattice prune``: removes what need not stay, or says what that is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import prunable, prune

from ._output import counted, plain, print_json, size
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Line, Prune


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="which job (default: the only one)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go, and how many bytes")
    for name, what in (("keep", "newest checkpoints"), ("keep-hourly", "hours"), ("keep-daily", "days")):
        parser.add_argument(
            f"--{name}", type=int, metavar="N", help=f"how many {what} to keep, as the setting"
        )


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    given = {name: getattr(options, name) for name in ("keep", "keep_hourly", "keep_daily")}
    given = {name: value for name, value in given.items() if value is not None}
    opened.settings = dataclasses.replace(opened.settings, **given)
    job = opened.job(options.job)
    if options.dry_run:
        done = [(line, prunable(line)) for line in opened.lines(job)]
    else:
        with opened.writing(job) as lines:
            done = [(line, prune(line)) for line in lines]
    if options.json:
        print_json([_row(line, pruned) for line, pruned in done])
        return 0
    for line, pruned in done:
        print(plain(_told(line, pruned, dry_run=options.dry_run)))
    return 0


def _row(line: Line, pruned: Prune) -> dict[str, object]:
    return {"job": line.job, "rank": line.rank} | dataclasses.asdict(pruned)


def _told(line: Line, pruned: Prune, *, dry_run: bool) -> str:
    what = ", ".join(map(str, pruned.goes)) or "none"
    verb = "would go" if dry_run else "gone"
    stay = f"{len(pruned.stays)} stay{'s' * (len(pruned.stays) == 1)}"
    packs = f"{counted(pruned.packs, 'pack')}, {size(pruned.bytes)} in all"
    return f"{line.job}, rank {line.rank}: checkpoints {verb}: {what}; {stay}; {packs}"
