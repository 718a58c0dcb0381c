"""A tree of containers, tensors and arrays is readable JSON and the raw memory that they lie in."""

from __future__ import annotations

import sys
from binascii import b2a_base64
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any, Final

from lattice_addons.encoding._arrays import encode_array, is_array
from lattice_addons.encoding._memories import laid_out
from lattice_addons.encoding._plain import SCALARS, from_json, to_json
from lattice_addons.encoding._tensors import NotATree, TensorTable, tensor_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lattice_addons.encoding._encoded import Buffer

__all__ = ["AsTree", "encode_tree", "has_tensor"]

# What is nested more deeply, or longer, is for pickle.
_DEEPEST: Final = 100
_LONGEST: Final = 16 * 1024
# So many items are looked at to find a tensor.
_LOOKS: Final = 10_000


class AsTree:
    """A value that is stored without pickle where that can be, be there tensors in it or not."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value: object = value


def has_tensor(value: object) -> bool:
    """Tell whether a value is a tensor or, not far from its top, holds one."""
    kinds = tensor_kinds()
    if not kinds or type(value) in kinds:
        return bool(kinds)
    outer: list[Any] = [value]
    left = _LOOKS
    for container in outer:
        kind = type(container)
        if kind not in (dict, OrderedDict, list, tuple):
            continue
        if len(container) > left:
            return False
        left -= len(container)
        # Copied in one step: another thread may change it.
        for item in list(container.values() if kind in (dict, OrderedDict) else container):
            if type(item) in kinds:
                return True
            if type(item) in (dict, OrderedDict, list, tuple):
                outer.append(item)
    return False


def encode_tree(value: object) -> tuple[bytes, tuple[Buffer, ...]] | None:
    """Give the header and the buffers of a value; None for one that holds what only pickle can keep."""
    writer = _Writer()
    try:
        tree = writer.node(value)
        if writer.twice:
            # Once more, with those by themselves; few values have any.
            writer = _Writer(writer.twice)
            tree = writer.node(value)
        shared = {"shared": writer.containers} if writer.containers else {}
        text = to_json({"tree": tree, **shared})
        if text is None:
            return None
        rest = writer.rest()
    except NotATree:
        return None
    import orjson  # to_json has imported it

    # Of what is made here nothing need be escaped: there may be much of it.
    text = text[:-1] + b"," + orjson.dumps(rest)[1:] if rest else text
    return text, writer.buffers


class _Writer:
    def __init__(self, shared: Mapping[int, object] | None = None) -> None:
        self.buffers: tuple[Buffer, ...] = ()
        #: What was met at two places, by its id.
        self.twice: dict[int, object] = {}
        self._shared = shared or {}
        #: What each of those is, described by itself.
        self.containers: list[Any] = []
        self._places: dict[int, int] = {}
        self._tensors = TensorTable()
        self._arrays: list[tuple[dict[str, Any], Buffer]] = []
        self._seen: dict[int, object] = {}
        self._numbers: dict[int, int] = {}
        self._kinds = tensor_kinds()
        self._depth = 0

    def rest(self) -> dict[str, Any]:
        """Give what is described beside the tree; the memory of it is then in the buffers."""
        records, memories = self._tensors.records(), self._tensors.memories()
        arrays = [
            {**header, "memory": len(memories) + number} for number, (header, _) in enumerate(self._arrays)
        ]
        places, self.buffers = laid_out([*memories, *(memory for _, memory in self._arrays)])
        devices = [span.device for span in self._tensors.spans]
        described: Any = [
            [*place, device] if device != "cpu" else place
            for place, device in zip(places, devices + ["cpu"] * len(arrays), strict=True)
        ]
        parts = {"tensors": records, "arrays": arrays, "memory": described}
        return {name: part for name, part in parts.items() if part}

    def node(self, value: Any) -> Any:
        """Describe a value; what is no number, text, list or None is a dict of one word."""
        kind = type(value)
        if kind in SCALARS:
            return value
        if kind in self._kinds:
            return {"tensor": self._tensors.add(value)}
        if is_array(value):
            return {"array": self._array(value)}
        write = _WRITE.get(kind)
        if write is None:
            return self._other(value)
        alone = kind not in _MUTABLE and (kind not in _FIXED or SCALARS.issuperset(map(type, value)))
        return self._within(value, write) if alone else self._container(value, write)

    def _container(self, value: Any, write: Callable[[_Writer, Any], Any]) -> Any:
        """Describe what is the same at each of its places: it may be changed, or hold much in few steps."""
        if id(value) in self._shared:
            if id(value) not in self._places:
                place = self._places[id(value)] = len(self.containers)
                self.containers.append(None)
                self.containers[place] = self._within(value, write)
            elif self.containers[self._places[id(value)]] is None:
                raise NotATree  # within itself
            return {"shared": self._places[id(value)]}
        if id(value) not in self._seen:
            self._seen[id(value)] = value
            return self._within(value, write)
        if self._shared:
            raise NotATree  # another thread has put it there since
        self.twice[id(value)] = value
        return None

    def _within(self, value: Any, write: Callable[[_Writer, Any], Any]) -> Any:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotATree
        node = write(self, value)
        self._depth -= 1
        return node

    def _array(self, array: Any) -> int:
        if id(array) not in self._numbers:
            encoded = encode_array(array, copy=False)
            if encoded is None:
                raise NotATree
            self._seen[id(array)] = array
            self._numbers[id(array)] = len(self._arrays)
            self._arrays.append((from_json(encoded[0]), encoded[1]))
        return self._numbers[id(array)]

    def _other(self, value: Any) -> Any:
        # While another thread imports torch, it is there without these.
        torch, numpy = sys.modules.get("torch") if self._kinds else None, sys.modules.get("numpy")
        if torch is not None and type(value) is torch.Size:
            return {"size": list(value)}
        if torch is not None and type(value) in (torch.dtype, torch.device):
            return {type(value).__name__: str(value).removeprefix("torch.")}
        if numpy is None or not isinstance(value, numpy.generic) or type(value) is not value.dtype.type:
            raise NotATree
        if value.dtype.kind not in "biufc":
            raise NotATree
        return {"scalar": [value.dtype.str, _as_text(value.tobytes())]}

    def mapping(self, value: dict[Any, Any]) -> Any:
        items = list(value.items())
        if all(type(key) is str for key, _ in items):
            return {"dict": {key: self.node(item) for key, item in items}}
        return {"items": self.pairs(items)}

    def pairs(self, items: Sequence[tuple[Any, Any]]) -> Any:
        return [[self.node(key), self.node(item)] for key, item in items]

    def ordered(self, value: OrderedDict[Any, Any]) -> Any:
        node: dict[str, Any] = {"ordered": self.pairs(list(value.items()))}
        attributes = vars(value)
        if attributes.keys() - {"_metadata"}:
            raise NotATree
        # Where the state dict of a torch module has the versions of its parts.
        if attributes:
            node["_metadata"] = self.node(attributes["_metadata"])
        return node

    def counter(self, value: Counter[Any]) -> Any:
        if vars(value):
            raise NotATree
        return {"counter": self.pairs(list(value.items()))}

    def short(self, value: bytes) -> Any:
        if len(value) > _LONGEST:
            raise NotATree
        return {"bytes": _as_text(value)}


_WRITE: dict[type, Callable[[_Writer, Any], Any]] = {
    dict: _Writer.mapping,
    OrderedDict: _Writer.ordered,
    Counter: _Writer.counter,
    list: lambda writer, value: [writer.node(item) for item in list(value)],
    tuple: lambda writer, value: {"tuple": [writer.node(item) for item in value]},
    set: lambda writer, value: {"set": [writer.node(item) for item in list(value)]},
    frozenset: lambda writer, value: {"frozenset": [writer.node(item) for item in value]},
    bytes: _Writer.short,
    complex: lambda _, value: {"complex": [value.real, value.imag]},
}
_MUTABLE = frozenset({dict, OrderedDict, Counter, list, set})
# These, with nothing in them but numbers and texts, may stand at several places: nobody can tell.
_FIXED = frozenset({tuple, frozenset})


def _as_text(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
