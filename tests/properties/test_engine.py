"""Whatever changes between saves of any kind: each checkpoint is its instant's state, and nothing is written twice."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice_addons.checkpoint import Line
from lattice_addons.encoding import decode, encode
from lattice_addons.settings import Settings
from lattice_addons.storage import LocalStore, MemoryStore
from tests.unit.checkpoint.lines import fresh, packs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from lattice_addons.checkpoint import Checkpoint
    from lattice_addons.storage import Store

KIB = 1024
CHUNK = 4096 * KIB
NOISE = np.random.default_rng(0).integers(0, 256, 3 * CHUNK, dtype="u1")
# Around the limits between small and large buffers, one and several chunks, one and several blocks.
SIZES = [0, 1, 64 * KIB - 1, 64 * KIB, 70 * KIB, 4096 * KIB - 1, 4096 * KIB, 4096 * KIB + 1, 9000 * KIB]
serial = itertools.count()
names = st.sampled_from(["a", "b", "c"])
steps = st.one_of(
    st.tuples(st.just("make"), names, st.sampled_from(SIZES), st.integers(0, 3)),
    st.tuples(st.just("write"), names, st.floats(0, 1), st.integers(0, 255)),
    st.tuples(st.just("copy"), names, names),
    st.tuples(st.just("save")),
    st.tuples(st.just("detach")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("restart")),
)


class Run:
    """A state, what is stored of it, and what should be."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.line = self.start()
        self.state: dict[str, np.ndarray] = {}
        self.detached: list[tuple[dict[str, object], dict[str, bytes]]] = []
        self.stored: list[tuple[Checkpoint, dict[str, bytes]]] = []

    def start(self) -> Line:
        """Begin as a process does."""
        return Line(self.store, "job", settings=Settings(keep=1000))

    def step(self, name: str, *given: object) -> None:
        """Do one thing."""
        getattr(self, name)(*given)

    def make(self, name: str, size: int, kind: int) -> None:
        """Give a slot an array."""
        chance = np.random.default_rng(kind)
        # Zeros are compressed, equal ones stored once, others neither.
        self.state[name] = np.zeros(size, "u1") if kind == 0 else chance.integers(0, 256, size).astype("u1")

    def write(self, name: str, place: float, byte: int) -> None:
        """Change one byte."""
        array = self.state.get(name)
        if array is not None and array.size:
            array[int(place * (array.size - 1))] = byte

    def copy(self, name: str, other: str) -> None:
        """Let two slots have equal bytes."""
        if other in self.state:
            self.state[name] = self.state[other].copy()

    def save(self) -> None:
        """Save at once."""
        self.put({name: fresh(array) for name, array in self.state.items()}, self.now())

    def detach(self) -> None:
        """Take what is to be saved later."""
        taken = self.line.detach({name: fresh(array) for name, array in self.state.items()})
        assert taken is not None
        self.detached.append((dict(taken), self.now()))

    def commit(self) -> None:
        """Save what was taken first."""
        if self.detached:
            self.put(*self.detached.pop(0))

    def restart(self) -> None:
        """End the process, and with it what was taken."""
        self.detached.clear()
        self.line.release()
        self.line = self.start()

    def now(self) -> dict[str, bytes]:
        """Give the state as it is."""
        return {name: array.tobytes() for name, array in self.state.items()}

    def put(self, slots: dict[str, object], want: dict[str, bytes]) -> None:
        """Commit, and remember what should be there."""
        if slots:
            checkpoint = self.line.commit(slots, parent=None, reason="manual")  # type: ignore[arg-type]
            self.stored.append((checkpoint, want))

    def check(self) -> None:
        """See that every checkpoint has what it should have."""
        reader = self.start()
        for checkpoint, want in self.stored:
            slots = reader.load(checkpoint.number).slots
            found = {
                name: decode(slot.encoding, *reader.read(slot), type=slot.type)
                for name, slot in slots.items()
            }
            assert {name: np.asarray(array).tobytes() for name, array in found.items()} == want
        assert len(packs(self.store)) <= len(self.stored)
        assert all(finding.good for finding in reader.verify())
        # What is in memory stays there to the end of the process.
        self.store.delete(self.store.list())


@given(st.lists(steps, max_size=25), st.booleans())
@settings(max_examples=40)
def test_each_checkpoint_is_its_instants_state(
    tmp_path_factory: pytest.TempPathFactory,
    steps: Sequence[tuple[object, ...]],
    local: bool,
) -> None:
    """Saves at once, saves of detached slots in between, restarts, equal values: all read back as they were."""
    folder = tmp_path_factory.mktemp("store")
    run = Run(LocalStore(folder) if local else MemoryStore(str(folder)))
    for step in steps:
        run.step(*step)  # type: ignore[arg-type]
    run.check()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 255)), max_size=6))
@settings(max_examples=15, deadline=None)
def test_only_changed_chunks_are_written(changes: list[tuple[int, int]]) -> None:
    """The bytes that a save writes are those of the chunks that differ from all that was stored before."""
    array = NOISE.copy()
    # One each: the same changes may come again.
    store = MemoryStore(f"changes {next(serial)}")
    line = Line(store, "job", settings=Settings())
    known: set[bytes] = set()
    for change in [(0, int(array[0])), *changes]:
        array[change[0] * CHUNK] = change[1]
        pieces = [array[at : at + CHUNK].tobytes() for at in range(0, array.size, CHUNK)]
        new = set(pieces) - known
        known |= new
        checkpoint = line.commit({"a": fresh(array)}, parent=None, reason="manual")
        assert checkpoint.metrics["bytes_new"] == sum(map(len, new))
    assert encode(array).size >= array.nbytes
    store.delete(store.list())
