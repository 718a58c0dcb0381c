"""Large containers within a value are written in one go, too, where nothing that is made again can tell."""

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


@pytest.mark.parametrize("kind", [list, dict, set])
@pytest.mark.parametrize(
    "around",
    [
        lambda held: {"history": held, "step": (1,)},
        lambda held: [[held], (2,)],
        lambda held: (1, ({"a": held},)),
        lambda held: Point(1, held),
        lambda held: {"state": [Point(1, {"held": held})]},
    ],
    ids=["dict", "list", "tuple", "object", "deep"],
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


def test_several_of_which_nothing_else_has_hold_are_all_written_so() -> None:
    """And one that something else holds, as the program itself."""
    history = parts(list, 5000)
    value: dict[Any, Any] = {
        "mine": history,
        **{number: [parts(list, 1200), parts(set, 1200)] for number in range(5)},
    }
    payload = payload_of(value)
    assert counted(payload, "APPENDS", "ADDITEMS", "SETITEMS") == [1 + 5 + 5, 5, 1]
    assert pickle.loads(payload) == value


def test_what_the_program_holds_as_well_is_written_so_where_it_holds_only_atoms() -> None:
    """These cannot refer to each other; of other containers only the largest is."""
    numbers, names, one, other = (
        list(range(5000)),
        dict(enumerate("x" * 5000)),
        parts(list),
        parts(list, 2500),
    )
    value = (numbers, names, one, other)
    assert counted(payload_of(value), "APPENDS", "SETITEMS") == [1 + 1 + 3, 1]
    assert restored(encode(value)) == value


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


def test_who_holds_what_holds_it_sees_all_of_it() -> None:
    """A container is not written before, only because it is held by one object, if that is at two places."""
    owner = Point(1, parts(list))
    back: Any = restored(encode([[*parts(list, 3000), Watcher([owner])], owner]))
    watcher = back[0][-1]
    assert watcher.other[0] is back[1]
    assert back[1] == owner


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
    payload = payload_of([Cached(), (1,)])
    assert len(payload) < 200
    value = [Slotted(parts(list)), (1,)]
    assert restored(encode(value))[0].part == parts(list)


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
