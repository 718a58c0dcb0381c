"""A part of a stored tree is found by the keys that lead to it in the value."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

import pytest

np = pytest.importorskip("numpy", reason="NumPy is not installed")

from lattice_addons.encoding import AsTree, decode, encode, part_of_tree  # noqa: E402 - after the skip

VALUE: dict[str, Any] = {
    "list": [[1], np.arange(3)],
    "tuple": ("a", np.arange(5_000)),
    "keys": {7: 1, 0.5: 2, None: 3, (0, 1): np.arange(20_000), (0, ("x", 2)): 5},
    "ordered": OrderedDict({("a",): np.arange(2)}),
    "counter": Counter({"a": 2, (1, 2): 3}),
    "$key": {"$x": 1},
}


def parts(value: Any, path: tuple[object, ...] = ()) -> list[tuple[tuple[object, ...], Any]]:
    """Give all parts of a value with the keys that lead there."""
    steps: list[Any] = [*value] if isinstance(value, dict) else []
    if isinstance(value, (list, tuple)):
        steps = [*range(-len(value), len(value))]
    return [(path, value), *(found for step in steps for found in parts(value[step], (*path, step)))]


@pytest.mark.parametrize(("path", "wanted"), parts(VALUE), ids=[str(path) for path, _ in parts(VALUE)])
def test_every_part_is_found(path: tuple[object, ...], wanted: object) -> None:
    """It is what stands there in the value, and needs no buffer of another part."""
    encoded = encode(AsTree(VALUE))
    assert encoded.encoding == "tree"
    assert encoded.value is not None
    header, numbers = part_of_tree(encoded.value, path)
    buffers = [bytearray(encoded.buffers[number]) for number in numbers]  # type: ignore[arg-type]
    found = decode("tree", header, buffers, trust="safe")
    np.testing.assert_equal(found, wanted)
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    "path",
    [("other",), ("list", 2), ("list", -3), ("list", "a"), ("keys", (0, 2)), ("keys", 8), ("counter", "b")],
    ids=str,
)
def test_what_is_not_there_is_a_key_error(path: tuple[object, ...]) -> None:
    """Also of a sequence: nobody need know what it is before it is read."""
    encoded = encode(AsTree(VALUE))
    assert encoded.value is not None
    with pytest.raises(KeyError):
        part_of_tree(encoded.value, path)
