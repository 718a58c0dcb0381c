"""However the parts of a value refer to each other, they do so again, and are whole when one of them looks."""

from __future__ import annotations

import pickle
from collections import deque
from typing import Any, TypeAlias
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from lattice_addons.encoding import _spine, encode
from lattice_addons.testing._encoders import restored

KINDS = ("list", "dict", "set", "tuple", "object", "watcher")
#: Of each part its kind, whether it is large, and where it refers to, told by numbers.
graphs = st.lists(
    st.tuples(st.sampled_from(KINDS), st.booleans(), st.lists(st.integers(0, 30), max_size=3)),
    min_size=3,
    max_size=10,
)
Told: TypeAlias = "list[tuple[str, bool, list[int]]]"


class Thing:
    """What is made again from its attributes."""


class Watcher:
    """What looks, when it is made again, at all that it leads to."""

    def __init__(self) -> None:
        self.held: list[Any] = []

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Look."""
        self.__dict__.update(state)
        self.seen = weight(self.held)


def parts_of(thing: Any) -> list[Any]:
    """Give what something holds."""
    if isinstance(thing, dict):
        return [*thing.keys(), *thing.values()]
    if isinstance(thing, (Thing, Watcher)):
        return [each for name, each in vars(thing).items() if name != "seen"]
    return list(thing) if isinstance(thing, (list, tuple)) else sorted(thing) if type(thing) is set else []


def weight(thing: Any) -> int:
    """Count all that something leads to."""
    waiting, seen = deque([thing]), {id(thing)}
    total = 0
    while waiting:
        for part in parts_of(waiting.popleft()):
            total += 1
            if id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)
    return total


def made(told: Told, *, cycles: bool) -> list[Any]:
    """Make a value of some parts: each refers to some that were made before, or with cycles to any."""
    makes: dict[str, Any] = {"list": list, "dict": dict, "set": set, "object": Thing, "watcher": Watcher}
    things: list[Any] = []
    for number, (kind, large, to) in enumerate(told):
        before = [things[place % number] for place in to] if number else []
        things.append(tuple(before) if kind == "tuple" else makes[kind]())
        if not cycles:
            fill(things[-1], before, number, large=large)
    if cycles:
        for number, (_, large, to) in enumerate(told):
            held = [things[place % len(things)] for place in to]
            fill(things[number], held, number, large=large)
    # No plain data, for these are no pickle.
    return [*things[-3:], ()]


def fill(thing: Any, held: list[Any], number: int, *, large: bool) -> None:
    """Let one part refer to others, and have some numbers."""
    rest = [number, *range(1000, 1004)] if large else []
    if type(thing) is list:
        thing += held + rest
    elif type(thing) is dict:
        thing.update(enumerate(held + rest))
    elif type(thing) is set:
        thing.update(rest)
    elif type(thing) is Thing:
        vars(thing).update({f"of_{place}": each for place, each in enumerate(held)})
    elif type(thing) is Watcher:
        thing.held += held


def assert_alike(one: Any, other: Any) -> None:
    """See that two values have equal parts, the same ones at the same places."""
    waiting, known, back = deque([(one, other)]), {id(one): id(other)}, {id(other): id(one)}
    while waiting:
        left, right = waiting.popleft()
        assert type(left) is type(right)
        if isinstance(left, int):
            assert left == right
        ours, theirs = parts_of(left), parts_of(right)
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs, strict=True):
            if isinstance(pair[0], (int, str)) or pair[0] == ():
                assert pair[0] == pair[1]
                continue
            new = id(pair[0]) not in known
            assert known.setdefault(id(pair[0]), id(pair[1])) == id(pair[1])
            assert back.setdefault(id(pair[1]), id(pair[0])) == id(pair[0])
            if new:
                waiting.append(pair)


def back_again(value: Any) -> list[Any]:
    """Give what is made of it by us, and by the unpicklers of C and Python."""
    with patch.object(_spine, "_BATCH", 4):
        encoded = encode(value)
    payload = bytes(encoded.buffers[0])  # type: ignore[arg-type]
    return [restored(encoded), pickle.loads(payload), pickle._loads(payload)]  # type: ignore[attr-defined]


@settings(max_examples=150, deadline=None)
@given(graphs)
def test_all_that_is_the_same_stays_the_same(told: Told) -> None:
    """Also where a part leads to itself."""
    value = made(told, cycles=True)
    for back in back_again(value):
        assert_alike(value, back)


@settings(max_examples=150, deadline=None)
@given(graphs)
def test_who_looks_sees_all(told: Told) -> None:
    """Without cycles an object has all that it refers to when it is made again, whole."""
    value = made(told, cycles=False)
    for back in back_again(value):
        assert_alike(value, back)
        waiting = [back]
        for thing in waiting:
            assert not isinstance(thing, Watcher) or thing.seen == weight(thing.held)
            waiting += [part for part in parts_of(thing) if not isinstance(part, int)][: 2000 - len(waiting)]


@settings(max_examples=150, deadline=None)
@given(graphs)
def test_who_looks_in_a_circle_sees_what_is_there_in_any_pickle(told: Told) -> None:
    """An object that is made again before what it leads to sees just as much of it as it would elsewhere."""
    value = {"parts": (made(told, cycles=True),)}
    theirs = pickle.loads(pickle.dumps(value, 5))
    for ours in back_again(value):
        pairs, seen = deque([(ours, theirs)]), {id(ours)}
        while pairs:
            mine, other = pairs.popleft()
            assert not isinstance(mine, Watcher) or mine.seen == other.seen
            for one, two in zip(parts_of(mine), parts_of(other), strict=True):
                if id(one) not in seen and not isinstance(one, int):
                    seen.add(id(one))
                    pairs.append((one, two))
