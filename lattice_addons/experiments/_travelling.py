"""A setting that cannot be sent to a worker has failed; the others of its batch go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ._batches import packed
from ._pool import Outcome
from ._worker import record_of

if TYPE_CHECKING:
    from ._pool import Task

__all__ = ["travelling"]


def travelling(tasks: list[Task]) -> tuple[list[Task], bytes, list[Outcome]]:
    """Give the tasks that can be sent to a worker, them as bytes, and what became of the others."""
    try:
        return tasks, packed(tasks), []
    except Exception:  # noqa: BLE001 - a field may hold anything; which, is found out one by one
        good, refused = [], []
    for task in tasks:
        try:
            packed([task])
        except Exception as error:  # noqa: BLE001 - as above
            text = f"its fields cannot be sent to a worker: {type(error).__name__}: {error}"
            refused.append(Outcome(task, record_of(task, "failed", started=time.time(), error=text)))
        else:
            good.append(task)
    return good, packed(good), refused
