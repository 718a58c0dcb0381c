"""A worker runs settings one by one; whatever one raises is its record's, and the next one is run."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import time
import traceback
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.errors import ExecutorError

from ._context import Context, Pruned
from ._course import course_of
from ._inside import Inside
from ._log_file import flush_streams, log_key, own_log, put_back
from ._orphan import present
from ._part import Part
from ._pool import Outcome
from ._record import Record, as_line, from_line, plain_values
from ._reports import asker
from ._rows import rows_of
from ._running import Running
from ._shared import join, unpack_values
from ._state import state_opened, stateful

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._experiment import Experiment
    from ._pool import Task
    from ._record import Status

__all__ = ["Ran", "get_ready", "outcome_of", "record_of", "run_batch", "run_one"]

_FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk, perhaps the one with the log of the run


class Ran(NamedTuple):
    """What a worker sends back of a task: its place in the batch, and the line that is to stand in the journal."""

    number: int
    line: bytes
    #: Whether the line stands in the worker's part of the journal.
    written: bool = False
    lost: str = ""
    stateful: bool = False


class _Ended(NamedTuple):
    """How a run ended."""

    status: Status
    rows: list[dict[str, Any]]
    error: str = ""
    lost: str = ""


def get_ready(packed: bytes) -> None:
    """Import what the tasks of a course need; what is wrong with that is told with the first of them."""
    with suppress(Exception):
        course_of(packed)


def run_batch(
    packed: bytes, tasks: bytes, *, rank: int = 0, part: str | None = None, seconds: float = 0.1
) -> list[Ran]:
    """Run pickled tasks one by one, for so many seconds and at least the first; those left over are not told of.

    ``part`` is the file of this worker's part of the journal, on the machine of the runner.
    """
    course = course_of(packed)
    apart = os.getpid() != course.runner.pid or socket.gethostname() != course.runner.host
    if apart and course.shelf:
        join(course.shelf)
    until = time.monotonic() + seconds
    ran: list[Ran] = []
    with ExitStack() as stack:
        if part is not None:
            stack.enter_context(present(course.place.folder))
            if os.getppid() != course.runner.pid:
                # Sent off by a runner that died since: another one may have looked for workers by now.
                os._exit(0)
        lines = None if part is None else stack.enter_context(_open(part))
        for number, task in enumerate(_tasks(tasks)):
            if ran and time.monotonic() >= until:
                break
            if lines is not None:
                # Not kept from a full disk: this line only says whose fault it is, if the worker dies.
                _write(lines, as_line("begun", {"identity": task.identity, "attempt": task.attempt}))
            what = Running(course, task, rank)
            record, lost = run_one(what, apart=apart)
            line = as_line("record", record)
            # A run that was out of memory is run once more before that is its record.
            written = lines is not None and not lost and _write(lines, line)
            ran.append(Ran(number, line, written, lost, what.state is not None))
    return ran


def outcome_of(task: Task, ran: Ran, part: str = "") -> Outcome:
    """Give what became of a task, in the runner, from what its worker has sent back."""
    told = from_line(ran.line)
    if told is None:
        message = f"what a worker sent back of {task.name} was altered on its way; run it again"
        raise ExecutorError(message)
    record: Record = told[1]
    written = part if ran.written else ""
    return Outcome(task, record, ran.lost, written, record.host, record.pid, ran.stateful)


def _tasks(packed: bytes) -> Sequence[Task]:
    tasks: Sequence[Task] = pickle.loads(packed)  # noqa: S301 - our runner's
    return tasks


class _open(ExitStack):  # noqa: N801 - used as a statement
    """Opens a part of the journal for a block."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def __enter__(self) -> Part:  # type: ignore[override] # it is the part that is used
        part = Part(self._path)
        self.callback(part.close)
        return part


def _write(part: Part, line: bytes) -> bool:
    try:
        part.append(line)
    except OSError:
        return False  # the runner tries it, and says what is wrong
    return True


def run_one(what: Running, *, apart: bool) -> tuple[Record, str]:
    """Run a task; give its record, and how memory ran out, if it did. ``apart`` from the runner it has a log."""
    course, task = what.course, what.task
    started = time.time()
    with ExitStack() as stack:
        log = None
        if apart:
            log = stack.enter_context(own_log(course.place, log_key(task.file_name, task.attempt)))
        with put_back():
            ended = _ended(what, apart=apart)
        if log is not None and ended.error:
            log.tell(ended.error)
    record = record_of(
        task,
        ended.status,
        started=started,
        error=ended.error,
        log="" if log is None else log.key,
        rows=ended.rows,
        rank=what.rank,
    )
    return record, ended.lost


def _ended(what: Running, *, apart: bool) -> _Ended:
    try:
        with stateful(what):
            setting = _setting(what)
            returned = _run(setting)
            try:
                rows = rows_of(returned, setting, what.course.place)
            except OSError as error:
                fault = error  # a full disk: the run did not fail
            else:
                return _Ended("done", rows)
    except Pruned as pruned:
        return _Ended("pruned", [], str(pruned))
    except MemoryError:
        return _Ended("killed", [], traceback.format_exc(), "it was out of memory (MemoryError)")
    except BaseException as error:  # a run may raise anything, and the others go on
        if isinstance(error, KeyboardInterrupt) and not apart:
            raise  # somebody at a terminal: workers are not told of it
        if getattr(error, "errno", None) in _FULL:
            # As with memory, the machine lacked something: the setting is run again when the runner is.
            return _Ended("killed", [], traceback.format_exc())
        return _Ended("failed", [], traceback.format_exc())
    raise fault


def _run(setting: Experiment) -> Any:
    """Call ``run``; a process that it forks, and that comes back from it as well, is no worker, and ends here."""
    worker = os.getpid()
    try:
        return setting.run()
    except BaseException as error:
        if os.getpid() != worker:
            _end_child(error)
        raise
    finally:
        if os.getpid() != worker:
            _end_child(None)


def _end_child(error: BaseException | None) -> None:
    """End a forked process as Python would: without what its parent does at its own end."""
    if error is not None and not isinstance(error, SystemExit):
        traceback.print_exception(error)
    code = getattr(error, "code", 1) if error is not None else 0
    flush_streams()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _setting(what: Running) -> Experiment:
    """Make the setting of a task again."""
    course, task = what.course, what.task
    setting = course.experiment.from_values(unpack_values(task.values), task.searched)
    inside = Inside.of(setting)
    inside.identity = task.identity
    inside.context = Context(
        rank=what.rank, n_proc=course.n_proc, report=asker(what), state=state_opened(what)
    )
    return setting


def record_of(task: Task, status: Status, *, started: float, **facts: Any) -> Record:
    """Make the record of an attempt that ends now, in this process."""
    return Record(
        identity=task.identity,
        name=task.name,
        values=plain_values(task.values),
        status=status,
        started=started,
        ended=time.time(),
        host=facts.pop("host", "") or socket.gethostname(),
        pid=facts.pop("pid", 0) or os.getpid(),
        attempt=task.attempt,
        round=task.round,
        **facts,
    )
