"""What of a config an override can set, each value as the text that an override has for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.errors import OverrideError

from ._overrides import sign_of
from ._path import dotted, parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Settable", "check_overrides", "settable"]

_SCALARS = (str, int, float, bool, type(None))
_TRUTHS = ("true", "false")


class Settable(NamedTuple):
    """One value of a config: its path, and its text."""

    path: str
    text: str
    value: Any


def settable(config: Any, place: tuple[Any, ...] = ()) -> Iterator[Settable]:
    """Give the values of a config that stands as plain data, as in a checkpoint; lists of scalars are one value."""
    if isinstance(config, dict):
        for name, each in config.items():
            yield from settable(each, (*place, name))
    elif isinstance(config, list) and any(not isinstance(each, _SCALARS) for each in config):
        for index, each in enumerate(config):
            yield from settable(each, (*place, index))
    elif place and isinstance(config, (*_SCALARS, list)):
        text = config if isinstance(config, str) else json.dumps(config, ensure_ascii=False)
        yield Settable(dotted(place), text, config)


def check_overrides(overrides: Sequence[str], known: Sequence[Settable] = ()) -> None:
    """Refuse what no program could take over; whether a value fits its field, only the program's classes can say.

    Raises:
        OverrideError: one is no ``FIELD=VALUE``, or says of a truth what is none.
    """
    for override in overrides:
        try:
            override.encode()
        except UnicodeEncodeError:
            message = f"{override!r} is no text: it has what is no character in UTF-8"
            raise OverrideError(message, override=override, path="") from None
        sign = sign_of(override)
        path = override[: sign.start()].strip() if sign is not None else ""
        if sign is None or parts(path) is None:
            message = f"{override!r} is no FIELD=VALUE; give one such as optimizer.lr=0.05"
            raise OverrideError(message, override=override, path="")
        old = next((each.value for each in known if each.path == path), None)
        text = override[sign.end() :]
        if isinstance(old, bool) and text.strip().lower() not in _TRUTHS:
            message = f"{path} is true or false, and {text!r} is neither"
            raise OverrideError(message, override=override, path=path)
