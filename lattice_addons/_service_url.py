"""``lattice://host:port/…`` names a checkpoint service and what is kept there; ``lattices://`` the same by TLS."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PORT", "SCHEMES", "Address", "address", "is_service"]

PORT = 5555
SCHEMES = {"lattice": False, "lattices": True}  # each with whether it is by TLS
_HIGHEST_PORT = 65_535


class Address(NamedTuple):
    """Where a service listens, whether by TLS, and the path below it that is meant."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def place(self) -> str:
        """Give the host and the port, as they are written in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Give the URL, with its port."""
        scheme = "lattices" if self.secure else "lattice"
        return f"{scheme}://{self.place}" + (f"/{self.path}" if self.path else "")


def is_service(url: str) -> bool:
    """Say whether a URL is that of a service."""
    return url.partition("://")[0] in SCHEMES and "://" in url


def address(url: str) -> Address:
    """Take a URL apart; a ValueError says what is wrong with it, and shows no secret that may be in it.

    >>> address("lattice://checkpoints.example/team")
    Address(secure=False, host='checkpoints.example', port=5555, path='team')
    >>> address("lattices://[::1]:443").url
    'lattices://[::1]:443'
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in SCHEMES:
        raise ValueError("it must be lattice://HOST:PORT, or lattices://HOST:PORT for TLS")
    place, _, path = rest.partition("/")
    if "@" in place:
        raise ValueError(
            "a name or a token in front of the host would be shown and stored with the URL: "
            "put the token into LATTICE_CHECKPOINT_TOKEN"
        )
    host, port = _host_and_port(place)
    return Address(SCHEMES[scheme], host, port, path.strip("/"))


def _host_and_port(place: str) -> tuple[str, int]:
    if place.startswith("[") or place.count(":") > 1:
        host, closed, rest = place[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        if place[0] != "[" or not closed or (rest and colon != ":"):
            raise ValueError("an IPv6 address stands in brackets, such as lattice://[::1]:5555")
    else:
        host, colon, port = place.partition(":")
    if not host or not host.isprintable() or any(mark in host for mark in " ?#%\\"):
        raise ValueError("there is no host in it; it must be lattice://HOST:PORT")
    if not colon:
        return host, PORT
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= _HIGHEST_PORT):
        raise ValueError(f"its port must be a number from 1 to {_HIGHEST_PORT}")
    return host, int(port)
