"""What Python would make again by calling a class of the program's comes back as it was."""

from __future__ import annotations

import collections
import ctypes
import pickle
import random
import sys
import types
from typing import Any

import numpy as np
import pytest

from lattice_addons.encoding import decode, encode
from lattice_addons.errors import EncodeError
from lattice_addons.testing._encoders import restored
from tests.unit.encoding import remade


def back(value: Any) -> Any:
    """Give a value as a restarted program gets it."""
    return restored(encode(value))


@pytest.mark.parametrize(
    "error",
    [
        remade.QuotaError("ann", 3),
        remade.MissingError("door"),
        remade.RefusedError("file", tries=2),
        remade.FrozenError(3),
        ValueError("as it is", 1),
        OSError(2, "no", "such"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_with_all_they_have(error: Any) -> None:
    """Without their class being called with their ``args``, which are not what it takes; twice is as once."""
    for found in (back([error])[0], back(back(error))):
        assert type(found) is type(error)
        assert (str(found), found.args, vars(found)) == (str(error), error.args, vars(error))
        for name in ("errno", "strerror", "filename", "name", "never"):
            assert getattr(found, name, "none") == getattr(error, name, "none")


def test_what_a_class_shows_in_another_way_is_stored_as_it_is() -> None:
    """None of its own code is asked for what is in it, and nothing of that is lost."""
    error = back(remade.HiddenError("real"))
    assert (error.filename, str(error)) == ("shown", "[Errno 13] refused: 'real'")
    assert BaseException.args.__get__(error) == (13, "refused")  # type: ignore[attr-defined]

    found = back(remade.Sorted({"b": 1, "_hidden": 2, "a": 3}))
    assert list(dict.items(found)) == [("b", 1), ("_hidden", 2), ("a", 3)]


@pytest.mark.parametrize("kind", ["PydanticKnownError", "SchemaError", "PydanticOmit"])
def test_errors_written_in_c_are_stored_in_their_own_way(kind: str) -> None:
    """What they have in C nobody else can fill."""
    arguments = {"PydanticKnownError": ("greater_than", {"gt": 1}), "SchemaError": ("wrong",)}.get(kind, ())
    error = getattr(pytest.importorskip("pydantic_core"), kind)(*arguments)
    found = back([error])[0]
    assert (type(found), str(found)) == (type(error), str(error))


def test_an_error_may_hold_itself() -> None:
    """As errors do that keep others they came with."""
    error = remade.QuotaError("ann", 3)
    error.all = [error]  # type: ignore[attr-defined]
    error.args = (*error.args, [error])
    found = back(error)
    assert found.all[0] is found
    assert found.args[1][0] is found


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups of errors yet")
def test_groups_of_errors_come_back() -> None:
    """One of the program's own, that takes what its parts do not tell."""
    found = back(remade.Several([ValueError(1), remade.QuotaError("ann", 3)], 7))
    assert (found.message, found.code, found.exceptions[1].used) == ("exit code 7", 7, 3)


def test_dicts_of_a_class_come_back_whole() -> None:
    """Nothing falls out when it is read, the order is the same, and what they hold may be themselves."""
    recent = remade.Recent(100)
    for number in range(50):
        recent[number] = [number]
    recent.move_to_end(3)
    recent["all"] = recent
    before = list(recent)
    found = back(recent)
    assert (list(found), found.maxsize, list(recent)) == (before, 100, before)
    assert found["all"] is found

    logged = remade.Logged()
    logged["one"] = logged["two"] = logged
    found = back(logged)
    assert (list(found), found.log) == (["one", "two"], ["one", "two"])
    assert found["two"] is found

    groups = remade.Groups()
    groups["a"].append(1)
    groups.note = "kept"  # type: ignore[attr-defined]
    found = back(groups)
    assert (dict(found), found.default_factory, found.note) == ({"a": [1]}, list, "kept")

    votes = remade.Votes("today")
    votes.update("aab")
    votes["c"] = -1
    found = back(votes)
    assert (dict(found), found.name) == ({"a": 2, "b": 1, "c": -1}, "today")


def test_items_that_are_attributes_stay_so() -> None:
    """What is put in afterwards shows in both."""
    found = back(remade.Dotted(lr=0.1))
    found.step = 3
    assert (found.lr, found) == (0.1, {"lr": 0.1, "step": 3})


def test_attributes_of_a_counter_come_back() -> None:
    """Python's own way forgets them; one without any is stored as it was before."""
    counter = collections.Counter("aab")
    plain = encode(counter).buffers
    counter.note = "kept"  # type: ignore[attr-defined]
    found = back([counter, counter])
    assert (found[0], found[0].note, found[0] is found[1]) == (counter, "kept", True)
    assert b"refilled" not in bytes(plain[0])  # type: ignore[arg-type]


def test_lists_sets_and_deques_of_a_class_come_back_whole() -> None:
    """With what they count, what they are in, and how long they may be."""
    root = remade.Branch("root")
    root.append(remade.Branch("leaf"))
    found = back(root)
    assert (found.name, found.added, found[0].name, found[0].parent is found) == ("root", 1, "leaf", True)

    found = back(remade.Tags("mine", [1, 2]))
    assert (set(found), found.name) == ({1, 2}, "mine")

    ring = remade.Ring(2)
    ring.extend([1, 2, 3])
    found = back(ring)
    assert (list(found), found.maxlen) == ([2, 3], 2)


def test_values_of_a_class_are_not_made_twice() -> None:
    """A number that was converted is not converted again; nor is more asked for than there is."""
    word, span = remade.Word("run", "verb"), remade.Span(3)
    span.note = "kept"  # type: ignore[attr-defined]
    values = [remade.Celsius(50), remade.Vector(1, 2), word, span]
    found = back(values)
    assert found == values == [10.0, (1, 2), "run", (3, 4)]
    assert [*map(type, found)] == [*map(type, values)]
    assert (found[2].kind, found[3].note) == ("verb", "kept")


@pytest.mark.parametrize("value", [remade.Day(2026, 1, 2), remade.Price("1.50")], ids=repr)
def test_attributes_of_dates_and_decimals_come_back(value: Any) -> None:
    """Of a class built on them, which may have some."""
    value.note = ["kept"]
    found = back(value)
    assert (found, found.note, type(found)) == (value, ["kept"], type(value))


def test_attributes_of_arrays_come_back() -> None:
    """Of a class that NumPy's documentation would make; what shows a file comes back without its file."""
    lengths = np.arange(6.0).reshape(2, 3)[:, ::2].view(remade.Measured)
    lengths.unit = ["m"]
    found = back([lengths])[0]
    assert (type(found), found.unit, found.tolist()) == (remade.Measured, ["m"], lengths.tolist())


def test_objects_that_ask_another_for_attributes_come_back() -> None:
    """They are not asked before they have anything to ask."""
    found = back(remade.Behind([1, 2]))
    assert (found.inner, found.count(1)) == ([1, 2], 1)
    typed: remade.Typed[Any] = remade.Typed([1])
    assert back(typed).count(1) == 1
    assert back(remade.Named("ann")).name == "ann"


def test_what_cannot_be_made_again_is_refused_when_it_is_stored() -> None:
    """And not when it is needed: the error names the class and what to give it."""
    with pytest.raises(
        EncodeError, match=r"Dice\(…\) of 0 arguments, which this class does not take; .*__reduce__"
    ):
        encode({"dice": remade.Dice(6)})
    with pytest.raises(EncodeError, match=r"'flags', a class written in C that has no name"):
        encode([sys.flags])
    with pytest.raises(EncodeError, match=r"a class written in C"):
        encode((ctypes.c_int * 3)(1, 2, 3))
    assert back(remade.Loaded(3)).sides == 6  # what its class is called with is not what it takes
    assert back(random.Random(3)).random() == random.Random(3).random()


def test_members_of_an_enum_are_found_whatever_their_values() -> None:
    """``object()`` is equal to nothing that is read."""
    found = back({remade.Unset.UNSET: [remade.Unset.UNSET, remade.Unset.GIVEN]})
    assert found[remade.Unset.UNSET][0] is remade.Unset.UNSET
    assert found[remade.Unset.UNSET][1] is remade.Unset.GIVEN


def test_bound_methods_stay_what_they_are() -> None:
    """Private ones, decorated ones, those of a base class, and those that an object was given."""
    machine: Any = remade.Faster()

    def run(self: object) -> str:
        return f"{type(self).__name__} given"

    machine.run = types.MethodType(run, machine)
    found = back(machine)
    assert (found.private(), found.decorated(), found.plain()) == ("private", "SHOUT", "faster")
    assert (found.slow(), found.run()) == ("machine", "Faster given")
    assert found.private.__self__ is found.run.__self__ is found
    assert encode(remade.Machine()).encoding == "pickle"
    walk = encode([remade.Machine().walk])
    assert (walk.encoding, restored(walk)[0]()) == ("pickle", "slowly")


def test_a_class_may_learn_to_read_what_is_older(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``__setstate__`` that it has since is given the attributes."""
    votes = remade.Votes("today")
    votes["a"] = 2
    stored = encode([votes, remade.QuotaError("ann", 3)])

    def setstate(self: Any, state: dict[str, Any]) -> None:
        vars(self).update({f"new_{name}": value for name, value in state.items()})

    monkeypatch.setattr(remade.Votes, "__setstate__", setstate, raising=False)
    monkeypatch.setattr(remade.QuotaError, "__setstate__", setstate, raising=False)
    found, error = restored(stored)
    assert (found["a"], vars(found)) == (2, {"new_name": "today"})
    assert (str(error), vars(error)) == ("ann has used 3", {"new_user": "ann", "new_used": 3})


def test_what_earlier_versions_stored_is_read() -> None:
    """A list of a class, filled by its own methods."""
    stored = pickle.dumps(remade.Branch("mine"), 5)
    found: Any = decode("pickle", None, [bytearray(stored)])
    assert found.name == "mine"
