"""``lattice`` alone: the jobs here, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError
from lattice_addons.settings import Settings
from lattice_addons.storage import open_store

from ._glance import RIGHT, by_state, cells
from ._output import plain, print_table
from ._status import OK

if TYPE_CHECKING:
    import argparse

    from lattice_addons.service import JobView

    Step = tuple[str, str]

_SHOWN = ("job", "state", "newest", "saved", "would lose", "size")
_BEGIN: list[Step] = [
    ("lattice demo", "see a program that is stopped twice, and ends as if nothing had happened"),
    ("lattice run -- python train.py", "run a program as a job, and start it again when it dies"),
    ("lattice doctor", "check what saving needs here"),
    ("lattice --help", "all commands"),
]


def run(options: argparse.Namespace) -> int:
    """Show it; give the exit status."""
    del options
    settings = Settings.from_environ()
    try:
        store = open_store(settings, create=False)
        views = _views(store, settings)
    except NotInStoreError:
        views = []
    if not views:
        print(f"There are no checkpoints in {settings.root} yet.\n")
        _next(_BEGIN)
        return OK
    rows = [{name: cell for name, cell in cells(view).items() if name in _SHOWN} for view in views]
    print_table(str(settings.root), rows, right=RIGHT)
    for view in views:
        if view.problem:
            print(plain(f"{view.name}: {view.problem}"))
    print()
    _next(_steps(views))
    return OK


def _views(store: object, settings: Settings) -> list[JobView]:
    from lattice_addons.service import Jobs

    return by_state(Jobs(store, settings).all())  # type: ignore[arg-type] # a Store, which only types would import


def _steps(views: list[JobView]) -> list[Step]:
    """Give what is worth doing, the most urgent first."""
    steps: list[Step] = []
    states = {view.state: view.name for view in reversed(views)}
    if "crashed" in states:
        steps.append(
            ("lattice run -- PROGRAM", f"start {states['crashed']} again: it carries on where it was")
        )
    if "lost contact" in states:
        steps.append(("lattice doctor", f"why nothing is heard of {states['lost contact']}"))
    if any(view.problem for view in views):
        steps.append(("lattice verify", "what can be read, and what cannot"))
    if "running" in states:
        steps.append(("lattice top", "watch what runs"))
    name = views[0].name
    steps += [
        (f"lattice show {name}", "what its newest checkpoint has"),
        (f"lattice log {name}", "its checkpoints; `lattice rollback` goes back to one of them"),
        ("lattice ui", "all of it in the browser"),
        ("lattice --help", "all commands"),
    ]
    return steps


def _next(steps: list[Step]) -> None:
    width = max(len(command) for command, _ in steps)
    for command, what in steps:
        print(plain(f"  {command:<{width}}  {what}"))
