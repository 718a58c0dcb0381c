"""The LATTICE_* variables taken apart: which setting, where it stands, and its value."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from lattice_addons._allowed import AUTO, FOREVER, SHORTEST_KEY, Place
from lattice_addons._amounts import UNITS, bytes_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

TYPE = "LATTICE_CHECKPOINT_TYPE"
CONFIG = "LATTICE_CHECKPOINT_CONFIG"
KEY = "LATTICE_CHECKPOINT_KEY"
ENCRYPTION_KEY = "LATTICE_ENCRYPTION_KEY"
JOB_ID = "LATTICE_JOB_ID"
LOGLEVEL = "LATTICE_LOGLEVEL"
VARIABLES: dict[str, tuple[str, str]] = {  # each with the field it sets, and its meaning
    TYPE: ("type", "what kind of store: ``local``, ``s3``, ``remote``, ``fsspec`` or ``memory``"),
    CONFIG: ("", "``key=value`` entries with commas between them; the keys are below"),
    JOB_ID: ("job_id", f"which job; stands above ``job_id`` in ``{CONFIG}``"),
    KEY: ("key", f"a secret of at least {SHORTEST_KEY} bytes; with it every manifest is signed"),
    ENCRYPTION_KEY: (
        "encryption_key",
        f"a secret of at least {SHORTEST_KEY} bytes; with it all that is stored of values is encrypted",
    ),
    "LATTICE_CHECKPOINT_TOKEN": (
        "token",
        "the token that a checkpoint service lets this program in with; ``opt.token`` stands above it",
    ),
    "LATTICE_RUN_ID": (
        "run_id",
        "which start of a job of several ranks this is: one name for all, given only once",
    ),
    "LATTICE_AUTOPATCH": (
        "",
        "frameworks whose unmodified programs carry on under ``lattice run``, or ``all``",
    ),
    "LATTICE_STRICT": ("strict", "``1`` makes a save that failed at exit the exit status"),
    "LATTICE_DISABLE": ("disabled", "``1`` turns saving and loading off"),
    LOGLEVEL: ("loglevel", "``DEBUG``, ``INFO``, ``WARNING``, ``ERROR`` or ``CRITICAL``"),
}
# An empty secret or job id is a mistake in the script that sets it, and to go on without one would be unsafe.
NEVER_EMPTY = (KEY, ENCRYPTION_KEY, JOB_ID)
SECRETS = ("key", "encryption_key")
SWITCHES = {"enabled": ("1", "true", "yes", "on"), "disabled": ("0", "false", "no", "off")}
# How alike a name is to one of ours that was meant to be it: other programs have variables that begin alike, too.
_MISSPELT = 0.93
FLAGS = {text: word == "enabled" for word, texts in SWITCHES.items() for text in (*texts, word)}


def given(environ: Mapping[str, str], keys: Collection[str]) -> Iterator[tuple[str, Place, object]]:
    """Give each setting that the environment makes, where it does so, and the value it says."""
    for variable, (name, _) in VARIABLES.items():
        text = environ.get(variable, "")
        if variable == CONFIG:
            yield from _configured(text, keys)
        elif not name:
            continue  # read when the program starts, before there are settings
        elif text.strip() or (variable in NEVER_EMPTY and variable in environ):
            place = Place(variable)
            yield name, place, READERS.get(name, _text)(text if name in SECRETS else text.strip(), place)


def meant(name: str) -> str | None:
    """Give the variable that somebody meant who set this one; None where it is ours, or is like none of ours."""
    if name in VARIABLES or not name.upper().startswith("LAT"):
        return None
    from difflib import get_close_matches  # Only a name that is like one of ours needs it.

    return next(iter(get_close_matches(name.upper(), VARIABLES, n=1, cutoff=_MISSPELT)), None)


def tell_misspelt(environ: Mapping[str, str]) -> None:
    """Warn of variables that mean nothing and are almost ours, once in a process, where warnings are shown at all."""
    for name in environ if environ.get(LOGLEVEL, "").strip().upper() not in ("ERROR", "CRITICAL") else ():
        right = meant(name)
        if right is not None:
            _tell(name, right)


@cache
def _tell(name: str, right: str) -> None:
    import logging  # What is spelt right needs none.

    logging.getLogger("lattice_addons").warning("%s is set, and means nothing: did you mean %s?", name, right)


def _configured(text: str, keys: Collection[str]) -> Iterator[tuple[str, Place, object]]:
    options: dict[str, str] = {}
    seen: set[str] = set()
    for key, value in entries(text):
        if key in seen:
            raise Place(CONFIG).refuse(key, "this key is given twice; keep one of them")
        seen.add(key)
        if key.startswith("opt."):
            options[key.removeprefix("opt.")] = value
        elif key in keys:
            place = Place(CONFIG, key)
            yield key, place, READERS.get(key, _text)(value, place)
        else:
            raise Place(CONFIG).unknown(key, [*keys, "opt.NAME"], kind="key")
    if options:
        yield "options", Place(CONFIG), options


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Split ``key=value`` entries at commas; a quoted value may hold commas, and its own quote doubled."""
    rest = text.strip()
    while rest:
        key, found, after = rest.partition("=")
        if not found or "," in key:
            raise Place(CONFIG).refuse(
                key.partition(",")[0].strip(), "an entry is key=value, with commas between entries"
            )
        key, after = key.strip(), after.lstrip()
        value, more = _quoted(key, after) if after[:1] in ("'", '"') else _bare(after)
        yield key, value
        if more is None:
            return
        rest = more.strip()
        if not rest:
            raise Place(CONFIG).refuse(text[-20:], "there is nothing after the last comma; remove it")


def _bare(text: str) -> tuple[str, str | None]:
    value, comma, rest = text.partition(",")
    return value.strip(), rest if comma else None


def _quoted(key: str, text: str) -> tuple[str, str | None]:
    quote = text[0]
    pieces = []
    rest = text[1:]
    while True:
        piece, found, rest = rest.partition(quote)
        pieces.append(piece)
        if not found:
            raise Place(CONFIG, key).refuse(
                text, f"the quote is not closed; add a {quote} at the end of the value"
            )
        if not rest.startswith(quote):
            break
        pieces.append(quote)
        rest = rest[1:]
    behind, comma, rest = rest.partition(",")
    if behind.strip():
        raise Place(CONFIG, key).refuse(
            text, f"{behind.strip()!r} follows the closing quote; put a comma between entries"
        )
    return "".join(pieces), rest if comma else None


def _text(text: str, place: Place) -> object:
    del place
    return text


def _switch(text: str, place: Place) -> object:
    if text not in SWITCHES:
        like = next((word for word, texts in SWITCHES.items() if text.lower() in (*texts, word)), None)
        raise place.unknown(text, SWITCHES, like=like)
    return text == "enabled"


def _flag(text: str, place: Place) -> object:
    if text.lower() not in FLAGS:
        raise place.unknown(text, FLAGS)
    return FLAGS[text.lower()]


def _number(kind: type[int | float], what: str) -> Callable[[str, Place], object]:
    def read(text: str, place: Place) -> object:
        try:
            # Python also takes underscores and the digits of any script; here they are typing errors.
            if text.isascii() and "_" not in text:
                return kind(text)
        except ValueError:
            pass
        raise place.refuse(text, f"must be {what}")

    return read


def _linger(text: str, place: Place) -> object:
    return FOREVER if text == FOREVER else _seconds_or_forever(text, place)


def _interval(text: str, place: Place) -> object:
    return AUTO if text == AUTO else _seconds_or_auto(text, place)


def _size(text: str, place: Place) -> object:
    count = bytes_in(text)
    if count is None:
        units = ", ".join(unit for unit in UNITS if unit)
        raise place.refuse(
            text, f"must be a number of bytes, such as 512MiB; its unit may be {units}, or none"
        )
    return count


def _names(text: str, place: Place) -> object:
    del place
    return () if text in ("", "none") else tuple(name.strip() for name in text.split("+"))


def _bytes(text: str, place: Place) -> object:
    del place
    return os.fsencode(text)


def _upper(text: str, place: Place) -> object:
    del place
    return text.upper()


_whole = _number(int, "a whole number, such as 3")
_seconds = _number(float, "a number of seconds, such as 30")
_seconds_or_auto = _number(float, f"a number of seconds, such as 30, or {AUTO}")
_seconds_or_forever = _number(float, f"a number of seconds, such as 30, or {FOREVER}")
_share = _number(float, "a share of 1, such as 0.035 for 3.5 percent")
READERS: dict[str, Callable[[str, Place], object]] = {
    "atexit_saving": _switch,
    "periodic_saving": _switch,
    "periodic_saving_interval": _interval,
    "periodic_saving_overhead": _share,
    "signals": _names,
    "grace": _seconds,
    "keep": _whole,
    "keep_hourly": _whole,
    "keep_daily": _whole,
    "memory": _size,
    "spool_limit": _size,
    "linger": _linger,
    "ckpt_service_port": _whole,
    "key": _bytes,
    "encryption_key": _bytes,
    "strict": _flag,
    "disabled": _flag,
    "loglevel": _upper,
}
