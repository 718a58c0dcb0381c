"""What a running program's config is changed by: requests beside its checkpoints, and an edit of its file."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.errors import HyperStateError, LatticeError, StoreError

from ._differences import MISSING, Difference, differences
from ._edited import open_dicts
from ._path import dotted
from ._read import read_text
from ._requests import now
from ._ron_data import Tagged
from ._shape import put
from ._sound import CONFIG
from ._write import key_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from ._held import HeldConfig
    from ._requests import Request, Requests

__all__ = ["LiveFile", "Taken", "answer", "serve"]

log = logging.getLogger("lattice_addons.hyperstate")


class Taken(NamedTuple):
    """A change that was taken over: what the checkpoint says of it, and who is to be told."""

    notes: list[str]
    request: Request | None = None


def serve(requests: Requests, config: HeldConfig[Any], known: Collection[Request | None] = ()) -> list[Taken]:
    """Take over what was asked for and is not ``known``; what does not fit is refused, with an answer that says why."""
    try:
        waiting = requests.waiting()
    except StoreError as error:
        # A store that cannot be asked now must not stop the program.
        log.warning("the requests to change the config could not be read: %s", error)
        return []
    taken = []
    for request in waiting:
        if request in known:
            continue
        asked = " ".join(request.overrides) or "nothing"
        try:
            if not request.overrides:
                message = "it says nothing"
                raise HyperStateError(message)
            changes = config.change(config.plain(), request.overrides)
        except LatticeError as error:
            log.warning("refused to set %s, asked for by %s: %s", asked, request.by, error)
            answer(requests, request, str(error), accepted=False)
            continue
        taken.append(Taken(_notes("set", changes, f"{request.at} by {request.by}"), request))
    return taken


def answer(requests: Requests, request: Request, message: str, *, accepted: bool) -> None:
    """Answer a request; where that cannot be done now, it stays and is answered again, and the program goes on."""
    try:
        requests.answer(request, message, accepted=accepted)
    except StoreError as error:
        log.warning("the request of %s could not be answered: %s", request.by, error)


class LiveFile:
    """The file a config was read from: what is changed in it while the program runs counts."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp = _stamp(path)
        try:
            self._data = _said(path)
        except LatticeError as error:
            # The run carries on from a checkpoint, and needs no file.
            log.warning("%s cannot be read, and is not watched for edits: %s", path, error)
            self._stamp = None

    def serve(self, config: HeldConfig[Any]) -> list[Taken]:
        """Take over what was changed in the file since it was read last; what does not fit is logged."""
        stamp = _stamp(self._path)
        if stamp in (self._stamp, None) or self._stamp is None:
            return []
        self._stamp = stamp
        try:
            data = _said(self._path)
            if not data:
                return []  # many editors empty a file before they write it: nobody wants each default now
            before, after = (_with_text_keys(config.current(each)) for each in (self._data, data))
            edits = list(differences(before, after))
            whole, dicts = config.plain(), open_dicts(config.value, None)
            for each in edits:
                whole = _edited(whole, each, dicts)
            changes = config.change(whole)
        except LatticeError as error:
            log.warning("the edit of %s is refused, and the run goes on: %s", self._path, error)
            return []
        self._data = data
        return [Taken(_notes("edited", changes, now()))] if changes else []


def _said(path: str) -> Any:
    """Give what the file says; one with comments only says as much as a mapping without fields."""
    data = read_text(path).data
    return {} if data is None else data


def _with_text_keys(data: Any) -> Any:
    """Give data with every key a text, as the config has it that it is put into."""
    if isinstance(data, dict):
        return {key_text(key): _with_text_keys(each) for key, each in data.items()}
    if isinstance(data, Tagged):
        return Tagged(data.name, _with_text_keys(data.fields))
    return [*map(_with_text_keys, data)] if isinstance(data, list) else data


def _edited(data: Any, edit: Difference, dicts: Collection[str]) -> Any:
    if edit.new is not MISSING:
        return put(data, edit.place, edit.new)
    *above, key = edit.place
    if dotted((CONFIG, *above)) not in dicts:
        # A field of a class has some value; whether that of now or the default is meant, nobody can say.
        message = f"{dotted(edit.place)} was taken out of the file; give it the value that it is to have"
        raise HyperStateError(message)
    mapping = data
    for part in above:
        mapping = mapping[part]
    mapping.pop(key, None)
    return data


def _notes(what: str, changes: list[Difference], when: str) -> list[str]:
    return [f"{what} {change} ({when})" for change in changes]


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None  # between an editor's removing the old file and putting the new one there
    return found.st_mtime_ns, found.st_size, found.st_ino
