"""Bytes, seconds and how many there are, as people write and read them."""

from __future__ import annotations

__all__ = ["UNITS", "bytes_in", "counted", "duration", "size", "took"]

_KIB = 1024
_LETTERS = "BGKMTik"
#: What may stand behind a number of bytes, and how many it means.
UNITS: dict[str, int] = {
    **dict.fromkeys(("", "B"), 1),
    **{f"{letter}iB": _KIB**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
}
# Nobody has more bytes, and to read a million digits takes long.
_DIGITS = 24
# Up to how many of a unit it is still easy to read, and how many seconds it has.
_STEPS = ((120, 1, "s"), (120, 60, "min"), (48, 3600, "h"), (float("inf"), 86400, "days"))
_EXACT = 9.95


def counted(count: int, noun: str) -> str:
    """Show how many there are of a thing, whose plural ends in an s."""
    return f"{count} {noun}{'s' * (count != 1)}"


def size(count: int) -> str:
    """Show a number of bytes in the unit that fits."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < _KIB or unit == "TiB":
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KIB
    raise AssertionError  # pragma: no cover - the loop always returns


def bytes_in(text: str) -> int | None:
    """Read a number of bytes, such as ``4096``, ``512MiB`` or ``1.5GB``; None where it is none."""
    number = text.rstrip(_LETTERS)
    whole, point, part = number.rstrip(" ").partition(".")
    digits, unit = whole + part, text[len(number) :]
    good = whole and bool(point) == bool(part) and digits.isascii() and digits.isdecimal()
    if not good or len(digits) > _DIGITS or unit not in UNITS:
        return None
    # In whole numbers: no float on the way makes 0.1 GB a little less than a hundred million.
    scale: int = 10 ** len(part)
    return int(digits) * UNITS[unit] // scale


def duration(seconds: float) -> str:
    """Show a time in the unit that fits."""
    seconds = max(seconds, 0.0)
    if seconds < _EXACT:
        return f"{seconds:.1f} s"
    for most, length, unit in _STEPS:
        if round(seconds / length) < most:
            return f"{seconds / length:.0f} {unit}"
    raise AssertionError  # pragma: no cover - the loop always returns


def took(seconds: float) -> str:
    """Show how long something took, which may be next to nothing: in milliseconds where that is below a second."""
    shown = round(float(f"{max(seconds, 0.0) * 1000:.3g}"), 3)
    return duration(seconds) if shown >= 1000 else f"{shown:g} ms"  # noqa: PLR2004 - a second
