"""Of a stored tree one part is made again, and only the memory that this part lies in is read."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._plain import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["part_of_tree"]

_NOWHERE = [0, 0, 0]


def part_of_tree(header: bytes, path: Sequence[object]) -> tuple[bytes, list[int]]:
    """Give the header of a part, and the numbers of the buffers that belong to it.

    Raises:
        KeyError: the tree has no such part.
    """
    whole = from_json(header)
    node = whole["tree"]
    for key in path:
        node = _under(_itself(whole, node), key)
    leaves = list(_leaves(whole, node, set()))
    if "shared" in whole:
        # What stands in one of those must not be at two places of the part's header.
        node = deepcopy(node)
    used = {memory for kind, number in leaves for memory in _memories(whole, kind, number)}
    numbers = sorted({place[1] for at, place in enumerate(whole.get("memory", [])) if at in used})
    places = [
        [place[0], numbers.index(place[1]), *place[2:]] if at in used else list(_NOWHERE)
        for at, place in enumerate(whole.get("memory", []))
    ]
    # A part without memory has none of these.
    places = places if numbers else []
    # Who asks for none needs no torch.
    tensors = whole.get("tensors", []) if any(kind == "tensor" for kind, _ in leaves) else []
    text = to_json({**whole, "tree": node, "memory": places, "tensors": tensors})
    assert text is not None  # noqa: S101 - it was plain before; this tells the type checker
    return text, numbers


def _under(node: Any, key: object) -> Any:
    """Give what is under a key of a mapping or an index of a sequence."""
    if isinstance(node, list):
        return node[key] if isinstance(key, int) and -len(node) <= key < len(node) else _missing(key)
    found: tuple[str, Any] = next(iter(node.items())) if isinstance(node, dict) else ("", None)
    kind, content = found
    if kind == "dict":
        return content[key]
    if kind in {"items", "ordered", "counter"}:
        described = _as_key(key)
        for each, value in content:
            if each == described:
                return value
    if kind == "tuple":
        return _under(content, key)
    return _missing(key)


def _as_key(key: object) -> object:
    """Give a key of a mapping as it is described there."""
    return {"tuple": [_as_key(part) for part in key]} if type(key) is tuple else key


def _missing(key: object) -> Any:
    raise KeyError(key)


def _itself(whole: Any, node: Any) -> Any:
    """Give a container that stands at several places, and is described elsewhere."""
    while isinstance(node, dict) and "shared" in node:
        node = whole["shared"][node["shared"]]
    return node


def _leaves(whole: Any, node: Any, met: set[int]) -> Iterator[tuple[str, int]]:
    """Give the numbers of the tensors and arrays within a node; ``met``: the shared containers that were gone into."""
    if isinstance(node, list):
        for each in node:
            yield from _leaves(whole, each, met)
    elif isinstance(node, dict):
        kind = next(iter(node), "")
        if kind in {"array", "tensor"}:
            yield kind, node[kind]
        elif kind == "shared" and node[kind] not in met:
            met.add(node[kind])
            yield from _leaves(whole, whole["shared"][node[kind]], met)
        elif kind == "dict":
            yield from _leaves(whole, list(node[kind].values()), met)
        else:
            yield from _leaves(whole, list(node.values()), met)


def _memories(whole: Any, kind: str, number: int) -> Iterator[int]:
    """Give the numbers of the memories that a tensor or an array lies in."""
    if kind == "array":
        yield whole["arrays"][number]["memory"]
    else:
        yield from _of_tensor(whole, number)


def _of_tensor(whole: Any, number: int) -> Iterator[int]:
    record = whole["tensors"][number]
    if "memory" in record:
        yield record["memory"]
    others = record.get("quantizer", {})
    parts = [
        *record.get("parts", []),
        *(others[name] for name in ("scales", "zero_points") if name in others),
    ]
    for part in parts:
        yield from _of_tensor(whole, part)
