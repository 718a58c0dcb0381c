"""Values are written to a file that people keep, with the comments that they put there."""

from __future__ import annotations

import copy
import io
import json
import os
from typing import TYPE_CHECKING, Any

from lattice_addons._whole_file import write_whole
from lattice_addons.errors import HyperParameterValueError, NoSourceError

from ._hints import kinds
from ._load import document, form_of
from ._plain import NoPlainError, plain
from ._tree import leaves, nested
from ._yaml import writer

if TYPE_CHECKING:
    from ._manager import HyperParameters
    from ._yaml import Document

__all__ = ["save", "text"]


def save(manager: HyperParameters, path: str | os.PathLike[str]) -> None:
    """Write the values in force; the file is there as a whole, or as it was."""
    path = os.fspath(path)
    form = form_of(path)
    over = document(path) if form == "yaml" and os.path.exists(path) else None
    content = text(manager, form, over)
    try:
        write_whole(path, content.encode())
    except OSError as error:
        message = f"{path!r} cannot be written ({error.strerror})"
        raise NoSourceError(message, path=path, name="") from error


def text(manager: HyperParameters, form: str, over: Document | None = None) -> str:
    """Give the values in force as YAML or JSON; ``over`` is the YAML document whose comments are kept."""
    told = {name: _plain(manager, name, value) for name, value in manager.get_values().items()}
    if form == "json":
        return json.dumps(nested(told), indent=2, ensure_ascii=False) + "\n"
    if not told:
        return "{}\n"
    written = io.StringIO()
    root = over.root if over is not None else None
    yaml = writer() if over is None else over.yaml
    yaml.dump(_over(root, told) if isinstance(root, dict) else nested(told), written)
    return written.getvalue()


def _plain(manager: HyperParameters, name: str, value: object) -> object:
    known = manager.declaration(name)
    wanted = kinds(known.value, known.hints) if known is not None else None
    try:
        return plain(value, strict=True, tuples="tuple" in (wanted or ()))
    except NoPlainError as error:
        raise HyperParameterValueError(f"{name}: {error}", name=name, value=value) from None


def _over(document: Any, told: dict[str, Any]) -> Any:  # noqa: ANN401 - nodes of ruamel's
    """Put values into a document, each where it stands already; what has none any more goes."""
    _part(document, set())
    stale = {name for name, _ in leaves(document, told)} - told.keys()
    for name in stale:
        found = _find(document, name.split("."))
        if found is not None:
            _drop(*found)
    for name, value in told.items():
        found = _find(document, name.split("."))
        if found is not None:
            node, key = found
            node[key] = _merged(node[key], value)
        else:
            _add(document, name.split("."), value)
    return document


def _part(node: Any, seen: set[int]) -> None:  # noqa: ANN401 - a node of ruamel's
    """Let what stands at several places by an alias be its own at each: each may get another value."""
    seen.add(id(node))
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        below = node[key]
        if isinstance(below, (dict, list)):
            if id(below) in seen:
                below = node[key] = copy.deepcopy(below)
            _part(below, seen)


def _drop(node: Any, key: object) -> None:  # noqa: ANN401 - a node of ruamel's
    """Remove a key; comments on lines below it, which ruamel takes for its own, are those of the next one."""
    keys = list(node)
    after = keys[keys.index(key) + 1 :]
    tokens = [each for each in node.ca.items.get(key, ()) if hasattr(each, "value")]
    below = [
        line.strip().removeprefix("#").removeprefix(" ")
        for each in tokens
        for line in each.value.split("\n")[1:]
    ]
    del node[key]
    if after and any(below):
        node.yaml_set_comment_before_after_key(after[0], before="\n".join(below).strip("\n"))


def _find(node: Any, parts: list[str]) -> tuple[Any, Any] | None:  # noqa: ANN401 - a node of ruamel's
    """Find where a name stands: nested, or written with its dots."""
    keys = {str(key): key for key in node}
    for count in range(len(parts), 0, -1):
        key = keys.get(".".join(parts[:count]), _find)
        if key is not _find:
            if count == len(parts):
                return node, key
            below = node[key]
            found = _find(below, parts[count:]) if isinstance(below, dict) else None
            if found is not None:
                return found
    return None


def _add(node: Any, parts: list[str], value: object) -> None:  # noqa: ANN401 - a node of ruamel's
    for part in parts[:-1]:
        if not isinstance(node.get(part), dict):
            node[part] = {}
        node = node[part]
    node[parts[-1]] = value


def _merged(old: Any, new: Any) -> Any:  # noqa: ANN401 - nodes of ruamel's
    """Give the old node with the new value: where nothing has changed, everything stays as it is written."""
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        for key in [key for key in old if key not in new]:
            del old[key]
        for key, value in new.items():
            old[key] = _merged(old[key], value) if key in old else value
        return old
    if isinstance(old, list) and isinstance(new, list):
        return _merged_list(old, new)
    return old if type(new) is type(_base(old)) and new == _base(old) else new


def _merged_list(old: Any, new: list[Any]) -> Any:  # noqa: ANN401 - nodes of ruamel's
    from ruamel.yaml.comments import CommentedSeq

    items = [_merged(old[number], each) if number < len(old) else each for number, each in enumerate(new)]
    made = CommentedSeq(items)
    made.fa._flow_style = old.fa._flow_style  # noqa: SLF001 - written as it was; ruamel has no other way
    made.ca.comment, made.ca.end = old.ca.comment, old.ca.end
    for number, comments in old.ca.items.items():
        # What stands behind the last one belongs to what comes after it.
        last = number == len(old) - 1
        if new and (number < len(new) or last):
            made.ca.items[len(new) - 1 if last else number] = comments
    return made


def _base(node: Any) -> Any:  # noqa: ANN401 - a node of ruamel's
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
