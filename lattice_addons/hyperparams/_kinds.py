"""Which types a hyper-parameter may have: those of its default, or those that its hint ``type`` names."""

from __future__ import annotations

import ast
import numbers
import operator
import types
import typing
from typing import Any

__all__ = ["KINDS", "Unfit", "fit", "kind_of", "kinds_in", "kinds_named"]

KINDS: dict[str, type] = {
    kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
} | {"None": type(None)}
Kinds = tuple[str, ...]


class Unfit(Exception):  # noqa: N818 - never leaves this stage: it becomes an error that says where
    """Why a value cannot be taken, in words."""


def kind_of(value: object) -> str | None:
    """Give the name of a value's type, if it is one of those; None stands for a value that may become anything."""
    return type(value).__name__ if type(value) in KINDS.values() and value is not None else None


def kinds_in(node: ast.expr) -> Kinds | None:
    """Read a hint ``type=`` from source: ``int``, ``int | None``, ``(int, str)``, ``"int"``; None if it is no such."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return kinds_named(node.value)
    if isinstance(node, ast.Constant) and node.value is None:
        return ("None",)
    if isinstance(node, ast.Name):
        return (node.id,) if node.id in KINDS else None
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        inner = kinds_in(node.slice) if node.value.id == "Optional" else None
        return (*inner, "None") if inner else kinds_in(node.value)  # of list[int] only the list is checked
    parts: list[ast.expr] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        parts = [node.left, node.right]
    elif isinstance(node, (ast.Tuple, ast.List)):
        parts = node.elts
    found = [kinds_in(part) for part in parts]
    if not found or None in found:
        return None
    return tuple(dict.fromkeys(kind for each in found for kind in each or ()))


def kinds_named(hint: object) -> Kinds | None:
    """Read a hint ``type=`` as it is at run time."""
    if isinstance(hint, str):
        try:
            return kinds_in(ast.parse(hint.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    if hint is None or hint is type(None):
        return ("None",)
    if isinstance(hint, type) and hint.__name__ in KINDS and KINDS[hint.__name__] is hint:
        return (hint.__name__,)
    origin = typing.get_origin(hint)
    parts: tuple[object, ...] | None = None
    if origin in (typing.Union, types.UnionType):
        parts = typing.get_args(hint)
    elif isinstance(hint, (tuple, list)):
        parts = tuple(hint)
    if parts is not None:
        found = [kinds_named(each) for each in parts]
        return None if None in found else tuple(kind for each in found for kind in each or ())
    return kinds_named(origin) if isinstance(origin, type) else None


def fit(value: Any, kinds: Kinds | None) -> Any:  # noqa: ANN401 - that is the question
    """Give the value as one of these types: a whole number also as a float, a list also as a tuple.

    Raises:
        Unfit: it is of another type.
    """
    if kinds is None:
        return value
    for kind in kinds:
        if isinstance(value, KINDS[kind]) and (kind == "bool" or not isinstance(value, bool)):
            return value
    for kind in kinds:
        try:
            return _converted(value, kind)
        except (TypeError, ValueError, OverflowError):
            continue
    raise Unfit(f"{_shown(value)} is {_article(type(value).__name__)}, and it takes {' or '.join(kinds)}")


def _converted(value: Any, kind: str) -> Any:  # noqa: ANN401 - as `fit`
    """Give the value as this type where nothing is lost by it; NumPy's numbers are numbers, too."""
    if isinstance(value, bool):
        raise TypeError
    if kind == "int":
        return operator.index(value)
    if kind == "float" and isinstance(value, numbers.Real):
        return float(value)
    if kind == "complex" and isinstance(value, numbers.Number):
        return complex(value)  # type: ignore[call-overload]
    # What a file or a command line can say of these is a list.
    if kind in ("tuple", "set", "frozenset") and isinstance(value, list):
        return KINDS[kind](value)
    if kind == "list" and isinstance(value, tuple):
        return list(value)
    raise TypeError


def _article(word: str) -> str:
    return f"an {word}" if word[:1] in "aeiou" else f"a {word}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - what a message has room for
