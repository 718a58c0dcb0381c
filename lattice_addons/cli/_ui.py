"""The dashboard of a store, in a browser of this machine, until the command is ended."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lattice_addons import service
from lattice_addons.errors import NotInStoreError

from ._store import OpenStore, add_root_argument

if TYPE_CHECKING:
    import argparse

    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

_HERE = "127.0.0.1"
_DRAIN = 3.0
_PROGRESS = os.path.join("experiments", "progress")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_root_argument(parser)
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help="the port to listen at, on this machine only (default: a free one)",
    )
    parser.add_argument(
        "--experiments",
        metavar="ROOT",
        help="a folder or URL of experiments that is shown too (default: experiments/progress, where that is here)",
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    service.need_service_extra()
    opened = OpenStore(options)
    app = service.dashboard_app(opened.store, opened.settings, _beside(options.experiments, opened.settings))
    service.serve(
        app, host=_HERE, port=options.port, drain=_DRAIN, command="ui", begun=_open if options.open else None
    )
    return 0


def _beside(root: str | None, settings: Settings) -> Store | None:
    """Open the place of experiments; without one that is named, the one of this folder's project, if it has any."""
    if root is None:
        here = os.path.join(os.getcwd(), _PROGRESS)
        return service.open_root(here) if os.path.isdir(here) else None
    if "://" not in root and not os.path.isdir(root):
        message = f"there is no folder {root}: --experiments names the root of experiments that were run"
        raise NotInStoreError(message, url=root, key="")
    return service.open_root(os.path.abspath(root) if "://" not in root else root, settings.options)


def _open(place: str) -> None:
    """Ask the system for a browser; without one the address is on the screen."""
    import webbrowser

    webbrowser.open(place)
