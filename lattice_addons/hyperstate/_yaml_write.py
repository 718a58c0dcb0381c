"""Plain data becomes YAML; over a text that is there, only what has changed is written anew."""

from __future__ import annotations

import io
import re
from collections import Counter
from functools import lru_cache
from typing import Any

from ._ron_data import Tagged
from ._scalars import BOOLS
from ._write import named

__all__ = ["yaml_text"]

_FLOAT = "tag:yaml.org,2002:float"
# A text that is the same with quotes and without, in YAML 1.1 too.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./ -]*(?<! )")
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"))
# A name with nothing behind it, and the line below it: how far in it begins, and whether it is of a list.
_BELOW = re.compile(
    r"^(?P<at> *)[^\s#-][^\n]*:[ ]*(?:#[^\n]*)?\n(?:[ ]*(?:#[^\n]*)?\n)*(?P<below> *)(?P<item>-[ ])?[^\s#]",
    re.MULTILINE,
)


def yaml_text(data: Any, over: str | None = None, *, exact: bool = False) -> str:
    """Give the text that says this data, with the comments and the order of the text that it is put over.

    With ``exact`` a number that was written as ``1`` is written anew where it is ``1.0``, ``yes`` where it is true:
    without it both stay, for fields that take them for the same.
    """
    from ruamel.yaml.error import YAMLError

    yaml = _yaml()
    root: Any = None
    if over is not None:
        try:
            root = yaml.load(over)
        except (YAMLError, ValueError, RecursionError):
            # What cannot be read has nothing that could be kept.
            root = None
        _indent_as(yaml, over)
    written = io.StringIO()
    if isinstance(root, dict) and isinstance(data, dict) and root and data:
        document = _Over(root, exact=exact)
        made = document.merged(root, data)
        if over is not None and not document.has_changed:
            return over
        yaml.dump(made, written)
    else:
        yaml.dump(_fresh(data), written)
    return written.getvalue()


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.Constructor, yaml.Representer = _classes()
    yaml.width = 2**31
    yaml.preserve_quotes = True
    return yaml


def _indent_as(yaml: Any, text: str) -> None:
    for found in _BELOW.finditer(text):
        inside = len(found["below"]) - len(found["at"])
        if found["item"]:
            yaml.indent(sequence=inside + 2, offset=inside)
        elif inside > 0:
            yaml.map_indent = inside


@lru_cache(maxsize=1)
def _classes() -> tuple[Any, Any]:
    """Make a reader and a writer of our own: ruamel's classes are everybody's, and it writes some floats anew."""
    from ruamel.yaml.constructor import RoundTripConstructor
    from ruamel.yaml.representer import RoundTripRepresenter

    class Written(float):
        """A number, and how it is written."""

        text = ""

    class Reader(RoundTripConstructor):
        """Reads numbers with the way in which they are written."""

    class Writer(RoundTripRepresenter):
        """Writes them the same way, and lets no text share an anchor."""

    def read(reader: Any, node: Any) -> Written:
        number = Written(reader.construct_yaml_float(node))
        number.text = node.value
        return number

    Reader.add_constructor(_FLOAT, read)
    Writer.add_representer(
        type(None), lambda each, _: each.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    Writer.add_representer(Written, lambda each, number: each.represent_scalar(_FLOAT, number.text))
    return Reader, Writer


def _fresh(data: Any) -> Any:
    """Give data as ruamel writes it best: texts that could be taken for something else in quotes."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(data, Tagged):
        return _fresh(named(data))
    if isinstance(data, dict):
        return CommentedMap((_fresh(key), _fresh(each)) for key, each in data.items())
    if isinstance(data, (list, tuple)):
        made = CommentedSeq(map(_fresh, data))
        if not any(isinstance(each, (dict, list, tuple, Tagged)) for each in data):
            made.fa.set_flow_style()
        return made
    if isinstance(data, str):
        return (
            data if _PLAIN.fullmatch(data) and data.lower() not in _WORDS else DoubleQuotedScalarString(data)
        )
    return data


class _Over:
    """Puts data over a document."""

    def __init__(self, root: Any, *, exact: bool) -> None:
        self._exact = exact
        self.has_changed = False
        self._uses: Counter[int] = Counter()
        self._count(root)

    def _count(self, node: Any) -> None:
        self._uses[id(node)] += 1
        if self._uses[id(node)] == 1 and isinstance(node, (dict, list)):
            for each in node.values() if isinstance(node, dict) else node:
                self._count(each)

    def merged(self, old: Any, new: Any) -> Any:
        """Give the old node with the new data; where nothing has changed it is the old one, as it is written."""
        if isinstance(new, Tagged):
            tag = getattr(getattr(old, "tag", None), "value", None) or ""
            named_so = tag.lstrip("!") == new.name and isinstance(new.fields, dict)
            new = new.fields if named_so else named(new)
        if _same(old, new, self._exact):
            return old
        # A node with an anchor stands at other places, too, which are not to change with this one.
        if self._uses[id(old)] == 1 and isinstance(old, dict) and isinstance(new, dict) and new:
            return self._mapping(old, new)
        if self._uses[id(old)] == 1 and isinstance(old, list) and isinstance(new, (list, tuple)):
            return self._list(old, new)
        self.has_changed = True
        return _fresh(new)

    def _mapping(self, old: Any, new: dict[Any, Any]) -> Any:
        for key in [key for key in old if key not in new]:
            _drop(old, key)
            self.has_changed = True
        for key, value in new.items():
            if key not in old:
                old[_fresh(key)] = _fresh(value)
                self.has_changed = True
                continue
            made = self.merged(old[key], value)
            if made is not old[key]:
                old[key] = made
        return old

    def _list(self, old: Any, new: Any) -> Any:
        from ruamel.yaml.comments import CommentedSeq

        items = [self.merged(old[at], each) if at < len(old) else _fresh(each) for at, each in enumerate(new)]
        if len(items) == len(old) and all(one is other for one, other in zip(items, old, strict=True)):
            return old
        self.has_changed = True
        made = CommentedSeq(items)
        if old:
            made.fa._flow_style = old.fa._flow_style  # noqa: SLF001 - written as it was; ruamel has no other way
        made.ca.comment, made.ca.end = old.ca.comment, old.ca.end
        for at, comments in old.ca.items.items():
            if at < min(len(items), len(old) - 1) or len(items) == len(old):
                made.ca.items[at] = comments
            elif at == len(old) - 1 and items:
                _move(made, at, comments)
        return made


def _move(items: Any, at: int, comments: Any) -> None:
    """Put the comments of what was the last item: those on lines below it belong to what comes after the list."""
    from ruamel.yaml.tokens import CommentToken

    token = next((each for each in comments if hasattr(each, "value")), None)
    if token is None:
        return
    beside, _, below = token.value.partition("\n")
    if beside.strip() and at < len(items):
        items.ca.items[at] = [CommentToken(f"{beside}\n", token.start_mark, None), None]
    if below.strip():
        items.ca.items[len(items) - 1] = [CommentToken(f"\n{below}", token.start_mark, None), None]


def _drop(node: Any, key: object) -> None:
    """Remove a key; comments on lines below it, which ruamel takes for its own, are those of the next one."""
    keys = list(node)
    after = keys[keys.index(key) + 1 :]
    tokens = [each for each in node.ca.items.get(key, ()) if hasattr(each, "value")]
    below = [
        line.strip().removeprefix("#").removeprefix(" ")
        for each in tokens
        for line in each.value.split("\n")[1:]
    ]
    try:
        del node[key]
    except KeyError:
        # It came by a merge (<<) and stays there: what is written here cannot take it away.
        return
    if after and any(below):
        node.yaml_set_comment_before_after_key(after[0], before="\n".join(below).strip("\n"))


def _same(old: Any, new: Any, exact: bool) -> bool:  # noqa: FBT001 - as its caller has it
    """Tell whether a node says what the data says."""
    if isinstance(new, Tagged) or getattr(getattr(old, "tag", None), "value", None) not in (None, ""):
        return False
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key], exact) for key in new)
    if isinstance(old, list) and isinstance(new, (list, tuple)):
        return len(old) == len(new) and all(
            _same(one, other, exact) for one, other in zip(old, new, strict=True)
        )
    return _same_scalar(old, new, exact)


def _same_scalar(old: Any, new: Any, exact: bool) -> bool:  # noqa: FBT001 - as above
    kind = type(new)
    if kind is bool and isinstance(old, str):
        return not exact and BOOLS.get(old.lower()) is new
    if new is None or old is None or kind is bool or isinstance(old, bool):
        return old is new
    if kind in (int, float) and isinstance(old, (int, float)) and type(old).__name__ != "ScalarBoolean":
        return (old == new or (old != old and new != new)) and (not exact or isinstance(old, kind))  # noqa: PLR0124 - nan
    return isinstance(new, str) and isinstance(old, str) and str(old) == str(new)
