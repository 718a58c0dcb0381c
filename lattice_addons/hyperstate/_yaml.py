"""YAML becomes plain data, and every value knows its line; no tag of a file makes anything but data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ._read import NotThisFormat
from ._ron_data import Tagged

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compose", "key_of", "plain_node", "read_yaml"]

_OWN = "tag:yaml.org,2002:"
# More values than a person writes: what aliases of aliases make of ten lines would fill the memory.
_MOST = 1_000_000
_ALIASES = "aliases (*name) that refer to themselves, or grow"
_INT = re.compile(r"(?P<sign>[-+]?)0(?P<base>[box])(?P<digits>[0-9a-fA-F_]+)")
_BASES = {"b": 2, "o": 8, "x": 16}


def read_yaml(text: str) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """Read a text in YAML 1.2."""
    reader = _Reader()
    node = compose(text)
    if node is None:
        return None, reader.lines
    _weigh(node, {})
    return reader.value(node, ()), reader.lines


def compose(text: str) -> Any:
    """Give the text as ruamel's nodes: values before anything is made of them."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        why = getattr(error, "problem", None) or str(error).partition("\n")[0]
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, None)
        raise NotThisFormat(why, line, column) from None


def plain_node(node: Any) -> Any:
    """Give the data that a node says, read by how it is written."""
    return _Reader().value(node, ())


def key_of(node: Any) -> Any:
    """Give the key that a node says; a list is no key."""
    if type(node).__name__ != "ScalarNode":
        raise NotThisFormat("a key is a text, a number or a bool", node.start_mark.line + 1)
    return _scalar(node)


def _weigh(node: Any, known: dict[int, int]) -> int:
    """Count the values that a node stands for, aliases and all, without making them; too many are refused."""
    if id(node) not in known:
        known[id(node)] = 1  # what it has in itself is found when it is read
        below = node.value if type(node).__name__ == "SequenceNode" else ()
        if type(node).__name__ == "MappingNode":
            below = [value for _, value in node.value]
        for each in below:
            known[id(node)] += _weigh(each, known)
        if known[id(node)] > _MOST:
            raise NotThisFormat(_ALIASES, node.start_mark.line + 1)
    return known[id(node)]


class _Reader:
    """Reads the nodes of one text."""

    def __init__(self) -> None:
        self.lines: dict[tuple[Any, ...], int] = {}
        self._count = 0
        self._open: list[Any] = []

    def value(self, node: Any, path: tuple[Any, ...]) -> Any:
        """Give the data of a node, and note its line."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._count += 1
        if self._count > _MOST or any(each is node for each in self._open):
            raise NotThisFormat(_ALIASES, node.start_mark.line + 1)
        kind = type(node).__name__
        if kind == "ScalarNode":
            return _scalar(node)
        self._open.append(node)
        tag = str(node.tag)
        made: Any
        if kind == "SequenceNode":
            made = [self.value(each, (*path, number)) for number, each in enumerate(node.value)]
        else:
            made = self._mapping(node, path)
            if tag == f"{_OWN}set":
                made = list(made)
        self._open.pop()
        return Tagged(_named(tag), made) if tag.startswith("!") and tag != "!" else made

    def _mapping(self, node: Any, path: tuple[Any, ...]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        merged: list[Any] = []
        for key, value in node.value:
            if str(key.tag) == f"{_OWN}merge":
                merged += value.value if type(value).__name__ == "SequenceNode" else [value]
                continue
            name = key_of(key)
            if name in found:
                first = self.lines[(*path, name)]
                raise NotThisFormat(
                    f"{name!r} stands here twice (line {first}, too)", key.start_mark.line + 1
                )
            self.lines[(*path, name)] = key.start_mark.line + 1
            found[name] = self.value(value, (*path, name))
        # What is written here counts more than what is merged (<<), and the first of several more than the next.
        for each in merged:
            if type(each).__name__ != "MappingNode":
                raise NotThisFormat("<< merges a mapping, or a list of them", each.start_mark.line + 1)
            for name, below in self._mapping(each, path).items() if each not in self._open else ():
                found.setdefault(name, below)
        return found


def _scalar(node: Any) -> Any:
    tag, text = str(node.tag), node.value
    if tag.startswith("!") and tag != "!":
        return Tagged(_named(tag), [text] if text else [])
    read = _READERS.get(tag.removeprefix(_OWN))
    if read is None:
        # A date stays the text that it is: what becomes of it is a matter of the field.
        return text
    try:
        return read(text)
    except ValueError:
        why = f"{text!r} is no {tag.removeprefix(_OWN)}"
        raise NotThisFormat(why, node.start_mark.line + 1) from None


def _int(text: str) -> int:
    based = _INT.fullmatch(text)
    if based is not None:
        return int(based["sign"] + based["digits"], _BASES[based["base"]])
    return int(text.replace("_", ""))


def _float(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_READERS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _int,
    "float": _float,
}


def _named(tag: str) -> str:
    return tag.lstrip("!")
