"""What has changed from one schema to another, and which of it breaks older files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._path import dotted

__all__ = ["BREAKS", "MEANS", "NOTED", "RULED", "Change", "changes", "fits", "shortly"]

#: Older files cannot be read; are read, and mean something else; are read as before.
BREAKS, MEANS, NOTED = "breaks", "means another", "fits"
#: The type of a field that a rule takes care of.
RULED = "by a rule"
_NO_DEFAULT = object()
_WIDER = {("int", "float"), ("path", "str"), ("str", "path")}


@dataclass(frozen=True)
class Change:
    """One difference: where, how bad, what; ``old`` and ``new`` are the fields or types there, where there are any."""

    place: tuple[Any, ...]
    effect: str
    what: str
    kind: str
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.effect:<13}  {dotted(self.place) or '(the whole)'}  {self.what}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Compare two schemas, and tell what files of the old one have to do with the new one."""
    return _types(old["type"], new["type"], ())


def fits(old: Any, new: Any) -> bool:
    """Tell whether every value of the old type can be read as one of the new type."""
    return not any(each.effect == BREAKS for each in _types(old, new, ()))


def shortly(kind: Any) -> str:
    """Write a type in one line."""
    if isinstance(kind, str):
        return kind
    if "union" in kind:
        return " | ".join(map(shortly, kind["union"]))
    if "struct" in kind:
        return str(kind["struct"])
    if "enum" in kind:
        return f"{kind['enum']}({', '.join(kind['members'])})"
    if "literal" in kind:
        return " | ".join(map(repr, kind["literal"]))
    ((name, inner),) = kind.items()
    return f"{name}[{', '.join(map(shortly, inner)) if isinstance(inner, list) else shortly(inner)}]"


def _types(old: Any, new: Any, place: tuple[Any, ...]) -> list[Change]:  # noqa: PLR0911 - a kind of type each
    if new in (old, "any") or old == RULED:
        return []
    if _is(old, "union") or _is(new, "union"):
        return _unions(_members(old), _members(new), place)
    if _is(old, "struct") and _is(new, "struct"):
        # One without fields is in itself, and was compared where it stands first.
        return _fields(old["fields"], new["fields"], place) if "fields" in old and "fields" in new else []
    if _is(old, "enum") and _is(new, "enum"):
        return _values("member", [*old["members"]], [*new["members"]], place)
    if _is(old, "literal") and _is(new, "literal"):
        return _values("value", old["literal"], new["literal"], place)
    if isinstance(new, str):
        kinds = {type(each).__name__ for each in old["literal"]} if _is(old, "literal") else {shortly(old)}
        return [] if all(kind == new or (kind, new) in _WIDER for kind in kinds) else _other(old, new, place)
    return _containers(old, new, place)


def _containers(old: Any, new: Any, place: tuple[Any, ...]) -> list[Change]:
    if _is(old, "dict") and _is(new, "dict"):
        keys = _types(old["dict"][0], new["dict"][0], (*place, "*"))
        return [*keys, *_types(old["dict"][1], new["dict"][1], (*place, "*"))]
    if _is(old, "tuple") and _is(new, "tuple") and len(old["tuple"]) == len(new["tuple"]):
        pairs = enumerate(zip(old["tuple"], new["tuple"], strict=True))
        return [each for number, (one, other) in pairs for each in _types(one, other, (*place, number))]
    if _is(old, "tuple") and (_is(new, "list") or _is(new, "set")):
        inner = new.get("list", new.get("set"))
        return [change for each in old["tuple"] for change in _types(each, inner, (*place, "*"))]
    if (_is(old, "list") or _is(old, "set")) and (_is(new, "list") or _is(new, "set")):
        inner = [kind.get("list", kind.get("set")) for kind in (old, new)]
        return _types(inner[0], inner[1], (*place, "*"))
    return _other(old, new, place)


def _is(kind: Any, name: str) -> bool:
    return isinstance(kind, Mapping) and name in kind


def _members(kind: Any) -> list[Any]:
    return list(kind["union"]) if _is(kind, "union") else [kind]


def _other(old: Any, new: Any, place: tuple[Any, ...]) -> list[Change]:
    what = f"was {shortly(old)}, is {shortly(new)}"
    return [Change(place, BREAKS, what, "type", old, new)]


def _values(what: str, old: list[Any], new: list[Any], place: tuple[Any, ...]) -> list[Change]:
    gone = [each for each in old if each not in new]
    more = [each for each in new if each not in old]
    found = []
    if gone:
        told = ", ".join(map(str, gone))
        found.append(Change(place, BREAKS, f"has no {what} {told} any more", "values", gone, more))
    elif more:
        found.append(
            Change(place, NOTED, f"has the new {what} {', '.join(map(str, more))}", "values", gone, more)
        )
    return found


def _unions(old: list[Any], new: list[Any], place: tuple[Any, ...]) -> list[Change]:
    """Look for a place in the new union for each type of the old one: the same, one of its name, or a wider one."""
    found: list[Change] = []
    # A struct among others is told by its name; alone, it needs none.
    named = sum(_is(each, "struct") for each in old) > 1 or sum(_is(each, "struct") for each in new) > 1
    for each in old:
        same = [other for other in new if _is(each, "struct") and _is(other, "struct")]
        if named:
            same = [other for other in same if other["struct"] == each["struct"]]
        if same:
            found += _types(each, same[0], place)
        elif not any(
            fits(each, other) for other in new if not (_is(each, "struct") and _is(other, "struct"))
        ):
            listed = [kind for kind in ("enum", "literal") if _is(each, kind)]
            enums = [other for other in new if any(_is(other, kind) for kind in listed)]
            what = f"takes no {'null' if each == 'none' else shortly(each)} any more"
            gone = Change(place, BREAKS, what, "null" if each == "none" else "type", each, {"union": new})
            found += _types(each, enums[0], place) if enums else [gone]
    return found


def _fields(old: Mapping[str, Any], new: Mapping[str, Any], place: tuple[Any, ...]) -> list[Change]:
    found = []
    for name, field in old.items():
        here = (*place, name)
        if name not in new:
            found.append(Change(here, BREAKS, f"is gone (was {shortly(field['type'])})", "gone", field))
            continue
        found += _types(field["type"], new[name]["type"], here)
        found += _defaults(field, new[name], here)
    for name, field in new.items():
        if name not in old:
            told = shortly(field["type"])
            effect, what = (NOTED, "has a default") if "default" in field else (BREAKS, "has no default")
            found.append(Change((*place, name), effect, f"is new ({told}), and {what}", "new", None, field))
    return found


def _defaults(old: Mapping[str, Any], new: Mapping[str, Any], place: tuple[Any, ...]) -> list[Change]:
    before, after = (field.get("default", _NO_DEFAULT) for field in (old, new))
    if before is _NO_DEFAULT or old.get("always") or repr(before) == repr(after):
        return []
    if after is _NO_DEFAULT:
        return [Change(place, BREAKS, f"must be given: its default {before!r} is gone", "required", old, new)]
    # What stands in a struct has a default of its own there, and is told there.
    if isinstance(before, Mapping) and isinstance(after, Mapping) and _is(old["type"], "struct"):
        inside = [field["type"].get("fields", {}) for field in (old, new)]
        own = [{name: fields[name].get("default", _NO_DEFAULT) for name in fields} for fields in inside]
        both = [name for name in before if name in after and own[0].get(name) == own[1].get(name)]
        if all(repr(before[name]) == repr(after[name]) for name in both):
            return []
    what = f"has the default {after!r}, and had {before!r}"
    return [Change(place, MEANS, what, "default", old, new)]
