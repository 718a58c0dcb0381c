"""A store for many programs on many machines, until the command is ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lattice_addons import service
from lattice_addons.settings import Settings

from ._audit import audit_of
from ._store import add_root_argument

if TYPE_CHECKING:
    import argparse


_HERE = "127.0.0.1"
_IN_THE_CLEAR = (
    "lattice serve: without --certfile, who can listen to the network can read what is sent, tokens included; "
    "leave it out only where something in front of the service does TLS"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_root_argument(parser)
    parser.add_argument(
        "--host", default=_HERE, help="the address to listen at (default: %(default)s, this machine only)"
    )
    parser.add_argument(
        "--port", type=int, default=5555, help="the port; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--certfile", metavar="FILE", help="serve https, with this certificate")
    parser.add_argument(
        "--keyfile", metavar="FILE", help="the certificate's key, where it is not in the same file"
    )
    parser.add_argument(
        "--require-tokens",
        action="store_true",
        help="ask for a token on this machine too (elsewhere it always is)",
    )
    parser.add_argument(
        "--behind-proxy",
        default="",
        metavar="ADDRESS",
        help="believe the proxy there when it says who asks (X-Forwarded-For)",
    )
    parser.add_argument(
        "--drain",
        type=float,
        default=30,
        metavar="SECONDS",
        help="how long an end waits for requests (default: 30)",
    )
    _add_limits(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--audit",
        metavar="FILE",
        help="where to write who did what, or 'none' (default: in the store's folder)",
    )
    parser.add_argument(
        "--rate", type=float, default=0, metavar="N", help="requests a second of one caller (0: any)"
    )
    parser.add_argument(
        "--max-request", type=int, metavar="BYTES", help="the longest request that is no object"
    )
    parser.add_argument(
        "--max-object", type=int, default=0, metavar="BYTES", help="the largest object (0: any)"
    )
    parser.add_argument("--quota", type=int, default=0, metavar="BYTES", help="the room of each job (0: any)")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    service.need_service_extra()
    service.check_certificate(options.certfile, options.keyfile)
    settings = Settings.from_environ()
    store = service.open_root(options.root or settings.root, settings.options)
    tokens = service.Tokens(store)
    service.check_listening(options.host, tokens)
    limits = service.Limits(
        rate=options.rate,
        largest=options.max_object,
        quota=options.quota,
        **({} if options.max_request is None else {"text": options.max_request}),
    )
    elsewhere = not service.is_loopback(options.host)
    if elsewhere and options.certfile is None and not options.behind_proxy:
        print(_IN_THE_CLEAR, file=sys.stderr)
    app = service.make_app(
        store,
        tokens=tokens,
        limits=limits,
        audit=audit_of(options.audit, store, settings),
        required=options.require_tokens or elsewhere,
    )
    service.serve(
        app,
        host=options.host,
        port=options.port,
        certfile=options.certfile,
        keyfile=options.keyfile,
        drain=options.drain,
        behind=options.behind_proxy,
    )
    return 0
