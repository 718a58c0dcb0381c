"""Any sequence of commits, crashes, losses and retention equals a list of dictionaries."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lattice_addons.storage import MemoryStore
from tests.unit.checkpoint.lines import fresh, line_of, packs, raw, values

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Entry, Fresh

names = st.sampled_from("abcd")
# Few different values, so that they meet again; short, long, tiny and plain ones.
CONTENTS = [1, "text", (1,), (2,), ("x" * 70_000,), ("y" * 300_000,), list(range(30_000))]
contents = st.integers(0, len(CONTENTS) - 1)
serial = itertools.count()


class LineMachine(RuleBasedStateMachine):
    """A line beside its model: the values of each checkpoint that is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(f"machine {next(serial)}")
        self.model: dict[int, dict[str, Any]] = {}
        self.held: dict[str, tuple[Entry, Any]] = {}

    @initialize(keep=st.integers(1, 3), key=st.none() | st.just(b"a key for signing"))
    def begin(self, keep: int, key: bytes | None) -> None:
        """Open an empty line."""
        self.keep = keep
        self.key = key
        self.restart()

    @rule(
        new=st.dictionaries(names, contents, max_size=3), reason=st.sampled_from(["manual", "signal:SIGTERM"])
    )
    def commit(self, new: dict[str, Any], reason: str) -> None:
        """Save new values, and carry the others forward."""
        new = {name: CONTENTS[which] for name, which in new.items()}
        slots: dict[str, Fresh | Entry] = {name: entry for name, (entry, _) in self.held.items()}
        slots |= {name: fresh(value) for name, value in new.items()}
        state = {name: value for name, (_, value) in self.held.items()} | new
        checkpoint = self.line.commit(slots, parent=max(self.model, default=None), reason=reason)
        assert checkpoint.number == max(self.model, default=0) + 1
        self.model[checkpoint.number] = state
        self.held = {name: (entry, state[name]) for name, entry in checkpoint.slots.items()}

    @rule(name=names)
    def forget(self, name: str) -> None:
        """Leave a slot out of what comes next."""
        self.held.pop(name, None)

    @rule(protect=st.integers(1, 20))
    def retain(self, protect: int) -> None:
        """Delete what need not stay."""
        self.line.retain(protect)
        stay = {*sorted(self.model)[-self.keep :], protect}
        self.model = {number: state for number, state in self.model.items() if number in stay}

    @rule()
    def restart(self) -> None:
        """Die without a word, and begin again from the store."""
        self.store.delete(["job/rank-00000/lease.json"])
        self.line = line_of(self.store, keep=self.keep, key=self.key)
        self.line.acquire()
        self.line.sweep()
        newest = self.line.newest()
        assert (newest.number if newest else 0) == max(self.model, default=0)
        state = self.model[newest.number] if newest else {}
        self.held = {name: (entry, state[name]) for name, entry in newest.slots.items()} if newest else {}

    @rule()
    def crash_in_a_commit(self) -> None:
        """Leave a pack without a manifest."""
        put = self.store.put
        try:
            self.store.put = _die  # type: ignore[method-assign, assignment]
            self.line.commit({"a": raw(b"lost")}, parent=None, reason="manual")
        except KeyboardInterrupt:
            pass
        finally:
            self.store.put = put  # type: ignore[method-assign]
        self.restart()

    @precondition(lambda self: self.model)
    @rule()
    def verify(self) -> None:
        """Every byte is as it was written."""
        assert all(finding.good for finding in self.line.verify())

    @invariant()
    def what_is_there_is_what_was_saved(self) -> None:
        """Each checkpoint that is kept holds its values; no pack is nobody's after a restart."""
        if hasattr(self, "line"):
            assert self.line.numbers() == sorted(self.model)
            for number in self.line.numbers()[-1:]:
                assert values(self.line, self.line.load(number)) == self.model[number]

    def teardown(self) -> None:
        """Read everything once more; after retention nothing is left but what is named."""
        if hasattr(self, "line"):
            assert {n: values(self.line, self.line.load(n)) for n in self.line.numbers()} == self.model
            self.line.sweep()
            named = {chunk.pack for n in self.model for chunk in self.line.load(n).chunks()}
            assert {key[-31:-5] for key in packs(self.store)} == named
            self.line.release()
            self.store.delete(self.store.list())


def _die(*_: object) -> None:
    raise KeyboardInterrupt


TestLine = LineMachine.TestCase
TestLine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
