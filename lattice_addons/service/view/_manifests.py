"""A manifest never changes: what it says is read once, and then known."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from lattice_addons.checkpoint import Line
from lattice_addons.errors import CheckpointError, LatticeError, NotInStoreError
from lattice_addons.settings import Settings
from lattice_addons.state import SaveCosts

from ._bounded import Bounded
from ._facts import CheckpointFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from lattice_addons.checkpoint import Checkpoint
    from lattice_addons.storage import Store

__all__ = ["Manifests", "Newest", "facts_of", "when"]

Value = TypeVar("Value")
# So many checkpoints' facts are kept: a few hundred bytes each.
_FACTS = 50_000
# Of whole manifests, which are many times larger in memory, so many with so many bytes of text together.
_WHOLE, _WHOLE_BYTES = 16, 32 << 20
# A longer one is not read: with 100,000 slots one has 20 MiB. Nor are longer tables of what its slots consist of.
_LONGEST, _TABLES = 32 << 20, 256 << 20
# Of what a program says of itself, as much as there is room for on a page.
_TEXT, _TEXTS = 2000, 500
# Seconds after which it is asked whether a job that nobody looked at is still the one that it was.
_UNSEEN = 15.0


class Newest(Generic[Value]):
    """Things by key, those kept that were asked for last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[Hashable, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value], stamp: Hashable = None) -> Value:
        """Give what is kept under a key, or make it, in the place of what was made at another ``stamp``.

        Nothing is kept where making it fails.
        """
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known[0] == stamp:
                self._kept.move_to_end(key)
                return known[1]
        # Not under the lock: another thread may make the same meanwhile, and that does no harm.
        made = make()
        with self._lock:
            self._kept[key] = stamp, made
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and self._is_too_much():
                self._kept.popitem(last=False)
        return made

    def _is_too_much(self) -> bool:
        return len(self._kept) > self._most


class _Whole(Newest[tuple["Checkpoint", int]]):
    """Whole manifests, each with the length of its text; all but the newest go when these are too much together."""

    def _is_too_much(self) -> bool:
        return super()._is_too_much() or sum(length for _, (_, length) in self._kept.values()) > _WHOLE_BYTES


class Manifests:
    """The checkpoints of a store, as far as people look at them."""

    def __init__(self, store: Store, settings: Settings | None = None) -> None:
        self.store = store
        self.settings: Settings = settings if settings is not None else Settings.from_environ()
        self._facts: Newest[CheckpointFacts] = Newest(_FACTS)
        self._whole = _Whole(_WHOLE)
        # A job that was cleared begins at 1 again: then what was known of a rank counts no more.
        self._turns: dict[tuple[str, int], int] = {}
        self._looked: dict[tuple[str, int], tuple[float, int]] = {}

    def line(self, job: str, rank: int = 0) -> Line:
        """Give a rank's line, to read. A new one each time: a line remembers every chunk that it has seen."""
        return Line(cast("Store", Bounded(self.store, _LONGEST)), job, rank, settings=self.settings)

    def numbers(self, job: str, rank: int, line: Line | None = None) -> tuple[int, ...]:
        """Give the numbers of a rank's checkpoints, in order; by its line, where there is one already."""
        numbers = tuple((line or self.line(job, rank)).numbers())
        then, newest = self._looked.get((job, rank), (0.0, 0))
        now = time.monotonic()
        if newest and (
            newest not in numbers or (now - then > _UNSEEN and self._is_another(job, rank, newest))
        ):
            self._turns[job, rank] = self._turn(job, rank) + 1
        self._looked[job, rank] = now, numbers[-1] if numbers else 0
        return numbers

    def whole(self, job: str, rank: int, number: int) -> Checkpoint:
        """Give a checkpoint with its slots.

        Raises:
            NotInStoreError: there is no such checkpoint.
            CheckpointError: it cannot be used.
        """
        return self._whole.get(self.key(job, rank, number), lambda: self._load(job, rank, number))[0]

    def _load(self, job: str, rank: int, number: int) -> tuple[Checkpoint, int]:
        line = self.line(job, rank)
        checkpoint = line.load(number)
        if sum(chunk.length for table in checkpoint.tables for chunk in table) > _TABLES:
            message = (
                f"checkpoint {number} of job {job!r} has too many slots for a page: `lattice show` reads it"
            )
            raise CheckpointError(message)
        return checkpoint, cast("Bounded", line.store).taken

    def facts(self, job: str, rank: int, number: int, line: Line | None = None) -> CheckpointFacts | None:
        """Give what a manifest says in short; None where it is gone."""
        try:
            return self._facts.get(
                self.key(job, rank, number), lambda: facts_of((line or self.line(job, rank)).load(number))
            )
        except NotInStoreError:
            return None
        except CheckpointError as error:
            # Not kept: whoever gives the key, or mends it, sees it mended.
            return CheckpointFacts(number, problem=str(error))
        except LatticeError as error:
            return CheckpointFacts(number, problem=f"it cannot be read now: {error}")

    def key(self, job: str, rank: int, number: int) -> tuple[str, int, int, int]:
        """Give what tells a checkpoint from every other, also from one of a job of this name that was cleared."""
        return job, rank, self._turn(job, rank), number

    def _turn(self, job: str, rank: int) -> int:
        return self._turns.get((job, rank), 0)

    def _is_another(self, job: str, rank: int, number: int) -> bool:
        """Say whether a number, which was not looked at for a while, is that of another checkpoint by now."""
        known = self.facts(job, rank, number)
        try:
            return known is None or known != facts_of(self.line(job, rank).load(number))
        except LatticeError:
            return True


def facts_of(checkpoint: Checkpoint) -> CheckpointFacts:
    """Give what a manifest says in short."""
    costs = SaveCosts.of(checkpoint.metrics)
    known = "seconds" in checkpoint.metrics
    return CheckpointFacts(
        checkpoint.number,
        when(checkpoint.created),
        checkpoint.reason[:_TEXT],
        checkpoint.parent,
        tuple(note[:_TEXT] for note in checkpoint.notes[:_TEXTS]),
        costs.bytes_total,
        costs.bytes_new,
        costs.bytes_written,
        costs.seconds if known else None,
        costs.standstill if known else None,
        _program(checkpoint.program),
    )


def _program(told: Mapping[str, Any]) -> dict[str, Any]:
    """Take of what a program says of itself what is shown, as far as it is what it should be, and short."""
    found: dict[str, Any] = {
        name: told[name][:_TEXT] for name in ("host", "python", "commit") if isinstance(told.get(name), str)
    }
    pid, argv, packages = told.get("pid"), told.get("argv"), told.get("packages")
    if type(pid) is int:
        found["pid"] = pid
    if isinstance(argv, list):
        found["argv"] = [each[:_TEXT] for each in argv[:_TEXTS] if isinstance(each, str)]
    if isinstance(packages, dict):
        known = ((name, release) for name, release in packages.items() if isinstance(release, str))
        found["packages"] = {name[:_TEXT]: release[:_TEXT] for name, release in islice(known, _TEXTS)}
    return found


def when(told: str) -> datetime | None:
    """Read the time that a manifest tells; None where somebody else wrote something else there."""
    try:
        return datetime.fromisoformat(told.replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
