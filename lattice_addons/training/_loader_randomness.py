"""The random generators that a loader's samples depend on: the process's, the data set's, and a worker's."""

from __future__ import annotations

import array
import random
import struct
import sys
import zlib
from binascii import a2b_base64, b2a_base64
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lattice_addons.state import RandomManager, RandomnessManager

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "as_bytes",
    "as_texts",
    "generators_of",
    "generators_within",
    "let_go_on",
    "objects_within",
    "process_put_back",
    "process_states",
    "put_in_worker",
    "states_of",
    "worker_states",
]

# Generators are looked for in the attributes of a data set, and in those of what it has: a data set within a subset,
# the transforms of a sequence. What is farther away, or in a great many objects, is not found.
_DEEP, _MANY = 5, 500
_WORDS = struct.Struct("<?d")


def process_states() -> Any:
    """Give the states of the process's own generators."""
    manager = RandomnessManager()
    manager.watch()
    return manager.capture()


@contextmanager
def process_put_back(states: Any = None) -> Iterator[None]:
    """Let the process's own generators have these states for a while, and then those they had before."""
    before = process_states()
    if states is not None:
        RandomnessManager().restore(states)
    try:
        yield
    finally:
        RandomnessManager().restore(before)


def states_of(generators: Mapping[str, object]) -> dict[str, Any]:
    """Give the states of generators, by name."""
    states: dict[str, Any] = {}
    for name, generator in generators.items():
        manager = RandomManager()
        manager.hold(generator)
        states[name] = manager.capture()
    return states


def let_go_on(generators: Mapping[str, object], states: Mapping[str, Any]) -> None:
    """Let generators go on from these states; one that is no longer there is passed over."""
    for name in generators.keys() & states.keys():
        manager = RandomManager()
        manager.restore(states[name])
        manager.hold(generators[name])


def generators_within(thing: object) -> dict[str, object]:
    """Find the generators that an object has, or the objects that it has; each by its path from there."""
    return {path: item for path, item in objects_within(thing) if _is_generator(item)}


def objects_within(thing: object) -> Iterator[tuple[str, object]]:
    """Go through the objects that an object has, and those that they have; each with its path from there."""
    seen: set[int] = set()
    rows: list[tuple[str, object]] = [("", thing)]
    for _ in range(_DEEP):
        below: list[tuple[str, object]] = []
        for path, item in rows:
            if id(item) in seen or len(seen) > _MANY:
                continue
            seen.add(id(item))
            yield path, item
            if not _is_generator(item):
                below.extend((f"{path}.{name}", part) for name, part in _parts(item))
        rows = below


def generators_of(thing: object) -> dict[str, object]:
    """Find the generators that an object itself has as attributes."""
    return {name: item for name, item in getattr(thing, "__dict__", {}).items() if _is_generator(item)}


def _is_generator(item: object) -> bool:
    kind = type(item)
    module = kind.__module__.partition(".")[0]
    return isinstance(item, random.Random) or (
        (module == "torch" and kind.__name__ == "Generator")
        or (module == "numpy" and kind.__name__ in ("Generator", "RandomState"))
    )


def _parts(item: object) -> Iterable[tuple[str, object]]:
    if isinstance(item, (list, tuple)):
        # The samples themselves may be such a list: a look at the first of many tells what they are.
        return ((str(number), part) for number, part in enumerate(item[:20]))
    if isinstance(item, dict):
        return ((str(name), item[name]) for name in list(item)[:20])
    kind = type(item)
    if kind.__module__.partition(".")[0] in ("builtins", "numpy", "pandas") or kind.__name__ in (
        "Tensor",
        "Parameter",
    ):
        return ()
    return list(getattr(item, "__dict__", {}).items())


# -- in a worker, after every batch: as bytes, which are made and compared quickly


def worker_states() -> dict[str, bytes]:
    """Give the states of this worker's own generators."""
    version, words, gauss = random.getstate()
    states = {
        "random": _packed(gauss is not None, gauss or 0.0)
        + bytes([version])
        + array.array("I", words).tobytes()
    }
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None:
        states["torch"] = bytes(torch.get_rng_state().numpy().data)
    if numpy is not None:
        name, keys, position, has, cached = numpy.random.get_state()
        if name == "MT19937":
            states["numpy"] = _packed(bool(has), cached) + struct.pack("<I", position) + keys.tobytes()
    return states


def put_in_worker(states: Mapping[str, bytes]) -> None:
    """Let this worker's generators go on from these states."""
    size = _WORDS.size
    if "random" in states:
        data = states["random"]
        has, gauss = _WORDS.unpack(data[:size])
        words = array.array("I", data[size + 1 :])
        random.setstate((data[size], tuple(words), gauss if has else None))
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and "torch" in states:
        torch.set_rng_state(torch.frombuffer(bytearray(states["torch"]), dtype=torch.uint8))
    if numpy is not None and "numpy" in states:
        data = states["numpy"]
        has, cached = _WORDS.unpack(data[:size])
        (position,) = struct.unpack("<I", data[size : size + 4])
        keys = numpy.frombuffer(data[size + 4 :], dtype=numpy.uint32)
        numpy.random.set_state(("MT19937", keys, position, int(has), cached))


def _packed(has: bool, number: float) -> bytes:  # noqa: FBT001 - two halves of one thing
    return _WORDS.pack(has, number)


def as_texts(states: Mapping[str, bytes]) -> dict[str, str]:
    """Give states in a form that is plain data."""
    return {name: b2a_base64(zlib.compress(data, 1), newline=False).decode() for name, data in states.items()}


def as_bytes(texts: Mapping[str, str]) -> dict[str, bytes]:
    """Give states back from their plain form."""
    return {name: zlib.decompress(a2b_base64(text)) for name, text in texts.items()}
