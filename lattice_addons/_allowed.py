"""What each setting may say, and the words in which anything else is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons._service_url import address, is_service
from lattice_addons.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    Check: TypeAlias = "Callable[[object, Place], object]"

AUTO = "auto"
FOREVER = "forever"
YEAR = 366 * 24 * 3600
MOST_BYTES = 2**60
SHORTEST_KEY = 16
LONGEST_JOB_ID = 200
DEFAULT_SIGNALS = ("SIGTERM", "SIGHUP", "SIGXCPU")  # of which a system need not have all
UNCATCHABLE = {
    "SIGKILL": "no program can catch it; save periodically instead",
    "SIGSTOP": "no program can catch it",
    "SIGINT": "it stays Python's own: Ctrl-C raises KeyboardInterrupt, and the save is made at exit",
    **dict.fromkeys(
        ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"),
        "a Python handler cannot run after a fault in C; save periodically instead",
    ),
}


def shown(part: object) -> str:
    """Show a bad part, shortened, so that a megabyte of nonsense does not fill the terminal."""
    text = repr(part)
    return text if len(text) <= 80 else f"{text[:60]}…{text[-15:]}"  # noqa: PLR2004 (a terminal's line)


def nearest(word: str, words: Iterable[str]) -> str:
    """Give the one of some valid words that looks most like this one."""
    from difflib import get_close_matches  # Only a mistake needs it.

    folded = {valid.lower(): valid for valid in words}
    return folded[get_close_matches(word[:80].lower(), list(folded), n=1, cutoff=0.0)[0]]


class Place(NamedTuple):
    """Where a setting was given: a variable, or ``Settings(…)`` in the program, and the key within it."""

    variable: str
    key: str | None = None

    def refuse(self, part: object, why: str) -> SettingsError:
        """Make the error that names the variable, the bad part, and what would be right."""
        entry = shown(part) if self.key is None else f"{self.key}={shown(part)}"
        return SettingsError(f"{self.variable}: {entry}: {why}", variable=self.variable, part=str(part))

    def unknown(
        self, word: str, words: Iterable[str], *, kind: str = "value", like: str | None = None
    ) -> SettingsError:
        """Refuse a word that is none of these, naming the nearest (or the one it is like)."""
        words = list(words)
        best = like or nearest(word, words)
        return self.refuse(word, f"no such {kind}; did you mean {best!r}? Valid: {', '.join(words)}")


def one_of(*words: str) -> Check:
    """Make the check of a setting that is one of some words."""

    def check(value: object, place: Place) -> str:
        text = string(value, place)
        if text not in words:
            raise place.unknown(text, words)
        return text

    return check


def string(value: object, place: Place) -> str:
    """Check a text."""
    if not isinstance(value, str):
        raise place.refuse(value, f"must be a text, not {type(value).__name__}")
    return value


def word(value: object, place: Place) -> str:
    """Check a text without blanks and unprintable characters."""
    text = string(value, place)
    if not text or not text.isprintable() or " " in text:
        raise place.refuse(text, "must be a word: at least one character, no blanks, all printable")
    return text


def switch(value: object, place: Place) -> bool:
    """Check a yes or no."""
    if not isinstance(value, bool):
        raise place.refuse(value, f"must be True or False, not {type(value).__name__}")
    return value


def whole(low: int, high: int) -> Check:
    """Make the check of a whole number within bounds."""

    def check(value: object, place: Place) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            best = max(low, min(high, value)) if isinstance(value, int) else low
            raise place.refuse(value, f"must be a whole number from {low} to {high}; the nearest is {best}")
        return value

    return check


def seconds(*, zero: bool) -> Check:
    """Make the check of a duration; a year is the most, for beyond some such bound waiting overflows."""
    bound = "from 0 (no limit)" if zero else "above 0"

    def check(value: object, place: Place) -> float:
        # The comparison refuses NaN and infinity as well.
        if (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and 0 <= value <= YEAR
            and (zero or value)
        ):
            return value
        raise place.refuse(value, f"must be a number of seconds {bound} to {YEAR} (a year)")

    return check


_positive_seconds = seconds(zero=False)
_seconds_from_zero = seconds(zero=True)


def linger(value: object, place: Place) -> object:
    """Check how long something may outlive the program."""
    return value if value == FOREVER else _seconds_from_zero(value, place)


def interval(value: object, place: Place) -> object:
    """Check how often something is done: every so many seconds, or as it turns out to be best."""
    if not isinstance(value, str):
        return _positive_seconds(value, place)
    if value != AUTO:
        raise place.refuse(value, f"must be a number of seconds, or {AUTO!r}")
    return value


def share(value: object, place: Place) -> float:
    """Check a part of a whole that is neither nothing nor all of it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1:
        return value
    raise place.refuse(value, "must be a number above 0 and below 1; 3.5 percent is 0.035")


def signals(value: object, place: Place) -> tuple[str, ...]:
    """Check names of signals; each once, in the order given."""
    import signal  # Builds enumerations; the groups of most programs are made without reading any names.

    if isinstance(value, str) or not isinstance(value, (tuple, list)):
        raise place.refuse(value, "must be a tuple of names, such as ('SIGTERM', 'SIGUSR1')")
    valid = [name for name in signal.Signals.__members__ if name not in UNCATCHABLE]
    for name in value:
        if name in UNCATCHABLE:
            raise place.refuse(name, f"{name} cannot be used: {UNCATCHABLE[name]}")
        if name not in valid and name not in DEFAULT_SIGNALS:
            raise place.unknown(str(name), valid, kind="signal")
    return tuple(dict.fromkeys(value))


def job_id(value: object, place: Place) -> str:
    """Check the name of a job, which is the name of a folder, and of a key in an object store."""
    text = string(value, place)
    if not text:
        raise place.refuse(
            text, "the job id is empty; give it a name, or leave it out to use the program's name"
        )
    if text.startswith(".") or "/" in text or "\\" in text or not text.isprintable() or text != text.strip():
        why = "a job id is the name of a folder: no slashes, no dot in front, no blanks around it, all printable"
        raise place.refuse(text, f"{why}; the nearest is {shown(_folder_name(text))}")
    if len(text.encode()) > LONGEST_JOB_ID:
        raise place.refuse(
            text, f"a job id has at most {LONGEST_JOB_ID} bytes; this one has {len(text.encode())}"
        )
    return text


def _folder_name(text: str) -> str:
    kept = "".join("-" if c in "/\\" or not c.isprintable() else c for c in text)
    return kept.strip("- .") or "job"


def secret(value: object, place: Place) -> bytes:
    """Check a key that signs; the error does not show it."""
    if not isinstance(value, bytes):
        raise place.refuse("…", f"must be bytes, not {type(value).__name__}")
    if len(value.strip()) < SHORTEST_KEY:
        why = f"the secret has {len(value.strip())} bytes and needs at least {SHORTEST_KEY}; make one with: "
        raise place.refuse("…", why + 'python -c "import secrets; print(secrets.token_hex(32))"')
    return value


def path_or_url(value: object, place: Place) -> str:
    """Check what may be a root; which kind it must be depends on the type of the store."""
    try:
        text = os.fspath(value)  # type: ignore[call-overload]  # what is no path is what the except is for
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise place.refuse(value, "must be the path of a folder, or a URL")
    return text


def folder(value: object, place: Place) -> str:
    """Check a path and make it absolute now: a later chdir must not move what it names."""
    path = os.path.expanduser(path_or_url(value, place))
    if path.startswith("~"):  # Else a folder of that very name would be made.
        raise place.refuse(
            value, "there is no such home folder here; give an absolute path, or put ./ in front"
        )
    try:
        return os.path.abspath(path)
    except FileNotFoundError as error:
        raise place.refuse(value, "the working directory is gone; give an absolute path") from error


def file(value: object, place: Place) -> str:
    """Check the path of a file and make it absolute now; whether it is there is found out when it is read."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise place.refuse(value, "must be the path of a file")
    return folder(value, place)


def local_folder(value: object, place: Place) -> str:
    """Check the root of a local store; a URL here would quietly become a folder of that name."""
    text = path_or_url(value, place)
    if "://" in text:
        kind = "s3" if text.startswith("s3://") else "fsspec"
        raise place.refuse(
            text, f"a store of type local is a folder; for a URL set LATTICE_CHECKPOINT_TYPE={kind}"
        )
    return folder(text, place)


def url(value: object, place: Place, *, scheme: str = "") -> str:
    """Check an address of the form ``scheme://…``."""
    text = string(value, place)
    before, found, rest = text.partition("://")
    if not (found and before and rest) or not text.isprintable() or scheme not in ("", before):
        raise place.refuse(text, f"must be a URL, such as {scheme or 'gs'}://bucket/prefix")
    if is_service(text):
        try:
            address(text)
        except ValueError as error:
            raise place.refuse(f"{before}://…{rest.rpartition('@')[2]}", str(error)) from None
    return text


def options(value: object, place: Place) -> dict[str, str]:
    """Check what is passed on to a file system, and take a copy."""
    if not isinstance(value, dict) or not all(
        isinstance(item, str) for pair in value.items() for item in pair
    ):
        raise place.refuse("…", "must be a dict of texts")
    for name in value:
        if not name.isidentifier():
            raise place.refuse(
                f"opt.{name}", "an option is named as a Python argument is, such as opt.endpoint_url"
            )
    return dict(value)
