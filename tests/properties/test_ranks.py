"""However ranks start, save, die and move between machines: all carry on from one instant, the newest that all have."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from lattice_addons.checkpoint._part import Part
from lattice_addons.state._instants import COMPLETE
from lattice_addons.storage import MemoryStore, SpooledStore
from lattice_addons.storage.spool._turn import turn
from tests.properties.ranks import Rank, Resume, Start, resume_of
from tests.properties.ranks import expected as expected_of
from tests.unit.checkpoint.lines import fresh
from tests.unit.storage.spool.machines import Idle

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Checkpoint
    from lattice_addons.storage import Store

worlds = st.sampled_from([1, 2, 2, 3])
ranks = st.integers(0, 2)


class Job(RuleBasedStateMachine):
    """Ranks of one job on one store, which every machine sees at once."""

    def __init__(self) -> None:
        super().__init__()
        self.store: Store = MemoryStore(f"ranks-{uuid.uuid4()}")
        self.running: dict[int, Rank] = {}
        self.world = 0
        self.run: str | None = None
        self.starts: dict[int, Start] = {}
        # What all machines have seen of each rank's line: numbers, and the parts that they are.
        self.public: dict[int, dict[int, Part | None]] = {}
        self.history: Any = None

    def on(self, rank: int, machine: int) -> Store:
        """Give the store as it is seen where a rank is started."""
        del rank, machine
        return self.store

    def named(self) -> str | None:
        """Give what the launcher calls a start of the job."""
        return None

    @initialize(world=worlds)
    def first(self, world: int) -> None:
        """Start it."""
        self.restart(world, range(world), [0] * 3)

    @rule(
        world=worlds,
        order=st.permutations(range(3)),
        machines=st.lists(st.integers(0, 1), min_size=3, max_size=3),
    )
    def start(self, world: int, order: list[int], machines: list[int]) -> None:
        """Kill all that run, and start all, in any order."""
        self.restart(world, [rank for rank in order if rank < world], machines)

    def restart(self, world: int, order: Any, machines: list[int]) -> None:
        """Start all ranks: each carries on from one and the same instant."""
        self.end()
        self.world = world
        self.run = self.named()
        expected: Resume | None = None
        for rank in order:
            started = self.running[rank] = Rank(self.on(rank, machines[rank]), rank, world, self.run)
            if rank == order[0]:
                expected = expected_of(self.starts, self.public, rank, started.seen)
            assert resume_of(started) == expected
        if world > 1:
            numbers = {each.ranks.number for each in self.running.values() if each.ranks is not None}
            [number] = numbers
            assert number > max(self.starts, default=0)
            self.starts[number] = Start(world, expected)
        begun = [each for each in self.running.values() if each.base is not None]
        found = [each.value() for each in begun]
        assert all(each == found[0] for each in found), found
        assert len({each.base.reason == COMPLETE for each in begun if each.base is not None}) <= 1
        self.history = (found[0] if found else []) + [len(self.starts)]

    @precondition(lambda self: self.running)
    @rule(
        rank=ranks,
        reason=st.sampled_from(["manual", "manual", "manual", "periodic", "complete", "exit"]),
        step=st.none() | st.none() | st.integers(0, 3),
        times=st.integers(1, 2),
    )
    def save(self, rank: int, reason: str, step: int | None, times: int) -> None:
        """Have a rank save some times."""
        process = self.running.get(rank)
        if process is None:
            return
        for _ in range(times):
            last = process.instants._last.step
            given = step if reason == "manual" and step is not None and step > last else None
            self.commit(rank, process, process.instants.next(reason, given), reason)

    @precondition(lambda self: self.running)
    @rule(but=st.integers(0, 9), times=st.integers(1, 3))
    def work(self, but: int, times: int) -> None:
        """Have all save equally often, or all but one."""
        for _ in range(times):
            for rank, process in self.running.items():
                if rank != but:
                    self.commit(rank, process, process.instants.next("manual"), "manual")

    def commit(self, rank: int, process: Rank, part: Part | None, reason: str) -> None:
        """Commit what a rank has."""
        made = process.line.commit({"history": fresh(self.history)}, parent=None, reason=reason, part=part)
        process.seen[made.number] = part
        self.publish(rank, made)

    def publish(self, rank: int, made: Checkpoint) -> None:
        """Others see it at once."""
        self.public.setdefault(rank, {})[made.number] = made.part

    @precondition(lambda self: self.running)
    @rule(but=st.integers(0, 9))
    def retain(self, but: int) -> None:
        """Delete what ranks need not have any more."""
        for rank, process in self.running.items():
            if rank != but:
                process.line.together._look_again = 0.0
                process.line.retain()

    @precondition(lambda self: self.running)
    @rule(done=ranks)
    def finish(self, done: int) -> None:
        """Have the work of a rank be done, when the others save once more."""
        for rank, process in self.running.items():
            reason = COMPLETE if rank == done else "manual"
            self.commit(rank, process, process.instants.next(reason), reason)

    @precondition(lambda self: self.world > 1 and len(self.running) == self.world)
    @rule(rank=ranks)
    def restart_one(self, rank: int) -> None:
        """Restart a rank alone: it has its own newest checkpoint, and is of the same attempt."""
        if rank >= self.world:
            return
        before = self.running.pop(rank)
        before.line.release()
        after = self.running[rank] = Rank(before.line.store, rank, self.world, self.run)
        assert after.ranks is not None
        assert before.ranks is not None
        assert after.ranks.attempt == before.ranks.attempt
        changed = after.ranks.resume is not None and after.ranks.resume.world != self.world
        own = [
            n for n, part in before.seen.items() if part is not None and part.attempt == after.ranks.number
        ]
        if own and (not changed or any(before.seen[n].counts for n in own)):  # type: ignore[union-attr]
            assert after.base is not None
            assert after.base.number == max(own)

    def end(self) -> None:
        """Kill all."""
        for process in self.running.values():
            process.line.release()
        self.running.clear()

    def teardown(self) -> None:
        """End."""
        self.end()


class Machines(Job):
    """Ranks on machines whose uploads lag, that are switched off and never come back, and that ranks move between."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="lattice-ranks-")
        self.top = Path(self._folder.name)
        (self.top / "remote").mkdir()
        self.names = ["a0", "b0"]
        self.stores: dict[str, SpooledStore] = {}
        self.runs = 0

    def on(self, rank: int, machine: int) -> Store:
        """Give the store as a machine sees it, after claims of others are too old."""
        from lattice_addons.storage import RemoteStore, Spool

        url = f"file://{self.top}/remote"
        name = self.names[machine]
        remote = RemoteStore(url)
        claims = f"job/rank-{rank:05d}/claims/"
        remote.delete(remote.list(claims))
        store = SpooledStore(Spool(str(self.top / name), url), remote, Idle())  # type: ignore[arg-type]
        self.stores[name] = store
        return store

    def named(self) -> str:
        """Give it a name: that one process is on two machines nobody could tell."""
        self.runs += 1
        return f"run-{self.runs}"

    restart_one = None  # type: ignore[assignment]

    def publish(self, rank: int, made: Checkpoint) -> None:
        """Others see it when it is sent."""

    @rule(machine=st.integers(0, 1))
    def send(self, machine: int) -> None:
        """Do what a machine's uploader does."""
        store = self.stores.get(self.names[machine])
        if store is not None:
            turn(store.spool, store.remote)
            self.look()

    def look(self) -> None:
        """See what is in the remote store."""
        for path in (self.top / "remote").glob("**/checkpoints/*.json"):
            rank, number = int(path.parts[-3].removeprefix("rank-")), int(path.stem)
            told = orjson.loads(path.read_bytes()).get("part")
            self.public.setdefault(rank, {})[number] = None if told is None else Part.from_told(told)

    @rule(machine=st.integers(0, 1))
    def lose(self, machine: int) -> None:
        """Switch a machine off for ever, and with it all that runs."""
        self.end()
        name = self.names[machine]
        self.stores.pop(name, None)
        self.names[machine] = f"{name[0]}{int(name[1:]) + 1}"

    def teardown(self) -> None:
        """Remove what it made."""
        super().teardown()
        self._folder.cleanup()


_CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TestJob = Job.TestCase
TestJob.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=_CHECKS
)
TestMachines = Machines.TestCase
TestMachines.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=_CHECKS
)
