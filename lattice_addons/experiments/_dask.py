"""A Dask cluster runs settings: one at a time on each of its workers, which may be lost and may join."""

from __future__ import annotations

import dataclasses
import logging
import math
import queue
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ExecutorError
from lattice_addons.storage import ulid

from ._dask_address import ANSWER, in_time, knock
from ._dask_courses import Courses, courses_of
from ._dask_wishes import Wishes
from ._dask_worker import NotHereError, ReplacedError, leave_shelf, run_there
from ._needs import needed
from ._resources import offered, resources_of
from ._shared import current
from ._slots import LIMIT, Slot, SlotPool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._course import Course

__all__ = ["DaskPool"]

_log = logging.getLogger("lattice_addons.experiments")
_LOOK = 0.5  # seconds after which the workers are looked at again
_AT_HAND = 100  # tasks
_TRIES = 3  # times that data is sent to a worker for one batch


@dataclasses.dataclass(eq=False)
class _Worker(Slot):
    """A worker process of the cluster, by its address."""

    #: The folder that only this process has; another one may get its address.
    home: str = ""
    #: What the scheduler itself counts of what a run needs.
    counted: dict[str, float] = dataclasses.field(default_factory=dict)
    #: Shared data on its way to the worker's host.
    blobs: dict[str, Any] = dataclasses.field(default_factory=dict)
    tries: int = 0


class DaskPool(SlotPool):
    """A slot for each worker process; each batch is for one of them, so that the scheduler never runs one again.

    ``where`` is a cluster (`LocalCluster`, one of dask-jobqueue), a kind of cluster, a client, or the address of a
    scheduler.
    """

    def __init__(self, course: Course, where: Any) -> None:
        super().__init__(course)
        self._distributed = needed("distributed")
        self._stack = ExitStack()
        self._resources = resources_of(course.experiment)
        self._news: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._looked = 0.0
        self._known: Mapping[str, Any] = {}
        self._shelf = course.shelf
        self._address = ""
        self._course = dataclasses.replace(course, n_proc=0)
        self._courses = Courses(b"")
        self._client = self._connected(where, course.n_proc)
        self._kind = f"lattice.{self._name}"
        self._wishes = Wishes(self._client, self._kind)
        self._look()
        if not self._slots:
            _log.warning("%s waits for workers at %s%s", self._name, self._address, self._told())

    def _connected(self, where: Any, processes: int) -> Any:
        """Give a client of the cluster; what is made here is closed at the end."""
        client = self._distributed.Client
        if isinstance(where, type):
            local = issubclass(where, self._distributed.LocalCluster)
            # Its dashboard's usual port may be another cluster's.
            options = {"threads_per_worker": 1, "dashboard_address": ":0"} if local else {}
            where = self._stack.enter_context(where(n_workers=max(processes, 1), **options))
        if isinstance(where, client):
            self._address = str(where.scheduler.address if where.scheduler is not None else "")
            if where.asynchronous or where.status != "running":
                message = (
                    f"{self._name}: dask= is a client that is {where.status}, and asynchronous or closed"
                )
                raise ExecutorError(message, experiment=self._name, address=self._address)
            return where
        self._address = where if isinstance(where, str) else str(getattr(where, "scheduler_address", where))
        made = client.__new__(client)
        try:
            knock(self._address)
            in_time(lambda: made.__init__(where, timeout=ANSWER, set_as_default=False))
        except (OSError, self._distributed.TimeoutError, ValueError, TypeError) as error:
            # One that is half made must not wait for its connection when it is collected.
            made.status = "closed"
            self._stack.close()
            message = f"{self._name}: no Dask scheduler answers at {self._address!r} ({error})"
            hint = "start one (`dask scheduler`, then `dask worker ADDRESS`), or give dask=LocalCluster"
            raise ExecutorError(f"{message}: {hint}", experiment=self._name, address=self._address) from error
        return self._stack.enter_context(made)

    def room(self, waiting: int) -> int:
        """Have much at hand: an adaptive cluster grows by how long all that waits would take."""
        return max(super().room(waiting), _AT_HAND - waiting)

    def finished(self, timeout: float) -> list[Any]:
        """Give what has ended since the last call, and look from time to time who is there."""
        if time.monotonic() - self._looked >= _LOOK:
            self._look()
        return super().finished(timeout)

    def _look(self) -> None:
        """Give each new worker a slot, and take those of workers that are gone."""
        found = self._workers()
        self._looked = time.monotonic()
        for slot in list(self._slots):
            if found.get(slot.name, {}).get("local_directory") != _as_worker(slot).home:
                self._slots.remove(slot)
                self._end(slot)
        known = {slot.name for slot in self._slots}
        for name, facts in found.items():
            if name not in known and offered(facts, self._resources):
                has = facts.get("resources") or {}
                counted = {each: amount for each, amount in self._resources.items() if each in has}
                worker = _Worker(self._free_rank(), name, home=facts["local_directory"], counted=counted)
                self._slots.append(worker)
        if self.size > self._course.n_proc:
            # What a run is told: no rank is above it, also when workers have joined.
            self._course = dataclasses.replace(self._course, n_proc=self.size)
            self._courses = courses_of(self._course)
        self._wishes.keep(self._wanted())

    def _workers(self) -> Mapping[str, Any]:
        """Ask the scheduler itself: what its client knows may be, for an instant, that there are no workers."""
        client, scheduler = self._client, self._client.scheduler
        if client.status in ("closing", "closed") or scheduler is None:
            raise self._gone()
        with suppress(OSError):  # it does not answer just now; the client finds out whether it is gone
            try:
                told = client.sync(scheduler.identity, n_workers=-1)
            except TypeError:  # an older one tells of all of them anyway
                told = client.sync(scheduler.identity)
            self._known = told["workers"]
        return self._known

    def _wanted(self) -> int:
        """Count the tasks that make an adaptive cluster grow until every batch that waits has a worker."""
        busy = sum(slot.future is not None for slot in self._slots)
        waiting = math.ceil(len(self._batches) / self._batches.size) - (len(self._slots) - busy)
        if waiting <= 0 or (self._known and not self._slots):
            return 0  # or more workers of the kind that offers too little would come
        # The scheduler reckons a task for each thread, of which a worker may have several.
        threads: float = sum(facts["nthreads"] for facts in self._known.values()) / max(len(self._known), 1)
        return math.ceil(max(threads, 1) * (len(self._known) + waiting)) - busy

    def _gone(self) -> ExecutorError:
        message = f"{self._name}: the Dask scheduler at {self._address} is gone; what had ended is recorded"
        hint = "run again, when there is one, to carry on"
        return ExecutorError(f"{message}: {hint}", experiment=self._name, address=self._address)

    def _end(self, slot: Slot) -> None:
        """Take what a worker that is gone has done, or tell that it was lost."""
        if slot.future is not None and slot.future.done():
            self._collect(slot)
        if slot.future is not None:
            begun = not self._retired_before(slot.name, slot.future.key)
            slot.future.cancel()
            if begun:
                self._lose(slot, _how(slot))
            else:
                slot.future = None
                self._batches.give_back(slot.tasks)

    def _retired_before(self, name: str, key: str) -> bool:
        """Say whether a worker had been sent away, as by a cluster that shrinks, before it was given a batch."""
        with suppress(OSError, self._distributed.TimeoutError):  # without an answer, it is a loss
            told = [event for _, event in self._client.get_events(name) if isinstance(event, dict)]
            ends = [event for event in told if event.get("action") == "remove-worker"]
            given = any(key in event.get("processing-tasks", [key]) for event in ends)
            return bool(ends and ends[-1].get("expected")) and not given
        return False

    def _free_rank(self) -> int:
        taken = {slot.rank for slot in self._slots}
        return next(rank for rank in range(len(taken) + 1) if rank not in taken)

    def _told(self) -> str:
        needs = ", ".join(f"{name}={amount:g}" for name, amount in self._resources.items())
        return f" that offer {needs}: `dask worker --resources {needs.replace(', ', ' ')!r}`" if needs else ""

    def _begin(self, slot: Slot, whole: bytes) -> Any:
        worker = _as_worker(slot)
        future = self._client.submit(
            run_there,
            self._courses,
            whole,
            rank=slot.rank,
            seconds=LIMIT,
            home=worker.home,
            blobs={key: each.key for key, each in worker.blobs.items()},
            key=f"{self._kind}-{ulid()}",
            workers=[slot.name],
            allow_other_workers=False,
            resources=worker.counted or None,
            pure=False,
        )
        future.add_done_callback(self._news.put)
        return future

    def _wait(self, futures: list[Any], timeout: float) -> None:
        if not any(future.done() for future in futures):
            with suppress(queue.Empty):
                self._news.get(timeout=min(timeout, _LOOK))

    def _result(self, future: Any) -> Any:
        with suppress(self._distributed.TimeoutError, TimeoutError):  # two in Python 3.10
            return future.result(timeout=ANSWER)
        # It lies with a worker that does not answer: if that is gone, the next look will show it.
        return None

    def _mended(self, slot: Slot, error: BaseException) -> bool:
        """Send shared data to a host that does not have it."""
        worker = _as_worker(slot)
        if not isinstance(error, NotHereError) or worker.tries >= _TRIES:
            return False
        worker.tries += 1
        for key in error.args[0]:
            path = current().path(key)
            if path is None:
                return False
            with open(path, "rb") as file:
                worker.blobs[key] = self._client.scatter(file.read(), workers=[slot.name], hash=False)
        return True

    def _take(self, slot: Slot, result: Any) -> None:
        worker = _as_worker(slot)
        worker.blobs, worker.tries = {}, 0  # they are in the host's own memory now
        super()._take(slot, result)

    def _how_lost(self, slot: Slot, error: BaseException) -> str:
        if self._client.status != "running":
            raise self._gone() from error
        lost = (ReplacedError, self._distributed.KilledWorker)
        if isinstance(error, lost) or type(error).__name__ in (
            "NoValidWorkerError",
            "WorkerStartTimeoutError",
        ):
            return _how(slot)
        cancelled = type(error).__name__ in (
            "CancelledError",
            "FutureCancelledError",
            "FuturesCancelledError",
        )
        return f"at {slot.name} was taken from it: somebody cancelled it on the cluster" if cancelled else ""

    def close(self, *, kill: bool = False) -> None:  # noqa: ARG002 - what runs on a cluster cannot be stopped from here
        """Run no more; a run that has begun goes on to its end where it is, and nobody waits for it."""
        self._batches.clear()
        for slot in self._slots:
            if slot.future is not None:
                slot.future.cancel()
                slot.future = None
        with suppress(Exception):  # whatever a cluster says that may be gone: it was only to be tidied
            self._wishes.keep(0)
            self._client.run(leave_shelf, self._shelf, on_error="ignore")
        self._slots.clear()
        self._stack.close()


def _as_worker(slot: Slot) -> _Worker:
    assert isinstance(slot, _Worker)  # noqa: S101 - this pool makes no others; this tells the type checker
    return slot


def _how(slot: Slot) -> str:
    return f"at {slot.name} was lost: it was killed, ran out of memory, or its machine is gone"
