"""Names with dots stand in a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

__all__ = ["above", "leaves", "nested"]


def nested(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give the values below a name as dictionaries in dictionaries; without a name all of them."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        if not prefix or name.startswith(prefix + "."):
            *branches, leaf = (name.removeprefix(prefix + ".") if prefix else name).split(".")
            place = tree
            for branch in branches:
                place = place.setdefault(branch, {})
            place[leaf] = value
    return tree


def above(name: str) -> Iterator[str]:
    """Give the names above a name, the nearest first."""
    while name := name.rpartition(".")[0]:
        yield name


def leaves(tree: Mapping[Any, Any], known: Container[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the names in a tree with their values; a dictionary is a branch unless its name is known to have a value."""
    for key, value in tree.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, dict) and value and name not in known:
            yield from leaves(value, known, name)
        else:
            yield name, value
