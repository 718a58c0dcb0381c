"""The dashboard of a store, in a browser of this machine, until the command is ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._store import OpenStore, add_root_argument

if TYPE_CHECKING:
    import argparse

_HERE = "127.0.0.1"
_DRAIN = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_root_argument(parser)
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help="the port to listen at, on this machine only (default: a free one)",
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from lattice_addons import service

    service.need_service_extra()
    opened = OpenStore(options)
    app = service.dashboard_app(opened.store, opened.settings)
    service.serve(
        app, host=_HERE, port=options.port, drain=_DRAIN, command="ui", begun=_open if options.open else None
    )
    return 0


def _open(place: str) -> None:
    """Ask the system for a browser; without one the address is on the screen."""
    import webbrowser

    webbrowser.open(place)
