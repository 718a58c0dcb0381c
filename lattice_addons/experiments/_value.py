"""A field's default is its own for each instance, and may come with a line of help."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from ._fresh import fixed, fresh
from ._search import Search

__all__ = ["value", "with_fresh_default"]


def value(default: Any = dataclasses.MISSING, *, help: str = "") -> Any:  # noqa: A002 - what it is called
    """Declare a field by its default and a line of help; without a default it must be given.

    The default may be mutable, and may be a search: each instance has its own.
    """
    metadata = {"help": help}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(**_said(default), metadata=metadata)


def with_fresh_default(default: Any) -> Any:
    """Give what a class's body says of a field, so that instances do not share what can be altered."""
    if not isinstance(default, dataclasses.Field):
        said = _said(default)
        return default if "default" in said else dataclasses.field(**said)
    if default.default is dataclasses.MISSING or "default" in _said(default.default):
        return default
    options = {
        name: getattr(default, name) for name in ("repr", "hash", "init", "compare", "metadata", "kw_only")
    }
    return dataclasses.field(**_said(default.default), **options)


def _said(default: Any) -> dict[str, Any]:
    # What is searched is never altered; dataclasses leave such a default on the class, where it can be seen.
    if fixed(default) or isinstance(default, Search):
        return {"default": default}
    return {"default_factory": partial(fresh, default)}
