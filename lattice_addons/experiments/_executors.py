"""Any executor of `concurrent.futures` runs settings."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, wait
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ExecutorError, SettingError

from ._slots import LIMIT, Slot, SlotPool
from ._worker import run_batch

if TYPE_CHECKING:
    from ._course import Course

__all__ = ["ExecutorPool"]


class ExecutorPool(SlotPool):
    """As many slots as the executor has workers; the executor stays its owner's, who shuts it down."""

    def __init__(self, course: Course, executor: Executor) -> None:
        super().__init__(course)
        if not isinstance(executor, Executor):
            message = (
                f"executor={executor!r} is no concurrent.futures.Executor, such as ThreadPoolExecutor(4)"
            )
            raise SettingError(f"{self._name}: {message}", experiment=self._name, field="executor")
        workers = getattr(executor, "_max_workers", None)
        size = workers if isinstance(workers, int) and workers > 0 else os.cpu_count() or 1
        self._executor = executor
        self._slots = [Slot(rank) for rank in range(size)]
        self._course = dataclasses.replace(course, n_proc=size).packed()

    def _begin(self, slot: Slot, whole: bytes) -> Any:
        try:
            return self._executor.submit(run_batch, self._course, whole, rank=slot.rank, seconds=LIMIT)
        except RuntimeError as error:  # a broken one is such an error, too
            raise self._broken(error) from error

    def _wait(self, futures: list[Any], timeout: float) -> None:
        if futures:
            wait(futures, timeout, FIRST_COMPLETED)

    def _how_lost(self, slot: Slot, error: BaseException) -> str:  # noqa: ARG002 - one is as another
        if isinstance(error, BrokenExecutor):
            raise self._broken(error) from error
        return "was stopped by the executor" if isinstance(error, CancelledError) else ""

    def _broken(self, error: BaseException) -> ExecutorError:
        kind = type(self._executor).__name__
        message = f"{self._name}: the {kind} runs nothing any more ({error}); what had ended is recorded"
        hint = "run again with a new one, or with num_proc=, whose workers are replaced when they die"
        return ExecutorError(f"{message}: {hint}", experiment=self._name, address=kind)

    def close(self, *, kill: bool = False) -> None:
        """Run no more; runs that have begun end first, unless they are to be left behind."""
        self._batches.clear()
        futures = [slot.future for slot in self._slots if slot.future is not None]
        for future in futures:
            future.cancel()
        if not kill:
            wait(futures)
        for slot in self._slots:
            slot.future = None
