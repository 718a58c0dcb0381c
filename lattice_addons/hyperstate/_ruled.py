"""A schema after rules: which fields files have once the rules have been through them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from ._changes import RULED
from ._hints import class_of, members
from ._rules import AddField, ChangeDefault, DeleteField, MapValue, MoveField, RenameField, Rule, place_of
from ._shape import alternatives
from ._versioned import rules_between, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["after_rules"]

Fields: TypeAlias = "dict[str, Any]"
_NEW = {"type": RULED, "always": True}


def after_rules(cls: Any, schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[Rule]]:
    """Give the schema that files have after the rules of a class and of those in it, and the rules that are idle."""
    changed = copy.deepcopy(dict(schema))
    rules = rules_between(cls, schema["version"], version_of(cls))
    idle = [rule for rule in rules if not _apply(rule, changed["type"])]
    return changed, idle + list(_inside([cls], changed["type"], whole=True))


def _inside(kinds: Sequence[Any], told: Any, *, whole: bool = False) -> Iterator[Rule]:
    """Apply the rules of each class that stands in another one to what is told of it; give those that find nothing."""
    for each in _alternatives(told):
        if "fields" in each:
            yield from _struct(kinds, each, whole=whole)
            continue
        held = (
            [each[name] for name in ("list", "set") if name in each]
            + each.get("dict", [])[1:]
            + each.get("tuple", [])
        )
        for inner in held:
            yield from _inside([one for kind in kinds for one in _arguments(kind)], inner)


def _struct(kinds: Sequence[Any], told: dict[str, Any], *, whole: bool) -> Iterator[Rule]:
    classes = [kind for kind in kinds if class_of(kind) is not None]
    named = [kind for kind in classes if getattr(class_of(kind), "__name__", "") == told["struct"]]
    meant = next(iter(named or classes), None)
    if meant is None:
        return
    rules = [] if whole else rules_between(meant, told.get("version", 0), version_of(meant))
    yield from (rule for rule in rules if not _apply(rule, told))
    fields = members(meant)
    for name, field in told["fields"].items():
        if name in fields:
            yield from _inside(alternatives(fields[name].type), field["type"])


def _arguments(kind: Any) -> list[Any]:
    """Give what a container may hold."""
    return [one for arg in get_args(kind) if arg is not ... for one in alternatives(arg)]


def _apply(rule: Rule, kind: Any) -> bool:
    """Change a type as a rule changes data; tell whether there was anything to change."""
    if isinstance(rule, (RenameField, MoveField)):
        return _move(kind, place_of(rule.old), place_of(rule.new))
    if isinstance(rule, DeleteField):
        *way, name = place_of(rule.path)
        return any(fields.pop(str(name), None) is not None for fields in _holders(kind, way))
    if isinstance(rule, MapValue):
        return _map(kind, place_of(rule.path))
    if isinstance(rule, (AddField, ChangeDefault)):
        *way, name = place_of(rule.path)
        holders = _holders(kind, way)
        for fields in holders:
            if isinstance(rule, AddField):
                fields[str(name)] = {**fields.get(str(name), _NEW), "always": True}
            elif str(name) in fields:
                # Files that leave it out get what the rule says: they mean no other than the rule.
                fields[str(name)]["always"] = True
        return bool(holders)
    # A rule of the user's own: what it does is not known here.
    return True


def _move(kind: Any, old: tuple[Any, ...], new: tuple[Any, ...]) -> bool:
    taken = [fields.pop(str(old[-1])) for fields in _holders(kind, old[:-1]) if str(old[-1]) in fields]
    if not taken:
        return False
    targets = _holders(kind, new[:-1], make=True)
    for number, fields in enumerate(targets):
        fields[str(new[-1])] = taken[min(number, len(taken) - 1)]
    return True


def _map(kind: Any, place: tuple[Any, ...]) -> bool:
    *way, name = place
    holders = _holders(kind, way)
    found = [fields for fields in holders if str(name) in fields]
    for fields in found:
        fields[str(name)]["type"] = RULED
    if not found and name != "*":
        return False
    # The values of a list or mapping: its own type says what they are.
    for each in _reached(kind, way) if not found else ():
        for container in ("list", "set"):
            if container in each:
                each[container] = RULED
        if "dict" in each:
            each["dict"][1] = RULED
    return True


def _holders(kind: Any, way: Sequence[Any], *, make: bool = False) -> list[Fields]:
    """Give the fields of each struct to which a path leads."""
    return [each["fields"] for each in _reached(kind, way, make=make) if "fields" in each]


def _reached(kind: Any, way: Sequence[Any], *, make: bool = False) -> list[dict[str, Any]]:
    here = _alternatives(kind)
    for part in way:
        here = [
            deeper
            for each in here
            for inner in _inner(each, part, make=make)
            for deeper in _alternatives(inner)
        ]
    return here


def _alternatives(kind: Any) -> list[dict[str, Any]]:
    if isinstance(kind, str):
        return []
    return [one for each in kind["union"] for one in _alternatives(each)] if "union" in kind else [kind]


def _inner(kind: dict[str, Any], part: Any, *, make: bool) -> list[Any]:
    if "fields" in kind:
        fields = kind["fields"]
        if make and str(part) not in fields:
            fields[str(part)] = {"type": {"struct": "", "fields": {}}}
        return [fields[str(part)]["type"]] if str(part) in fields else []
    if "tuple" in kind:
        kinds = kind["tuple"]
        return kinds if part == "*" else kinds[int(part) :][:1] if str(part).isdecimal() else []
    return (
        [kind["dict"][1]]
        if "dict" in kind
        else [inner for name, inner in kind.items() if name in ("list", "set")]
    )
