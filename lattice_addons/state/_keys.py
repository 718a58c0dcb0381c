"""A slot's name is readable text that could never be taken for a path."""

from __future__ import annotations

from lattice_addons.errors import SlotNameError

LONGEST = 255


def check_key(key: object) -> str:
    """Give the key back, or raise `SlotNameError` saying what is wrong with it and what would do."""
    wrong = _fault(key)
    if wrong is None:
        assert isinstance(key, str)  # noqa: S101 - _fault has seen to it; this tells the type checker
        return key
    shown = repr(key) if len(repr(key)) <= 60 else repr(key)[:57] + "…"  # noqa: PLR2004
    message = f"{shown} cannot name a slot: {wrong}. Use a name such as 'loss' or 'model.layer-1'."
    raise SlotNameError(message, slot=key)


def _fault(key: object) -> str | None:  # noqa: PLR0911 - one line a fault
    if not isinstance(key, str):
        return f"it is {type(key).__name__}, not str"
    if not key:
        return "it is empty"
    if len(key) > LONGEST:
        return f"it has {len(key)} characters, more than {LONGEST}"
    if "/" in key or "\\" in key:
        return "it has a slash"
    if key.startswith(".") or key.endswith(".") or ".." in key:
        return "it has dots where a path has them"
    if key == "*":
        return "'*' means all slots"
    if not key.isprintable():
        # Control characters, NUL and lone surrogates, none of which a manifest could show.
        return "it has a character that cannot be printed"
    return None
