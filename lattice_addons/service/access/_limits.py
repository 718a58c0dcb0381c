"""How much the service takes: from one caller in a second, in one request, and for one job in all."""

from __future__ import annotations

import errno
import ipaddress
import threading
import time
from collections import OrderedDict
from contextlib import suppress

from lattice_addons.errors import TooLargeError, TooManyRequestsError
from lattice_addons.service.access._quotas import Quotas

__all__ = ["Limits"]

_BURST = 5  # seconds' worth of requests that a stranger may make at once
_CALLERS = 20_000  # those who asked longest ago are forgotten; they begin anew


class Limits:
    """Limits of a service; 0 stands for none.

    ``rate`` requests a second are taken of each token (of each address, where there is none), ``burst`` at once, and
    ``strangers`` a second of an address that was refused; a request's text is at most ``text`` bytes long, an object
    ``largest``; a job has a ``quota`` of bytes; who is silent for ``patience`` seconds in the middle is cut off.
    """

    def __init__(  # noqa: PLR0913 - each is a limit
        self,
        *,
        rate: float = 0.0,
        burst: float = 0.0,
        strangers: float = 10.0,
        text: int = 8 << 20,
        largest: int = 0,
        quota: int = 0,
        patience: float = 60.0,
    ) -> None:
        self.rate: float = rate
        self.burst: float = max(burst, rate, 1.0)
        self.strangers: float = strangers
        self._strangers_burst = max(_BURST * strangers, 1.0)
        self.text: int = text
        self.largest: int = largest
        self.patience: float = patience
        self.quotas: Quotas = Quotas(quota)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._counting = threading.Lock()

    def admit(self, who: str) -> None:
        """Take one more request of a caller; `TooManyRequestsError` when that is one too many now."""
        if self.rate:
            self._spend(who, self.rate, self.burst)

    def admit_stranger(self, address: str) -> None:
        """Let an address ask that shows no token in force; `TooManyRequestsError` when it was refused too often."""
        if self.strangers:
            self._spend(f"stranger {_network(address)}", self.strangers, self._strangers_burst, cost=0)

    def count_stranger(self, address: str) -> None:
        """Count that an address was refused, or tried to log in."""
        if self.strangers:
            with suppress(TooManyRequestsError):
                self._spend(f"stranger {_network(address)}", self.strangers, self._strangers_burst)

    def _spend(self, who: str, rate: float, burst: float, cost: int = 1) -> None:
        now = time.monotonic()
        with self._counting:
            left, then = self._left.pop(who, (burst, now))
            left = min(left + (now - then) * rate, burst)
            self._left[who] = (left - cost if left >= 1 else left), now
            while len(self._left) > _CALLERS:
                self._left.popitem(last=False)
        if left < 1:
            seconds = (1 - left) / rate
            message = (
                f"{who} asks more often than the {rate:g} times a second that the service takes: ask again in "
                f"{seconds:.1f} s, or have its --rate raised"
            )
            raise TooManyRequestsError(message, url="", seconds=seconds)

    def check_length(self, length: int, *, text: bool) -> None:
        """Refuse a request of so many bytes, or one that has become so long; ``text`` is not an object's bytes."""
        limit = self.text if text else self.largest
        if limit and length > limit:
            what, flag = ("request", "--max-request") if text else ("object", "--max-object")
            message = (
                f"the {what} has {length} bytes, and the service takes {limit} at most: send less at once, or have its "
                f"{flag} raised"
            )
            error = TooLargeError(message, url="", limit=limit)
            error.errno = errno.EFBIG
            raise error


def _network(address: str) -> str:
    """Give what an address is counted as: who has one of IPv6 has billions, of one network."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((known, 64), strict=False)) if ":" in address else address
