"""Large containers within a value are written in one go, too, and nothing that is made again can tell."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from lattice_addons.encoding import encode
from lattice_addons.testing._encoders import restored
from tests.unit.encoding.classes import Point, Slotted
from tests.unit.encoding.test_seamless import counted, parts, payload_of

ENDS = ("APPENDS", "SETITEMS", "ADDITEMS")


class Watcher:
    """Counts what it refers to when it is made again."""

    def __init__(self, other: list[Any]) -> None:
        self.other = other

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Count them."""
        self.__dict__.update(state)
        self.seen = len(self.other)


class Cached:
    """Does not store all that it has."""

    def __init__(self) -> None:
        self.cache = parts(list)

    def __getstate__(self) -> dict[str, Any]:
        """Give the rest."""
        return {"kept": 1}


class Lazy:
    """Makes what it stands for when its attributes are asked for."""

    asked = 0

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """Make them."""
        Lazy.asked += 1
        return {"made": parts(list)}

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Give how it is made anew."""
        return Lazy, ()


@pytest.mark.parametrize("kind", [list, dict, set])
@pytest.mark.parametrize(
    "around",
    [
        lambda held: {"history": held, "step": (1,)},
        lambda held: [[held], (2,)],
        lambda held: (1, ({"a": held},)),
        lambda held: {"state": [({"held": held}, Point(1))]},
    ],
    ids=["dict", "list", "tuple", "deep"],
)
def test_one_within_is_written_in_one_go(kind: type, around: Any) -> None:
    """One end for it, wherever it stands; and any unpickler makes the same of it."""
    value = around(parts(kind))
    payload = payload_of(value)
    assert max(counted(payload, *ENDS)) <= 3  # there would be four of one
    assert counted(payload, "FRAME") == [0]
    assert pickle.loads(payload) == value
    assert pickle._loads(payload) == value  # type: ignore[attr-defined]
    assert restored(encode(value)) == value


def test_several_are_all_written_so() -> None:
    """Also one that something else holds, as the program itself."""
    history = parts(list, 5000)
    value: dict[Any, Any] = {
        "mine": history,
        **{number: [parts(list, 1200), parts(set, 1200)] for number in range(5)},
    }
    payload = payload_of(value)
    assert counted(payload, "APPENDS", "ADDITEMS", "SETITEMS") == [1 + 5 + 5, 5, 1]
    assert pickle.loads(payload) == value


@pytest.mark.parametrize(
    "row",
    [
        lambda number: number,
        lambda number: [number, None],
        lambda number: {"text": str(number)},
        lambda number: (number, (1,)),
        Point,
    ],
    ids=["atom", "list", "dict", "nested", "object"],
)
def test_whatever_they_hold_they_are_written_so(row: Any) -> None:
    """There is one end for each, and those that were there before."""
    some, more = ([row(number) for number in range(count)] for count in (1500, 3500))
    value = ([some], {"object": Point(1, [more, 5])}, (1,))
    payload = payload_of(value)
    theirs, ours = counted(pickle.dumps(value, 5), "APPENDS")[0], counted(payload, "APPENDS")[0]
    # The first would have two batches, and the other four.
    assert theirs - ours == 4
    assert pickle.loads(payload) == value


class Parent:
    """Has as many children as it finds when it is made again."""

    def __init__(self) -> None:
        self.children: list[Any] = []

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Count them."""
        self.__dict__.update(state)
        self.count = len(self.children)


@pytest.mark.parametrize(
    "around", [lambda parent: parent, lambda parent: {"a": parent}, lambda parent: (parent,)]
)
def test_in_a_circle_objects_see_what_they_see_in_any_pickle(around: Any) -> None:
    """The children of a parent are made before it looks for them, though each leads to it."""
    parent = Parent()
    parent.children = [Point(number, parent) for number in range(1500)]
    plain, ours = (
        pickle.loads(made) for made in (pickle.dumps(around(parent), 5), payload_of(around(parent)))
    )
    plain, ours = (
        next(iter(each.values())) if isinstance(each, dict) else each[0] if isinstance(each, tuple) else each
        for each in (plain, ours)
    )
    assert plain.count == ours.count == 1500
    assert ours.children[7].y is ours


class Aside:
    """Stores less than it has, as its objects say by themselves."""

    def __init__(self) -> None:
        self.cache = [(number, number) for number in range(2000)]
        self.__getstate__ = dict  # type: ignore[method-assign]


@pytest.mark.parametrize("sizes", [(1500, 2500), (2500, 1500)])
def test_what_looks_at_another_container_sees_all_of_it(sizes: tuple[int, int]) -> None:
    """It is there before, whichever of them is larger."""
    one, other = (parts(list, size) for size in sizes)
    one.append(Watcher(other))
    for value in (
        {"one": one, "other": other},
        {"other": other, "one": one},
        [one, other],
        Point(1, (one, other)),
    ):
        back: Any = pickle.loads(payload_of([value, (1,)]))[0]
        back = list(vars(back).values())[1] if isinstance(back, Point) else back
        found = {len(each): each for each in (back.values() if isinstance(back, dict) else back)}
        watcher = found[sizes[0] + 1][-1]
        assert watcher.seen == sizes[1]
        assert watcher.other is found[sizes[1]]


def test_what_is_the_same_object_stays_so() -> None:
    """Also in circles."""
    history = parts(list)
    value: dict[str, Any] = {"step": (1,), "history": history, "again": [history]}
    history += [value, history, Point(1, value)]
    back: Any = restored(encode(value))
    assert back["history"] is back["again"][0] is back["history"][-2]
    assert back["history"][-3] is back is back["history"][-1].y


def test_what_an_object_leaves_out_is_left_out() -> None:
    """Large as it is; and what is held in slots goes as it always did."""
    for thing in (Cached(), Aside()):
        assert len(payload_of([thing, (1,)])) < 200
    value = [Slotted(parts(list)), (1,)]
    assert restored(encode(value))[0].part == parts(list)


def test_what_is_made_when_it_is_asked_for_is_not_asked() -> None:
    """To look for large containers runs nothing of the program's."""
    payload = payload_of([Lazy(), parts(list)])
    assert Lazy.asked == 0
    assert type(pickle.loads(payload)[0]) is Lazy


def test_a_function_goes_by_its_name_whatever_it_has() -> None:
    """As a class and a module do."""
    parts.held = parts(list)  # type: ignore[attr-defined]
    try:
        assert len(payload_of([parts, (1,)])) < 200
    finally:
        del parts.held  # type: ignore[attr-defined]


def test_what_cannot_be_pickled_is_found_in_it() -> None:
    """It needs cloudpickle, as anywhere."""
    encoded = encode({"history": [*parts(list), lambda: 5]})
    assert encoded.encoding == "cloudpickle"
    assert restored(encoded)["history"][-1]() == 5
