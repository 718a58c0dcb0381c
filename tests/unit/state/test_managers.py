"""Each manager keeps the contract, and what is its own besides."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from typing import Any

import pytest

from lattice_addons.errors import DecodeError, NoWeakReferenceError, UnkeepableError
from lattice_addons.state import (
    NoValue,
    PicklableDict,
    StateClosureManager,
    StateCopyManager,
    StateDictManager,
    StateManager,
    StateRefManager,
)
from lattice_addons.testing import ManagerContract


class Model:
    """An object with a state of its own."""

    def __init__(self, weight: int, *, broken: bool = False) -> None:
        self.weight = weight
        self.broken = broken

    def state_dict(self) -> dict[str, int]:
        """Give the state."""
        return {"weight": self.weight}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Take the state, the careless way."""
        weight = state.pop("weight")
        if self.broken:
            raise RuntimeError("size mismatch")
        self.weight = weight


class TestStateManager(ManagerContract):
    """The default manager."""

    kind = StateManager

    def given(self, number: int) -> object:
        """Give a list."""
        return [number]

    def test_later_changes_show(self) -> None:
        """It is the object itself that is held: what the program changes in it is captured."""
        manager, value = StateManager(), [1]
        manager.hold(value)
        value.append(2)
        assert manager.capture() == [1, 2]
        assert manager.value() is value

    def test_the_reference_is_strong_and_the_only_one(self) -> None:
        """The value lives as long as it is held, and not longer."""
        manager, value = StateManager(), PicklableDict(a=1)
        alive = weakref.ref(value)
        manager.hold(value)
        del value
        gc.collect()
        assert alive() is not None
        manager.hold(None)
        gc.collect()
        assert alive() is None

    def test_none_is_a_value(self) -> None:
        """None is captured like any other value."""
        manager = StateManager()
        manager.hold(None)
        assert manager.capture() is None


class TestStateRefManager(ManagerContract):
    """The manager of weak references."""

    kind = StateRefManager

    def given(self, number: int) -> object:
        """Give a dict that can be referred to weakly."""
        return PicklableDict(number=number)

    def refused(self) -> list[object]:
        """Give values of types without weak references."""
        return [{}, [], 3, "text", (), object(), None]

    @pytest.mark.parametrize("value", [{"a": 1}, [1], 3])
    def test_the_error_names_what_helps(self, value: object) -> None:
        """A plain dict, a list, a number: the error says what to use instead."""
        with pytest.raises(
            NoWeakReferenceError, match=rf"{type(value).__name__}.*PicklableDict.*PicklableWrapper"
        ):
            StateRefManager().hold(value)

    def test_a_dead_value_is_none(self) -> None:
        """What the program has let go of is neither captured nor given."""
        manager, value = StateRefManager(), PicklableDict()
        manager.hold(value)
        del value
        gc.collect()
        with pytest.raises(NoValue):
            manager.capture()
        with pytest.raises(NoValue):
            manager.value()

    def test_a_restored_value_is_owned_until_it_is_asked_for(self) -> None:
        """After a restart the manager keeps the value alive until it has handed it over."""
        manager = StateRefManager()
        manager.restore(PicklableDict(a=1))
        gc.collect()
        assert manager.capture() == {"a": 1}
        gc.collect()
        value = manager.value()
        assert value == {"a": 1}
        del value
        gc.collect()
        with pytest.raises(NoValue):
            manager.value()

    def test_a_restored_value_of_another_manager(self) -> None:
        """A stored plain dict cannot be handed over: an error says so, and it stays stored."""
        manager = StateRefManager()
        manager.restore({"a": 1})
        with pytest.raises(NoWeakReferenceError):
            manager.value()
        assert manager.capture() == {"a": 1}

    def test_a_bound_method_lives_as_long_as_its_object(self) -> None:
        """A bound method is made anew at each access; it counts as alive while its object is."""
        manager, model = StateRefManager(), Model(1)
        manager.hold(model.state_dict)
        gc.collect()
        assert manager.value() == model.state_dict
        del model
        gc.collect()
        with pytest.raises(NoValue):
            manager.value()


class TestStateCopyManager(ManagerContract):
    """The manager of copies."""

    kind = StateCopyManager

    def given(self, number: int) -> object:
        """Give nested data."""
        return {"inner": [number]}

    def refused(self) -> list[object]:
        """Give something that cannot be copied."""
        return [threading.Lock(), [threading.Lock()]]

    def test_later_changes_do_not_show(self) -> None:
        """Neither what was given nor what was got is connected with what is kept."""
        manager, value = StateCopyManager(), {"inner": [1]}
        manager.hold(value)
        value["inner"].append(2)
        got: Any = manager.value()
        assert got == {"inner": [1]}
        got["inner"].append(3)
        assert manager.capture() == manager.value() == {"inner": [1]}

    def test_capture_makes_no_copy(self) -> None:
        """The copy that is kept is what is stored."""
        manager = StateCopyManager()
        manager.hold([1])
        assert manager.capture() is manager.capture()

    def test_a_restored_value_is_kept_apart_too(self) -> None:
        """What is done to a value after a restart does not show."""
        manager = StateCopyManager()
        manager.restore([1])
        manager.value().append(2)  # type: ignore[attr-defined]
        assert manager.value() == [1]

    def test_the_error_names_the_type_and_another_manager(self) -> None:
        """A value that cannot be copied gets an error that says what to do."""
        with pytest.raises(
            UnkeepableError, match=r"copy this lock.*StateManager.*StateClosureManager"
        ) as caught:
            StateCopyManager().hold(threading.Lock())
        assert isinstance(caught.value.__cause__, TypeError)


class TestStateClosureManager(ManagerContract):
    """The manager of callables."""

    kind = StateClosureManager

    def given(self, number: int) -> object:
        """Give a closure."""
        return lambda: number

    def seen(self, value: object) -> object:
        """Call what is callable."""
        return value() if callable(value) else value

    def refused(self) -> list[object]:
        """Give what cannot be called."""
        return [0.1, None, {}]

    def test_it_is_called_each_time(self) -> None:
        """The value is the one that the callable gives now."""
        manager, loss = StateClosureManager(), 0.1
        manager.hold(lambda: loss)
        loss = 0.2
        assert manager.value() == manager.capture() == 0.2
        loss = 0.3
        assert manager.value() == 0.3

    def test_after_a_restart_the_stored_value_counts_until_the_next_callable(self) -> None:
        """What was stored is given and captured, until the program gives its callable again."""
        manager = StateClosureManager()
        manager.restore(0.2)
        assert manager.value() == manager.capture() == 0.2
        manager.hold(lambda: 0.5)
        assert manager.value() == 0.5

    def test_what_it_raises_passes_through(self) -> None:
        """The program gets its own exception, in a capture as well as when it asks."""
        manager = StateClosureManager()
        manager.hold(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            manager.value()
        with pytest.raises(ZeroDivisionError):
            manager.capture()

    def test_the_error_says_what_to_write(self) -> None:
        """A number instead of a callable gets an error with the lambda to write."""
        with pytest.raises(UnkeepableError, match="got float; write `lambda"):
            StateClosureManager().hold(0.1)


class TestStateDictManager(ManagerContract):
    """The manager of objects with a state dict."""

    kind = StateDictManager

    def given(self, number: int) -> object:
        """Give a model."""
        return Model(number)

    def seen(self, value: object) -> object:
        """Give the state in any shape."""
        return value.state_dict() if isinstance(value, Model) else copy.copy(value)

    def refused(self) -> list[object]:
        """Give what has no state dict."""
        return [{}, 3, None]

    def test_it_gives_the_object_itself(self) -> None:
        """Before a restart and after, the program gets the object that it gave."""
        manager, model = StateDictManager(), Model(1)
        manager.hold(model)
        assert manager.value() is model
        model.weight = 5
        assert manager.capture() == {"weight": 5}

    def test_the_stored_state_is_loaded_into_the_next_object_once(self) -> None:
        """The first object that the program gives takes the state; one after that stays as it is."""
        manager, model, other = StateDictManager(), Model(0), Model(7)
        manager.restore({"weight": 3})
        assert manager.value() == {"weight": 3}
        manager.hold(model)
        assert (model.weight, manager.value()) == (3, model)
        manager.hold(other)
        assert other.weight == 7

    def test_a_refused_state_stays_stored(self) -> None:
        """An object that does not take the state is not bound, and the state is whole for the next one."""
        manager, good = StateDictManager(), Model(0)
        manager.restore({"weight": 3})
        with pytest.raises(
            DecodeError, match=r"Model.load_state_dict\(\) refused.*size mismatch.*stays stored"
        ):
            manager.hold(Model(0, broken=True))
        assert manager.capture() == manager.value() == {"weight": 3}
        manager.hold(good)
        assert good.weight == 3

    def test_the_error_names_what_is_missing(self) -> None:
        """An object with one of the two methods gets an error that names the other."""

        class HalfModel:
            def state_dict(self) -> dict[str, int]:
                return {}

        with pytest.raises(UnkeepableError, match="HalfModel has no load_state_dict"):
            StateDictManager().hold(HalfModel())
        with pytest.raises(UnkeepableError, match="int has no state_dict and no load_state_dict"):
            StateDictManager().hold(3)
