"""Values that refuse at once what cannot be stored."""

from __future__ import annotations

import copy
import pickle
import pickletools
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import EncodeError
from lattice_addons.state import Picklable, PicklableDict, PicklableWrapper, State
from lattice_addons.testing._managers import through_store

if TYPE_CHECKING:
    from collections.abc import Callable


class Job(Picklable):
    """A class of the program's that wants to be told early."""

    def __init__(self, name: str) -> None:
        self.name = name


class Guarded(Picklable):
    """A class that says itself what of it is stored."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        """Leave the lock out."""
        return {}


class Named(PicklableDict):
    """A dict of the program's own kind, whose construction differs."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)


BAD_WAYS: dict[str, Callable[[PicklableDict, object], object]] = {
    "item": lambda d, bad: d.__setitem__("bad", bad),
    "update": lambda d, bad: d.update({"fine": 1, "bad": bad}),
    "update by pairs": lambda d, bad: d.update([("fine", 1), ("bad", bad)]),
    "update by keywords": lambda d, bad: d.update(fine=1, bad=bad),
    "setdefault": lambda d, bad: d.setdefault("bad", bad),
    "in place or": lambda d, bad: d.__ior__({"fine": 1, "bad": bad}),
    "or": lambda d, bad: d | {"bad": bad},
    "deep inside": lambda d, bad: d.update(fine=1, bad={"list": [1, bad]}),
}


class TestPicklableDict:
    """A dict that can be stored, whatever is done to it."""

    @pytest.mark.parametrize("way", BAD_WAYS)
    def test_what_cannot_be_stored_is_refused(self, way: str) -> None:
        """Each way of setting items refuses a lock, names the item, and sets none."""
        values = PicklableDict(a=1)
        with pytest.raises(EncodeError, match="PicklableDict cannot keep item 'bad'") as caught:
            BAD_WAYS[way](values, threading.Lock())
        assert values == {"a": 1}
        assert caught.value.where == "item 'bad'"

    @pytest.mark.parametrize(
        "make", [lambda bad: PicklableDict(k=bad), lambda bad: PicklableDict({"k": bad})]
    )
    def test_construction_refuses_too(self, make: Callable[[object], object]) -> None:
        """A dict with an item that cannot be stored is not made."""
        with pytest.raises(EncodeError, match="item 'k'"):
            make(sys._getframe())
        with pytest.raises(EncodeError, match="item 'k'"):
            PicklableDict.fromkeys(["k"], threading.Lock())

    def test_a_key_that_cannot_be_stored_is_refused(self) -> None:
        """Keys count as well."""
        with pytest.raises(EncodeError, match="key"):
            PicklableDict({threading.Lock(): 1})

    def test_it_is_a_dict(self) -> None:
        """It is equal to a dict, is made like one, and changes like one."""
        values = PicklableDict({"a": 1}, b=2)
        values |= {"c": 3}
        assert values.setdefault("c", 4) == 3
        assert values == {"a": 1, "b": 2, "c": 3}
        assert (
            type(values | {"d": 4})
            is type(values.copy())
            is type(PicklableDict.fromkeys("xy"))
            is PicklableDict
        )
        assert repr(PicklableDict(a=1)) == "PicklableDict({'a': 1})"

    def test_it_can_be_referred_to_weakly(self) -> None:
        """Which a plain dict cannot."""
        values = PicklableDict()
        assert weakref.ref(values)() is values

    @pytest.mark.parametrize(
        "again", [copy.copy, copy.deepcopy, through_store, lambda v: pickle.loads(pickle.dumps(v))]
    )
    def test_it_comes_back_the_same(self, again: Callable[[object], object]) -> None:
        """Copies and stored ones have the class, the items and the attributes, also of a subclass."""
        values = Named("x")
        values["inner"] = PicklableDict(a=[1])
        values.mark = 3  # type: ignore[attr-defined]
        back = again(values)
        assert type(back) is Named
        assert back == values
        assert back.mark == 3  # type: ignore[attr-defined]

    def test_a_copy_is_one_of_its_kind(self) -> None:
        """Whatever the class's construction takes; what is done to the copy is not done to it."""
        values = Named("x")
        values.mark = 3  # type: ignore[attr-defined]
        for again in (values.copy(), values | {}):
            assert again == values == {"name": "x"}
            assert again.mark == 3  # type: ignore[attr-defined]
            again["more"] = 1
        assert (values | {"name": "y"}) == {"name": "y"}

    def test_one_that_contains_itself_comes_back(self) -> None:
        """A cycle through the dict survives."""
        values = PicklableDict(a=1)
        values["me"] = values
        back = pickle.loads(pickle.dumps(values))
        assert back["me"] is back

    def test_reading_checks_nothing_again(self) -> None:
        """A stored dict is read without storing its items once more; pickles name no private module."""
        pickled = pickle.dumps(PicklableDict(a=Job("x")))
        names = {arg for _, arg, _ in pickletools.genops(pickled) if isinstance(arg, str)}
        assert "lattice_addons.state" in names
        assert not any(name.startswith("lattice_addons.") and "._" in name for name in names)


class TestPicklable:
    """A base class that checks attributes."""

    def test_an_attribute_that_cannot_be_stored_is_refused(self) -> None:
        """The error names the class and the attribute, which stays as it was."""
        job = Job("a")
        with pytest.raises(EncodeError, match="Job cannot keep attribute 'name'"):
            job.name = threading.Lock()  # type: ignore[assignment]
        assert job.name == "a"

    def test_a_class_that_says_itself_what_is_stored_may_have_any(self) -> None:
        """With a ``__getstate__`` of its own, an attribute need not be storable."""
        assert isinstance(through_store(Guarded()), Guarded)

    def test_it_comes_back(self) -> None:
        """An instance survives the store with its class."""
        back = through_store(Job("a"))
        assert isinstance(back, Job)
        assert back.name == "a"


class TestState:
    """A plain object of named values."""

    def test_it_has_the_values_it_was_given(self) -> None:
        """Values are attributes, and may change."""
        state = State(epoch=1, loss=0.5)
        state.epoch += 1
        assert repr(state) == "State(epoch=2, loss=0.5)"
        assert state == State(epoch=2, loss=0.5) != State(epoch=2)
        assert state != 3

    def test_it_refuses_what_cannot_be_stored(self) -> None:
        """Also at construction."""
        with pytest.raises(EncodeError, match="State cannot keep attribute 'lock'"):
            State(lock=threading.Lock())

    def test_it_comes_back_equal(self) -> None:
        """From the store, and weakly referable."""
        state = State(a=1, b=[2])
        back = through_store(state)
        assert back == state
        assert weakref.ref(back)() is back


class TestPicklableWrapper:
    """Something with an identity around a value without one."""

    def test_it_wraps(self) -> None:
        """The value is an attribute that may be set, and comes back from the store."""
        wrapper = PicklableWrapper(3)
        wrapper.wrapped += 1
        back = through_store(wrapper)
        assert isinstance(back, PicklableWrapper)
        assert back.wrapped == 4
        assert weakref.ref(wrapper)() is wrapper
        assert repr(wrapper) == "PicklableWrapper(4)"

    def test_it_refuses_what_cannot_be_stored(self) -> None:
        """At construction and later."""
        with pytest.raises(EncodeError, match="attribute 'wrapped'"):
            PicklableWrapper(threading.Lock())
