"""Whatever a program does with its group, and however often it crashes, it finds what a dictionary would hold."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lattice_addons import Settings, StateClosureManager, StateCopyManager, StateManager, StateManagerGroup
from lattice_addons.checkpoint import Line
from lattice_addons.errors import DuplicateSlotError, NotSavedError, UnknownSlotError
from lattice_addons.storage import open_store

JOB = "job"
MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own in it
NAMES = ("loss", "model.layer-1", "ä name with spaces", "$float")
MANAGERS = st.sampled_from([StateManager, StateCopyManager, StateClosureManager])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
LISTS = st.lists(PLAIN, max_size=3)
DICTS = st.dictionaries(st.text(max_size=4), PLAIN | LISTS, max_size=3)
PICKLED = st.tuples(DICTS, st.binary(max_size=20)) | st.frozensets(st.integers(), max_size=3)
LARGE = st.builds(
    lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.sampled_from([70_000, 300_000])
)
# Never None: that is what get() gives where there is nothing. Lists are what a program changes in place.
VALUES = st.integers() | st.text(max_size=8) | LISTS | LISTS | DICTS | PICKLED | LARGE
LITTER = ["checkpoints/x.tmp", "packs/y.tmp", f"packs/{'0' * 26}.pack", "lease.json"]


class Refuses:
    """A value that cannot be stored."""

    def __reduce__(self) -> str:
        """Refuse."""
        message = "not this one"
        raise ValueError(message)

    def __deepcopy__(self, memo: object) -> Refuses:
        """Be copied all the same: it is the store that is refused."""
        return self


@dataclass
class Modelled:
    """What a slot should have: its value now, and the one to fall back on."""

    manager: type[StateManager]
    value: object = None
    good: object = None


registered = precondition(lambda self: bool(self.slots))


class GroupMachine(RuleBasedStateMachine):
    """A program with its group, and beside it dictionaries that do the same."""

    def __init__(self) -> None:
        super().__init__()
        # In memory, where there is one: thousands of saves, and no power cut to wait for.
        self.root = Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        self.stored: dict[str, object] = {}
        self.unclaimed: dict[str, object] = {}
        self.slots: dict[str, Modelled] = {}

    @initialize(
        keep=st.integers(1, 3),
        secret=st.none() | st.just(b"a secret of sixteen bytes"),
        begun=st.dictionaries(st.sampled_from(NAMES), st.tuples(MANAGERS, VALUES), min_size=2),
    )
    def begin(
        self, keep: int, secret: bytes | None, begun: dict[str, tuple[type[StateManager], object]]
    ) -> None:
        """Start for the first time, with some slots."""
        root = str(self.root / "store")
        self.settings = Settings(
            root=root, job_id=JOB, keep=keep, key=secret, signals=(), atexit_saving=False
        )
        self.start()
        for name, (manager, value) in begun.items():
            self.claim(name, manager)
            self.give(name, value)

    def draw_slot(self, data: st.DataObject) -> str:
        """Choose a slot."""
        return data.draw(st.sampled_from(list(self.slots)))

    def claim(self, key: str, manager: type[StateManager]) -> None:
        """Register a slot."""
        self.group.register(key, manager)
        stored = self.unclaimed.pop(key, None)
        self.slots[key] = Modelled(manager, copy.deepcopy(stored), stored)

    def give(self, key: str, value: object) -> None:
        """Give a slot a value."""
        mine = copy.deepcopy(value)
        self.group.update(key, (lambda: mine) if self.slots[key].manager is StateClosureManager else mine)
        self.slots[key].value = value

    def start(self) -> None:
        """Start a program."""
        self.group = StateManagerGroup(self.settings)
        self.slots = {}
        self.unclaimed = dict(self.stored)

    @precondition(lambda self: len(self.slots) < len(NAMES))
    @rule(data=st.data(), manager=MANAGERS)
    def register(self, data: st.DataObject, manager: type[StateManager]) -> None:
        """A registered slot has what was stored."""
        key = data.draw(st.sampled_from([name for name in NAMES if name not in self.slots]))
        self.claim(key, manager)

    @registered
    @rule(data=st.data(), value=VALUES | st.builds(Refuses))
    def update(self, data: st.DataObject, value: object) -> None:
        """An updated slot has the new value."""
        key = self.draw_slot(data)
        self.give(key, value)

    @rule(key=st.sampled_from(NAMES), changes=st.booleans())
    def look(self, key: str, changes: bool) -> None:
        """A slot gives its value; a list may be changed in place, which shows unless the slot has a copy."""
        slot = self.slots.get(key)
        if slot is None:
            for mistaken in (self.group.get, self.group.delete, lambda key: self.group.update(key, 1)):
                with pytest.raises(UnknownSlotError):
                    mistaken(key)
            return
        with pytest.raises(DuplicateSlotError):
            self.group.register(key)
        self.compare(key, slot.value)
        if changes and isinstance(slot.value, list):
            value: Any = self.group.get(key)
            value.append("changed")
            if slot.manager is not StateCopyManager:
                slot.value = [*slot.value, "changed"]

    @registered
    @rule(data=st.data(), every=st.sampled_from([False, False, False, True]))
    def delete(self, data: st.DataObject, every: bool) -> None:
        """A deleted slot is forgotten; what is stored of it stays, and is found when it is registered again."""
        key = "*" if every else self.draw_slot(data)
        self.group.delete(key)
        for name in list(self.slots) if every else [key]:
            good = self.slots.pop(name).good
            if good is not None:
                self.unclaimed[name] = good

    @rule(
        how=st.sampled_from(["save", "save", "async_save", ""]),
        then=st.sampled_from(["", "load", "", *LITTER]),
    )
    def save(self, how: str, then: str) -> None:
        """What is saved is what is found, after going back to it and after a crash."""
        if how:
            self.save_all(asynchronous=how == "async_save")
        if then == "load":
            self.load()
        elif then:
            self.crash(then)

    def save_all(self, *, asynchronous: bool) -> None:
        """Save, and let the model do the same."""
        found = dict(self.unclaimed)
        refused = {key for key, slot in self.slots.items() if isinstance(slot.value, Refuses)}
        for key, slot in self.slots.items():
            value = slot.good if key in refused else copy.deepcopy(slot.value)
            if value is not None:
                found[key] = value
        try:
            if asynchronous:
                self.group.async_save().result(300)
            else:
                self.group.save()
            failures: set[str] = set()
        except NotSavedError as error:
            failures = set(error.failures)
        assert failures == refused
        if found:
            self.stored = found
        for key, slot in self.slots.items():
            slot.good = found.get(key)

    def load(self) -> None:
        """Go back to what was stored last."""
        self.group.load()
        self.unclaimed = {key: value for key, value in self.stored.items() if key not in self.slots}
        for key, slot in self.slots.items():
            slot.good = self.stored.get(key)
            slot.value = copy.deepcopy(slot.good)

    def crash(self, litter: str) -> None:
        """End without a last save, and leave something half written."""
        self.group.close()
        path = self.root / "store" / JOB / "rank-00000" / litter
        if litter and path.parent.is_dir():
            path.write_bytes(b'{"half')
        self.start()

    @invariant()
    def lists_its_slots(self) -> None:
        """The group knows its slots, in the order of their registration."""
        if hasattr(self, "group"):
            assert self.group.list() == list(self.group) == list(self.slots)
            assert len(self.group) == len(self.slots)

    def compare(self, key: str, expected: object) -> None:
        """Fail when a slot gives another value, or one of another type."""
        found = self.group.get(key)
        if isinstance(expected, Refuses):
            assert isinstance(found, Refuses)
        else:
            assert found == expected
            assert type(found) is type(expected)

    def teardown(self) -> None:
        """At last, a program that registers every name finds all that was stored, and every byte is good."""
        try:
            if hasattr(self, "group"):
                self.group.close()
                self.start()
                assert set(self.unclaimed) == set(self.stored)
                for key, value in self.stored.items():
                    self.group.register(key)
                    self.compare(key, value)
                self.group.close()
                self.verify()
        finally:
            shutil.rmtree(self.root)

    def verify(self) -> None:
        """Read every byte of the store."""
        line = Line(open_store(self.settings, create=False), JOB, 0, settings=self.settings)
        assert [finding for finding in line.verify() if not finding.good] == []


TestGroup = GroupMachine.TestCase
TestGroup.settings = settings(max_examples=70, stateful_step_count=40, deadline=None)
