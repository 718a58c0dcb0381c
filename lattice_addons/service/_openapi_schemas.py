"""The forms of what the service answers, for programs that read OpenAPI."""

from __future__ import annotations

from typing import Any

from lattice_addons import errors
from lattice_addons.errors import LatticeError

__all__ = ["schemas"]


def schemas() -> dict[str, Any]:
    """Give them by name."""
    text: dict[str, Any] = {"type": "string"}
    entry = {
        "type": "object",
        "required": ["key", "size", "tag", "modified"],
        "properties": {
            "key": text,
            "size": {"type": "integer"},
            "tag": text,
            "modified": {"type": ["number", "null"]},
        },
    }
    kinds = [name for name in errors.__all__ if issubclass(getattr(errors, name), LatticeError)]
    return {
        "Jobs": _one_list("jobs", text),
        "Listing": _one_list("objects", entry),
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail", "hint"],
            "properties": {
                "type": {"enum": kinds},
                "title": text,
                "status": {"type": "integer"},
                "detail": text,
                "hint": text,
            },
        },
    }


def _one_list(name: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: {"type": "array", "items": items}}}
