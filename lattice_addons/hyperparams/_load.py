"""Values are read from a file that people write: each name known, each value fitting, or the line is told."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import HyperParameterError, HyperParameterValueError, NoSourceError

from ._calls import near
from ._kinds import Unfit
from ._occurrence import shown_path
from ._plain import restored
from ._tree import leaves
from ._yaml import Document, NoYaml

if TYPE_CHECKING:
    from ._manager import HyperParameters

__all__ = ["document", "form_of", "load"]

_FORMS = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}


def load(manager: HyperParameters, path: str | os.PathLike[str], *, strict: bool) -> dict[str, Any]:
    """Give the values of a file by name, each as it is taken; ``strict``: no name may be unknown."""
    path = os.fspath(path)
    tree = _read_json(path) if form_of(path) == "json" else _native(document(path).root, path)
    if not isinstance(tree, dict):
        raise _wrong(path, [f"{shown_path(path)}:1: names and their values should stand here"])
    names = set(manager.names())
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for name, told in leaves(tree, names):
        known = manager.declaration(name)
        if known is None and strict and name not in names:
            why = f"nobody declares the hyper-parameter {name!r}{near(name, names)}"
        elif name in found:
            why = f"{name!r} stands here twice"
        else:
            try:
                value = restored(told)
                found[name] = value if known is None else known.take(value)
                continue
            except (Unfit, ValueError, TypeError, SyntaxError) as error:
                why = f"{name}: {error}"
        # To find its line the file is searched, which only a mistake is worth.
        wrong.append(f"{shown_path(path)}:{_line(path, name)}: {why}")
    if wrong:
        raise _wrong(path, wrong)
    return found


def form_of(path: str) -> str:
    """Give the form that a file's ending names."""
    form = _FORMS.get(os.path.splitext(path)[1].lower())
    if form is None:
        message = f"{path!r}: a file of values ends with {', '.join(_FORMS)}"
        raise HyperParameterError(message, name="")
    return form


def document(path: str) -> Document:
    """Read a YAML file with its comments."""
    try:
        return Document(_text(path))
    except NoYaml as error:
        raise _wrong(path, [f"{shown_path(path)}:{error.line}: this is no YAML: {error}"]) from None


def _read_json(path: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(_text(path), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise _wrong(path, [f"{shown_path(path)}:{line}: this is no JSON: {error}"]) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise _wrong(path, [f"{shown_path(path)}:1: this is not UTF-8 ({error.reason})"]) from None
    except OSError as error:
        raise NoSourceError(f"{path!r} cannot be read ({error.strerror})", path=path, name="") from None


def _wrong(path: str, told: list[str]) -> HyperParameterValueError:
    return HyperParameterValueError("\n".join(told), name="", value=None, path=path)


def _native(node: Any, path: str) -> Any:  # noqa: ANN401 - a node of ruamel's
    """Give plain data for what ruamel has read."""
    try:
        return _plain_of(node)
    except (Unfit, RecursionError) as error:
        raise _wrong(path, [f"{shown_path(path)}:1: this is no plain data: {error}"]) from None


def _plain_of(node: Any) -> Any:  # noqa: ANN401 - a node of ruamel's
    if node is None or isinstance(node, bool):
        return node
    tag = getattr(getattr(node, "tag", None), "value", None)
    if tag is not None and isinstance(node, (dict, list)):
        raise Unfit(f"the tag {tag}")
    if isinstance(node, dict):
        return {_key(key): _plain_of(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain_of(each) for each in node]
    for kind in (int, float, str):
        if isinstance(node, kind):
            return bool(node) if type(node).__name__ == "ScalarBoolean" else kind(node)
    raise Unfit(f"{type(node).__name__} {str(node)[:40]}")


def _key(key: Any) -> Any:  # noqa: ANN401 - a node of ruamel's
    return str(key) if isinstance(key, str) else key


def _line(path: str, name: str) -> int:
    """Find the line on which a name stands: its parts, one behind the other."""
    try:
        text = _text(path)
    except (NoSourceError, HyperParameterValueError):  # it went away while it was read
        return 1
    whole = _key_at(text, name, 0)
    if whole is None:
        at = 0
        for part in name.split("."):
            found = _key_at(text, part, at)
            at = at if found is None else found
        whole = at
    return text.count("\n", 0, whole) + 1


def _key_at(text: str, key: str, after: int) -> int | None:
    quoted = "|".join({re.escape(key), re.escape(json.dumps(key)), re.escape(json.dumps(key, ensure_ascii=False)),
                       re.escape(f"'{key}'")})  # fmt: skip
    found = re.compile(rf"(?:^|[\s{{,])({quoted})\s*:", re.MULTILINE).search(text, after)
    return found.start(1) if found else None
