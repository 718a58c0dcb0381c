"""What every manager keeps to, as tests that the tests of each manager inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from lattice_addons.encoding import Stream, decode, encode
from lattice_addons.errors import LatticeError
from lattice_addons.settings import Settings
from lattice_addons.state import NoValue, StateManagerGroup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lattice_addons.encoding import Buffer
    from lattice_addons.state import StateManager


class ManagerContract:
    """Inherit this in a test class of your manager, and say what it keeps.

    ::

        class TestThermometerManager(ManagerContract):
            kind = ThermometerManager

            def given(self, number):
                return Thermometer(20 + number)

            def seen(self, value):
                return value.degrees
    """

    kind: ClassVar[type[StateManager]]

    def given(self, number: int) -> object:
        """Make a value for ``hold``; another number makes a value that is seen to be another."""
        raise NotImplementedError

    def seen(self, value: object) -> object:
        """Give what can be compared of a value, in the shape that was given, captured, or got."""
        return value

    def refused(self) -> Sequence[object]:
        """Make values that ``hold`` must refuse; none by default."""
        return ()

    def test_it_holds_nothing_at_first(self) -> None:
        """A manager is made without arguments, and says that it has no value."""
        manager = self.kind()
        with pytest.raises(NoValue):
            manager.capture()
        with pytest.raises(NoValue):
            manager.value()

    def test_it_gives_what_it_holds(self) -> None:
        """What is held is what is captured and what the program gets."""
        manager, given = self.kind(), self.given(1)
        manager.hold(given)
        assert self.seen(manager.capture()) == self.seen(given)
        assert self.seen(manager.value()) == self.seen(given)

    def test_it_holds_one_value(self) -> None:
        """The next value takes the place of the one before."""
        manager, first, second = self.kind(), self.given(1), self.given(2)
        assert self.seen(first) != self.seen(second)
        manager.hold(first)
        manager.hold(second)
        assert self.seen(manager.capture()) == self.seen(second)
        assert self.seen(manager.value()) == self.seen(second)

    def test_capturing_changes_nothing(self) -> None:
        """Two captures in a row give the same, and so does the program's value in between."""
        manager, given = self.kind(), self.given(1)
        manager.hold(given)
        before = self.seen(manager.capture())
        assert self.seen(manager.value()) == before
        assert self.seen(manager.capture()) == before

    def test_a_capture_comes_back_from_the_store(self) -> None:
        """What is captured can be encoded, and a new manager gives it back after it was decoded."""
        manager, given = self.kind(), self.given(1)
        manager.hold(given)
        after = self.kind()
        after.restore(through_store(manager.capture()))
        assert self.seen(after.value()) == self.seen(given)

    def test_what_nobody_asked_for_is_captured_again(self) -> None:
        """A value that came back and was not touched goes into the next checkpoint, and comes back again."""
        manager, given = self.kind(), self.given(1)
        manager.hold(given)
        second, third = self.kind(), self.kind()
        second.restore(through_store(manager.capture()))
        third.restore(through_store(second.capture()))
        assert self.seen(third.value()) == self.seen(given)

    def test_what_comes_back_replaces_what_is_held(self) -> None:
        """Going back to a stored value forgets the one that is held."""
        stored, given, other = self.kind(), self.given(1), self.given(2)
        stored.hold(given)
        kept = through_store(stored.capture())
        manager = self.kind()
        manager.hold(other)
        manager.restore(kept)
        value = manager.value()
        assert self.seen(value) != self.seen(self.given(2))
        assert self.seen(value) == self.seen(self.given(1))

    def test_what_is_given_replaces_what_came_back(self) -> None:
        """A new value counts, unless the manager puts the stored one into it (``restore_first``)."""
        stored, given, other = self.kind(), self.given(1), self.given(2)
        expected = self.seen(given if self.kind.restore_first else other)
        stored.hold(given)
        manager = self.kind()
        manager.restore(through_store(stored.capture()))
        manager.hold(other)
        assert self.seen(manager.capture()) == expected
        assert self.seen(manager.value()) == expected

    def test_a_refused_value_leaves_the_held_one(self) -> None:
        """What cannot be kept is refused with one of our errors, and the value before stays."""
        manager, given = self.kind(), self.given(1)
        manager.hold(given)
        for value in self.refused():
            with pytest.raises(LatticeError):
                manager.hold(value)
            assert self.seen(manager.value()) == self.seen(given)

    def test_two_managers_are_two(self) -> None:
        """What one holds, the other does not know."""
        one, other, given = self.kind(), self.kind(), self.given(1)
        one.hold(given)
        with pytest.raises(NoValue):
            other.capture()

    def test_a_group_carries_it_over(self, tmp_path: Path) -> None:
        """A group that is saved and made again gives the value back, twice in a row."""
        settings = Settings(root=str(tmp_path / "store"), job_id="contract", atexit_saving=False, signals=())
        given = self.given(1)
        for turn in range(3):
            group = StateManagerGroup(settings)
            group.register("slot", self.kind)
            if turn == 0:
                group.update("slot", given)
            value = group.get("slot")
            assert self.seen(value) == self.seen(self.given(1))
            group.save()
            group.close()


def through_store(captured: object) -> object:
    """Encode and decode a value, as if it had been in a checkpoint."""
    encoded = encode(captured, copy=True)
    buffers = [_in_memory(buffer) for buffer in encoded.buffers]
    return decode(encoded.encoding, encoded.value, buffers, type=encoded.type)


def _in_memory(buffer: Buffer) -> bytearray:
    return bytearray(b"".join(buffer.pieces()) if isinstance(buffer, Stream) else buffer)
