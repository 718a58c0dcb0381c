"""``lattice top``: the jobs of a store, watched: what runs, what would be lost now, how much is saved."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from lattice_addons.errors import LatticeError

from ._glance import COLORS, RIGHT, by_state, cells, fields
from ._output import counted, plain, size
from ._places import NOTHING_SENT, all_kept_here
from ._status import OK
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType

    from lattice_addons.service import JobView
    from lattice_addons.storage import Store

    Look = Callable[[], list[JobView]]

_EVERY = 2.0
# Of the terminal's lines, those that are no jobs.
_AROUND = 8
# What is left out where there is no room for it, and from how many columns on there is.
_LESSER, _WIDE = ("size", "saves/min"), 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="only this job")
    parser.add_argument(
        "--every",
        type=_seconds,
        default=_EVERY,
        metavar="SECONDS",
        help=f"how often to look (default: {_EVERY:g})",
    )
    parser.add_argument("--count", type=int, metavar="N", help="look N times (default: until q or Ctrl-C)")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    from lattice_addons.service import Jobs

    opened = OpenStore(options)
    known = Jobs(opened.store, opened.settings)
    name = opened.job(options.job) if options.job is not None else None

    def look() -> list[JobView]:
        return by_state(view for view in known.all() if name in (None, view.name))

    watches = not options.json and sys.stdout.isatty()
    with suppress(KeyboardInterrupt):  # the way to end it
        (_watch if watches else _tell)(options, opened.store, look)
    return OK


def _tell(options: argparse.Namespace, store: Store, look: Look) -> None:
    """Write a line a job and look, where no terminal shows it."""
    for number in _turns(options):
        if number:
            time.sleep(options.every)
        views = look()
        now = time.strftime("%Y-%m-%dT%H:%M:%S")
        for view in views:
            kept = all_kept_here(store, view.name)
            if options.json:
                line = json.dumps({"at": now, **fields(view), "kept_here": kept}, ensure_ascii=False)
            else:
                told = [
                    f"{name} {cell}"
                    for name, cell in cells(view).items()
                    if cell is not None and name != "job"
                ]
                told += [f"{NOTHING_SENT}{why}" for why in kept]
                line = plain(f"{now} {view.name}: " + ", ".join(told))
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _watch(options: argparse.Namespace, store: Store, look: Look) -> None:
    """Show it on the terminal, over and over, until somebody has seen enough."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    views, problem = look(), ""
    with ExitStack() as stack:
        ended = stack.enter_context(_keys())
        live = stack.enter_context(Live(console=console, screen=True, auto_refresh=False))
        for number in _turns(options):
            if number:
                try:
                    views, problem = look(), ""
                except LatticeError as error:
                    # A store that does not answer for a while is what one wants to see here.
                    problem = str(error)
            live.update(_page(console, store, views, problem), refresh=True)
            if (options.count is None or number + 1 < options.count) and ended(options.every):
                return


def _turns(options: argparse.Namespace) -> Iterator[int]:
    number = 0
    while options.count is None or number < options.count:
        yield number
        number += 1


def _page(console: Console, store: Store, views: list[JobView], problem: str) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    room = max(console.height - _AROUND, 1)
    hidden = _LESSER if console.width < _WIDE else ()
    rows = [
        (view, {name: cell for name, cell in cells(view).items() if name not in hidden})
        for view in views[:room]
    ]
    for column in rows[0][1] if rows else ():
        right = column in RIGHT
        # Names may be cut off where there is no room, and figures may not.
        least = None if column == "job" else max(len(row[column] or "–") for _, row in rows)
        table.add_column(column, justify="right" if right else "left", no_wrap=True, min_width=least)
    for view, row in rows:
        # As text: a job named "[red]" is no markup.
        told = [Text("–" if cell is None else plain(cell), overflow="ellipsis") for cell in row.values()]
        told[1].stylize(COLORS[view.state])
        table.add_row(*told)
    runs = [view for view in views if view.alive]
    written = size(int(sum(view.bytes_per_second for view in runs)))
    lost = size(sum(view.lost_bytes or 0 for view in runs))
    head = f"{store.url}  {time.strftime('%H:%M:%S')}\n"
    running = f"{counted(len(views), 'job')}, {len(runs)} running"
    head += f"{running}: about {lost} would be lost now; {written}/s are written"
    rest = f"and {len(views) - room} more" if len(views) > room else ""
    kept = [
        f"{view.name}: {NOTHING_SENT}{why}" for view, _ in rows for why in all_kept_here(store, view.name)
    ]
    wrong = plain("\n".join([*kept, *filter(None, [problem])]))
    return Group(Text(head), table, Text(wrong, style="red"), Text(f"{rest}\nq ends it".strip(), style="dim"))


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Let single keys be read; give what waits for so long, and says whether q was pressed."""
    if sys.platform == "win32" or sys.stdin is None or not sys.stdin.isatty():

        def slept(seconds: float) -> bool:
            time.sleep(seconds)
            return False

        yield slept
        return
    import select
    import termios
    import tty

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)

    def ended(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([stdin], [], [], left)[0]:
                key = os.read(stdin, 1)
                if key in (b"q", b"Q", b"", b"\x04"):
                    return True
        return False

    try:
        tty.setcbreak(stdin)
        yield ended
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, such as 0.5")
    return number
