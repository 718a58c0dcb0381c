"""A Dask cluster runs settings: one at a time on each of its workers, which may be lost and may join."""

from __future__ import annotations

import dataclasses
import logging
import os
import queue
import re
import socket
import sys
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ExecutorError
from lattice_addons.storage import ulid

from ._dask_worker import Courses, NotHereError, ReplacedError, digest_of, leave_shelf, run_there
from ._needs import needed
from ._resources import offered, resources_of
from ._shared import current
from ._slots import LIMIT, Slot, SlotPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._course import Course

__all__ = ["DaskPool"]

_log = logging.getLogger("lattice_addons.experiments")
_LOOK = 0.5  # seconds after which the workers are looked at again
_ANSWER = 10  # seconds in which a scheduler answers
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
        self._shelf = course.shelf
        self._address = ""
        self._course = dataclasses.replace(course, n_proc=0)
        self._courses = Courses(b"")
        self._client = self._connected(where, course.n_proc)
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
            _knock(self._address)
            _in_time(lambda: made.__init__(where, timeout=_ANSWER, set_as_default=False))
        except (OSError, self._distributed.TimeoutError, ValueError, TypeError) as error:
            # One that is half made must not wait for its connection when it is collected.
            made.status = "closed"
            self._stack.close()
            message = f"{self._name}: no Dask scheduler answers at {self._address!r} ({error})"
            hint = "start one (`dask scheduler`, then `dask worker ADDRESS`), or give dask=LocalCluster"
            raise ExecutorError(f"{message}: {hint}", experiment=self._name, address=self._address) from error
        return self._stack.enter_context(made)

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
            if found.get(slot.name, {}).get("local_directory") != _home(slot):
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
            self._courses = _courses(self._course)

    def _workers(self) -> Mapping[str, Any]:
        try:
            told = self._client.scheduler_info(n_workers=-1)
        except TypeError:  # an older one gives all of them anyway
            told = self._client.scheduler_info()
        if self._client.status in ("closing", "closed"):
            raise self._gone()
        workers: Mapping[str, Any] = told["workers"]
        return workers

    def _gone(self) -> ExecutorError:
        message = f"{self._name}: the Dask scheduler at {self._address} is gone; what had ended is recorded"
        hint = "run again, when there is one, to carry on"
        return ExecutorError(f"{message}: {hint}", experiment=self._name, address=self._address)

    def _end(self, slot: Slot) -> None:
        """Take what a worker that is gone has done, or tell that it was lost."""
        if slot.future is not None and slot.future.done():
            self._collect(slot)
        if slot.future is not None:
            slot.future.cancel()
            self._lose(slot, _how(slot))

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
            key=f"lattice-{self._name}-{ulid()}",
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
            return future.result(timeout=_ANSWER)
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
            self._client.run(leave_shelf, self._shelf, on_error="ignore")
        self._slots.clear()
        self._stack.close()


def _knock(address: str) -> None:
    """Find out at once where nobody listens; Dask would try again for a while, and leave threads behind."""
    found = re.fullmatch(r"(?:(?:tcp|tls)://)?\[?([^/\[\]]+?)\]?:(\d+)", address)
    if found is not None:
        socket.create_connection((found[1], int(found[2])), _ANSWER).close()
    elif "://" not in address:
        raise ValueError("an address is HOST:PORT, such as tcp://10.0.0.1:8786")


def _in_time(begin: Callable[[], None]) -> None:
    """Do something that may wait for an answer for ever, where something else than Dask listens."""
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def begun() -> None:
        try:
            begin()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.put(error)
        else:
            done.put(None)

    threading.Thread(target=begun, name="lattice-dask", daemon=True).start()
    try:
        error = done.get(timeout=2 * _ANSWER)
    except queue.Empty:
        raise TimeoutError("what listens there does not answer as Dask does") from None
    if error is not None:
        raise error


def _as_worker(slot: Slot) -> _Worker:
    assert isinstance(slot, _Worker)  # noqa: S101 - this pool makes no others; this tells the type checker
    return slot


def _home(slot: Slot) -> str:
    return _as_worker(slot).home


def _how(slot: Slot) -> str:
    return f"at {slot.name} was lost: it was killed, ran out of memory, or its machine is gone"


def _courses(course: Course) -> Courses:
    """Give the class by its name, and where it can be by its value: a host may have another file than this one."""
    import cloudpickle

    module = sys.modules.get(course.experiment.__module__)
    file = getattr(module, "__file__", None)
    named = course.packed()
    if module is None or file is None or module.__name__ == "__main__":
        return Courses(named)  # by value already
    try:
        cloudpickle.register_pickle_by_value(module)
        try:
            by_value = course.packed(by_value=True)
        finally:
            cloudpickle.unregister_pickle_by_value(module)
    except Exception:  # noqa: BLE001 - something in the module cannot be pickled: hosts need its file
        return Courses(named)
    return Courses(named, by_value, module.__name__, os.path.abspath(file), digest_of(file))
