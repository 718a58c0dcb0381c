"""A class that knows its version, and how files of older versions are read."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, get_args

from lattice_addons.errors import SchemaError

from ._hints import class_of, members
from ._path import dotted
from ._ron_data import Tagged
from ._rules import Places, Rule, finished
from ._shape import alternatives, below, may_be, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "VERSION",
    "Versioned",
    "is_older",
    "is_versioned",
    "rules_between",
    "stamp",
    "upgrade",
    "version_in",
    "version_of",
]

#: Under this name the version stands in a file.
VERSION = "version"


class Versioned:
    """The base of a config or state whose files say their version.

    ``version`` stands in each file that is written. An older file is read through every rule that leads from its
    version to the one of the class, in order; one without a version is the oldest, 0. A newer file is refused.

    A class that stands in another one, in a list, a mapping or a union, has its version and its rules as well; they are
    used when those of what it stands in have done their work.
    """

    __slots__ = ()

    @classmethod
    def version(cls) -> int:
        """Give the version of the class; raise it with each change that files see."""
        return 0

    @classmethod
    def upgrade_rules(cls) -> Mapping[int, Sequence[Rule]]:
        """Give for each older version the rules that lead from it to the next; a version without rules needs none."""
        return {}


Versioned.__module__ = "lattice_addons.hyperstate"


def upgrade(cls: Any, data: Any) -> Any:
    """Bring the data of a file to the version of its class, and of those in it; the versions are taken out of it.

    The data of a class that is not `Versioned` stays as it is.

    Raises: `SchemaError` for a newer file, and for what a rule cannot change.
    """
    if not _has_versions(cls):
        return data
    data = copy.deepcopy(data)
    for _ in upgraded(cls, data):
        pass
    return finished(data)


def upgraded(cls: Any, data: Any) -> Iterator[Places]:
    """Bring data to the version of its class in place, rule by rule; give the fields that each has renamed."""
    yield from _upgraded(alternatives(cls), data, ())


def _upgraded(kinds: list[Any], data: Any, place: tuple[Any, ...]) -> Iterator[Places]:
    cls = _meant(kinds, data)
    if cls is not None:
        try:
            for rule in rules_between(cls, version_in(cls, data), version_of(cls)):
                # Elsewhere while the rules are at work: to them it is no field.
                _mapping(data).pop(VERSION, None)
                yield [((*place, *old), (*place, *new)) for old, new in rule.apply(data)]
        except SchemaError as error:
            if not place:
                raise
            message = f"{dotted(place)}: {error}"
            raise SchemaError(message, path=".".join(filter(None, (dotted(place), error.path)))) from error
        _mapping(data).pop(VERSION, None)
    # The outer rules first: only then the fields are where the class of today has them.
    for part, value in [*parts_of(data)]:
        yield from _upgraded(below(kinds, data, part), value, (*place, part))


def stamp(cls: Any, data: Any) -> Any:
    """Put the version of a class before its data, for a file, also within it; a class without one has none."""
    return _stamped(alternatives(cls), data) if _has_versions(cls) else data


def _stamped(kinds: list[Any], data: Any) -> Any:
    if isinstance(data, Tagged):
        return Tagged(data.name, _stamped_parts(kinds, data, data.fields))
    return _stamped_parts(kinds, data, data)


def _stamped_parts(kinds: list[Any], whole: Any, data: Any) -> Any:
    if isinstance(data, dict):
        cls = _meant(kinds, whole)
        head = {VERSION: version_of(cls)} if cls is not None else {}
        return {**head, **{name: _stamped(below(kinds, whole, name), value) for name, value in data.items()}}
    if isinstance(data, list):
        return [_stamped(below(kinds, whole, number), value) for number, value in enumerate(data)]
    if isinstance(data, tuple):
        made = [_stamped(below(kinds, whole, number), value) for number, value in enumerate(data)]
        return type(data)(*made) if hasattr(data, "_fields") else tuple(made)
    return data


def _meant(kinds: list[Any], data: Any) -> Any:
    """Give the versioned class that data is of; None where it is of none, or may be of several."""
    if not isinstance(data, (dict, Tagged)):
        return None
    found = [kind for kind in kinds if class_of(kind) is not None and may_be(kind, data)]
    return found[0] if len(found) == 1 and is_versioned(found[0]) else None


def is_older(cls: Any, data: Any) -> bool:
    """Say whether anything in a file is of an older version than its class."""
    return _is_older(alternatives(cls), data)


def _is_older(kinds: list[Any], data: Any) -> bool:
    cls = _meant(kinds, data)
    if cls is not None and version_in(cls, data) != version_of(cls):
        return True
    return any(_is_older(below(kinds, data, part), value) for part, value in parts_of(data))


def _has_versions(cls: Any) -> bool:
    """Say whether a class, or any that may stand in it, is versioned."""
    seen: list[Any] = []
    left = alternatives(cls)
    while left:
        kind = left.pop()
        if is_versioned(kind):
            return True
        if kind in seen:
            continue
        seen.append(kind)
        inside = (
            [member.type for member in members(kind).values()]
            if class_of(kind) is not None
            else get_args(kind)
        )
        left += [one for each in inside for one in alternatives(each)]
    return False


def version_of(cls: Any) -> int:
    """Give the version that a class says it has; one that is not versioned is of version 0."""
    if not is_versioned(cls):
        return 0
    kind: Any = class_of(cls) or cls
    if VERSION in members(cls):
        message = f"{kind.__name__} is Versioned, and has a field called version as well; give the field another name"
        raise SchemaError(message, path=VERSION)
    version = kind.version()
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise SchemaError(f"{kind.__name__}.version() is {version!r}; a version is 0, 1, 2, …", path=VERSION)
    return version


def version_in(cls: Any, data: Any) -> int:
    """Give the version that a file says it has.

    Raises: `SchemaError` when it is newer than the class, or no version.
    """
    found = _mapping(data).get(VERSION, 0)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise SchemaError(f"the file says version: {found!r}; a version is 0, 1, 2, …", path=VERSION)
    ours = version_of(cls)
    if found > ours:
        name = getattr(class_of(cls), "__name__", cls)
        message = (
            f"the file is of version {found}, and {name} of version {ours}: use newer code, or an older file"
        )
        raise SchemaError(message, path=VERSION)
    return found


def rules_between(cls: Any, older: int, newer: int) -> list[Rule]:
    """Give the rules that lead from one version to another, in order."""
    kind: Any = class_of(cls) or cls
    rules = kind.upgrade_rules() if is_versioned(cls) else {}
    found = [rule for version in range(older, newer) for rule in rules.get(version, ())]
    for rule in found:
        if not isinstance(rule, Rule):
            message = (
                f"{kind.__name__}.upgrade_rules() has {rule!r}, which is no rule, as RenameField(old, new) is"
            )
            raise SchemaError(message, path="")
    return found


def is_versioned(cls: Any) -> bool:
    """Say whether a class has a version."""
    kind = class_of(cls) or cls
    return isinstance(kind, type) and issubclass(kind, Versioned)


def _mapping(data: Any) -> dict[Any, Any]:
    """Give the fields of the whole; what is no mapping has none, and whoever builds the class refuses it."""
    fields = data.fields if isinstance(data, Tagged) else data
    return fields if isinstance(fields, dict) else {}
