"""Who may do what in the service, how much of it, and what is written down about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

if TYPE_CHECKING:
    from ._access import Access, check_listening
    from ._audit import Audit
    from ._certificate import check_certificate
    from ._gate import Gate
    from ._limits import Limits
    from ._login import login_routes
    from ._names import check_folder, check_job, check_key, check_store_key
    from ._origin import is_loopback
    from ._sessions import COOKIE
    from ._tokens import Token, Tokens
    from ._unasked import Unasked
    from ._watching import Watching

__all__ = [
    "COOKIE",
    "Access",
    "Audit",
    "Gate",
    "Limits",
    "Token",
    "Tokens",
    "Unasked",
    "Watching",
    "check_certificate",
    "check_folder",
    "check_job",
    "check_key",
    "check_listening",
    "check_store_key",
    "is_loopback",
    "login_routes",
]

_LATER = {
    "COOKIE": "_sessions",
    "Access": "_access",
    "Audit": "_audit",
    "Gate": "_gate",
    "Limits": "_limits",
    "Token": "_tokens",
    "Tokens": "_tokens",
    "Unasked": "_unasked",
    "Watching": "_watching",
    "check_certificate": "_certificate",
    "check_folder": "_names",
    "check_job": "_names",
    "check_key": "_names",
    "check_listening": "_access",
    "check_store_key": "_names",
    "is_loopback": "_origin",
    "login_routes": "_login",
}

later(globals(), _LATER)
