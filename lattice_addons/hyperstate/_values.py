"""A text that stands for a value is read by the type of the field that it is for."""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

from ._hints import class_of, is_union, members, stripped
from ._read import NotThisFormat
from ._ron_data import Tagged
from ._scalars import BOOLS
from ._unions import kinds_of
from ._yaml import compose, key_of, plain_node

__all__ = ["value_of"]

_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.?inf|infinity|\.?nan)",
    re.IGNORECASE,
)
_NULLS = ("null", "none", "~")


def value_of(tp: Any, text: str) -> Any:
    """Give the data that a text says for a field of this type; what it does not fit stays a text.

    The text of a ``str`` is the text itself. Lists, mappings and dataclasses are written as YAML or JSON writes them
    in one line, and a list may go without its brackets.
    """
    kinds = kinds_of(tp)
    if None in _args(tp) and text.strip().lower() in _NULLS and text.strip():
        return None
    for kind in kinds:
        found = _scalar(kind, text.strip())
        if found is not _NOTHING:
            return found
    if str in kinds:
        return text
    if any(_is_deep(kind) for kind in kinds):
        return _deep(tp, kinds, text.strip())
    return text


_NOTHING = object()


def _args(tp: Any) -> tuple[Any, ...]:
    tp, _ = stripped(tp)
    if is_union(tp):
        return tuple(kind for each in get_args(tp) for kind in _args(each))
    return (None,) if tp in (None, type(None)) else (tp,)


def _scalar(kind: Any, text: str) -> Any:
    if kind is bool and text.lower() in BOOLS:
        return BOOLS[text.lower()]
    if kind is int and _INT.fullmatch(text):
        sign = -1 if text.startswith("-") else 1
        digits = text.lstrip("+-").replace("_", "")
        based = digits[:2].lower() in ("0x", "0o", "0b")
        try:
            return sign * int(digits, 0 if based else 10)
        except ValueError:  # without a digit, as 0x_; or with more of them than Python reads
            return _NOTHING
    if kind in (int, float) and _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(inf|nan)", r"\1", text.lower().replace("_", "")))
    if get_origin(kind) is not None and str in map(type, get_args(kind)) and text in get_args(kind):
        return text
    return _NOTHING


def _is_deep(kind: Any) -> bool:
    """Tell whether values of a type are written with brackets, or may be."""
    origin = get_origin(kind) or kind
    if kind is Any or kind is object or class_of(kind) is not None or _inside(kind) is not None:
        return True
    # A mapping; or a Literal, of which the numbers and bools are as YAML has them.
    return hasattr(origin, "keys") or not isinstance(origin, type)


def _deep(tp: Any, kinds: list[Any], text: str) -> Any:
    if text.startswith("(") and text.endswith(")"):
        text = f"[{text[1:-1]}]"
    takes_lists = any(_inside(kind) is not None for kind in kinds)
    for attempt in [text, f"[{text}]"] if takes_lists and not text.startswith("[") else [text]:
        try:
            node = compose(attempt)
            found = _read(tp, node) if node is not None else None
        except NotThisFormat:
            continue
        if isinstance(found, (dict, list, Tagged)) or not takes_lists:
            return found
    return text


def _read(tp: Any, node: Any) -> Any:
    """Give the data of a node: where the type says so, its words as they are written."""
    kinds = kinds_of(tp)
    shape = type(node).__name__
    if str(node.tag).startswith("!"):
        return plain_node(node)
    if shape == "ScalarNode":
        # A quoted text is one, whatever it looks like.
        return node.value if str in kinds and (node.style or len(kinds) == 1) else plain_node(node)
    if shape == "SequenceNode":
        inside = next((each for each in map(_inside, kinds) if each is not None), (Any,))
        return [_read(inside[min(at, len(inside) - 1)], each) for at, each in enumerate(node.value)]
    fields = {name: each.type for kind in kinds if class_of(kind) for name, each in members(kind).items()}
    of_values = next((args[1] for args in map(get_args, kinds) if len(args) == 2 and args[1] is not ...), Any)  # noqa: PLR2004 - keys, values
    return {key_of(key): _read(fields.get(key_of(key), of_values), each) for key, each in node.value}


def _inside(kind: Any) -> tuple[Any, ...] | None:
    """Give the types of a list's values, or None for what is no list."""
    origin = get_origin(kind) or kind
    if not isinstance(origin, type) or class_of(kind) is not None or not hasattr(origin, "__iter__"):
        return None
    if origin in (str, bytes, bytearray) or hasattr(origin, "keys") or hasattr(origin, "__members__"):
        return None
    return tuple(each for each in get_args(kind) if each is not ...) or (Any,)
