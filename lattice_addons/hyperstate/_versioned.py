"""A class that knows its version, and how files of older versions are read."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SchemaError

from ._hints import class_of, members
from ._ron_data import Tagged
from ._rules import Places, Rule, finished

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["VERSION", "Versioned", "rules_between", "stamp", "upgrade", "version_in", "version_of"]

#: Under this name the version stands in a file.
VERSION = "version"


class Versioned:
    """The base of a config or state whose files say their version.

    ``version`` stands in each file that is written. An older file is read through every rule that leads from its
    version to the one of the class, in order; one without a version is the oldest, 0. A newer file is refused.
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
    """Bring the data of a file to the version of its class; the version itself is taken out of it.

    The data of a class that is not `Versioned` stays as it is.

    Raises: `SchemaError` for a newer file, and for what a rule cannot change.
    """
    if not _is_versioned(cls):
        return data
    data = copy.deepcopy(data)
    for _ in upgraded(cls, data):
        pass
    _mapping(data).pop(VERSION, None)
    return finished(data)


def upgraded(cls: Any, data: Any) -> Iterator[Places]:
    """Bring data to the version of its class in place, rule by rule; give the fields that each has renamed."""
    fields = _mapping(data)
    for rule in rules_between(cls, version_in(cls, data), version_of(cls)):
        # Elsewhere while the rules are at work: to them it is no field.
        fields.pop(VERSION, None)
        yield rule.apply(data)


def stamp(cls: Any, data: Any) -> Any:
    """Put the version of a class before its data, for a file; a class without one has none."""
    if not _is_versioned(cls):
        return data
    if isinstance(data, Tagged):
        return Tagged(data.name, {VERSION: version_of(cls), **_mapping(data)})
    return {VERSION: version_of(cls), **data}


def version_of(cls: Any) -> int:
    """Give the version that a class says it has; one that is not versioned is of version 0."""
    if not _is_versioned(cls):
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
    rules = kind.upgrade_rules() if _is_versioned(cls) else {}
    found = [rule for version in range(older, newer) for rule in rules.get(version, ())]
    for rule in found:
        if not isinstance(rule, Rule):
            message = (
                f"{kind.__name__}.upgrade_rules() has {rule!r}, which is no rule, as RenameField(old, new) is"
            )
            raise SchemaError(message, path="")
    return found


def _is_versioned(cls: Any) -> bool:
    kind = class_of(cls) or cls
    return isinstance(kind, type) and issubclass(kind, Versioned)


def _mapping(data: Any) -> dict[Any, Any]:
    """Give the fields of the whole; what is no mapping has none, and whoever builds the class refuses it."""
    fields = data.fields if isinstance(data, Tagged) else data
    return fields if isinstance(fields, dict) else {}
