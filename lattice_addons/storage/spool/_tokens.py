"""The programs of one machine hand the uploader that they share their tokens, each for its own job, by its pipe."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from lattice_addons._service_url import is_service

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Heard", "handed", "token_for"]

_SIGN, _END = b"=", b"\n"
# What a pipe takes in one piece, though several processes write to it.
_MOST = 4096


def token_for(url: str, options: Mapping[str, str]) -> str | None:
    """Give the token of this process for a store; None where it has none, or the store is no service."""
    if not is_service(url):
        return None
    from lattice_addons.storage.remote._service_opened import token_of

    token = token_of(options)
    return token if isinstance(token, str) else None


def handed(folder: str, token: str | None) -> bytes:
    """Give what is written to the pipe: this token is for the job of that folder. It is stored nowhere."""
    line = _END + _SIGN + json.dumps([folder.partition("/")[0], token]).encode() + _END
    return line if token and len(line) <= _MOST else b""


class Heard:
    """What came by the pipe: pokes, and tokens between them."""

    def __init__(self) -> None:
        self._rest = b""
        self._known: dict[str, str] = {}

    def take(self, heard: bytes) -> tuple[bytes, dict[str, str]]:
        """Give the pokes, and the jobs whose token is another one than before."""
        *whole, last = (self._rest + heard).split(_END)
        self._rest = last if last.startswith(_SIGN) else b""
        told: dict[str, str] = {}
        for each in whole:
            # What is torn, or said by another version, is nothing: to end of it would be worse.
            with suppress(ValueError, TypeError):
                if each.startswith(_SIGN):
                    job, token = json.loads(each[len(_SIGN) :])
                    told[job] = token
        new = {job: token for job, token in told.items() if self._known.get(job) != token}
        self._known |= new
        return b"".join(each for each in (*whole, last) if not each.startswith(_SIGN)), new
