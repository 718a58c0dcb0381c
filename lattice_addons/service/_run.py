"""A service runs until it is told to end; then it answers what it was asked, and ends."""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from lattice_addons._host import raise_descriptors
from lattice_addons.errors import SettingsError
from lattice_addons.service.access import Unasked

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from starlette.applications import Starlette

__all__ = ["serve"]

_BACKLOG = 2048
_UNASKED = 75.0  # seconds after which a connection is closed on which half a request came
_LOOK = 20  # ticks of uvicorn, of 0.1 s each, between two looks at such connections
_KEEP_ALIVE = 60  # seconds that a connection without requests stays: programs save again and again


def serve(  # noqa: PLR0913 - where, by what certificate, how long
    app: Starlette,
    *,
    host: str,
    port: int,
    certfile: str | None = None,
    keyfile: str | None = None,
    drain: float = 30.0,
    behind: str = "",
    command: str = "serve",
    begun: Callable[[str], object] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then refuse new connections, and answer what was asked for ``drain`` seconds.

    ``behind`` is the address of a proxy that is believed to say who asks (``X-Forwarded-For``); nobody is without it.
    ``begun`` is called with the address when it can be asked there.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    _check_proxy(behind)
    raise_descriptors()  # each request that stores something takes three
    listener = _listen(host, port)
    config = _config(app, certfile, keyfile, drain, behind)
    scheme = "https" if certfile else "http"
    name = f"[{host}]" if ":" in host else host
    place = f"{scheme}://{name}:{listener.getsockname()[1]}"
    words = f"lattice {command}: {place} serves {app.state.store.url}"
    _Server(config, app, words, partial(begun, place) if begun is not None else None).run(sockets=[listener])


def _config(
    app: Starlette, certfile: str | None, keyfile: str | None, drain: float, behind: str
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
        # Not httptools, where it is installed: that takes headers of any length.
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="on",
        proxy_headers=bool(behind),
        forwarded_allow_ips=behind,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(int(drain), 1),
        backlog=_BACKLOG,
    )


class _Server(uvicorn.Server):
    """uvicorn's server, which says where it is, and ends well when it is told to."""

    def __init__(
        self, config: uvicorn.Config, app: Starlette, words: str, begun: Callable[[], object] | None = None
    ) -> None:
        super().__init__(config)
        self._app, self._words, self._begun = app, words, begun
        self._unasked = Unasked(_UNASKED)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets=sockets)
        with suppress(OSError):  # nobody need read it
            sys.stdout.write(self._words + "\n")
            sys.stdout.flush()
        if self._begun is not None:
            self._begun()

    async def on_tick(self, counter: int) -> bool:
        """Look at connections that ask nothing."""
        if counter % _LOOK == 0:
            self._unasked.close(self.server_state.connections)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams of events, and wait for what else was asked."""
        self._app.state.metrics.stop()
        await super().shutdown(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take SIGTERM for the wish to end, and for no fault: the exit status is 0."""
        del sig, frame
        self.force_exit, self.should_exit = self.should_exit, True


def _listen(host: str, port: int) -> socket.socket:
    """Open the socket; what is wrong with the address is said before anything else is done."""
    try:
        kind, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=kind, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        message = f"cannot listen at {host}, port {port} ({error}): see what else listens there, or take another --port"
        raise SettingsError(message, variable="--port", part=str(port)) from error
    # What it accepts inherits it. asyncio leaves it out here, and each answer would wait 40 ms for its body.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _check_proxy(behind: str) -> None:
    """Refuse what is no address: whoever is believed can say to be anybody."""
    for address in behind.split(",") if behind else ():
        try:
            ipaddress.ip_address(address.strip())
        except ValueError:
            message = f"{address!r} is no address of a proxy: give it as 10.0.0.7, several with commas"
            raise SettingsError(message, variable="--behind-proxy", part=address) from None
