"""Facts about a run, measured or told by the parts of a pipeline, and readable in every checkpoint."""

from __future__ import annotations

import secrets
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import psutil  # here, for a save at exit can import nothing

from lattice_addons._allowed import nearest
from lattice_addons._amounts import duration, size
from lattice_addons._host import peak_memory
from lattice_addons.errors import UnkeepableError
from lattice_addons.training._readable import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

__all__ = ["Metadata"]


@dataclass(frozen=False)
class Metadata:
    """What is known about a run; any part of a pipeline, in any thread, adds what it finds out.

    Measuring begins when it is made. Assign single fields; `update` sets several at once; `add` puts entries into a
    field that is a dict, beside those that other parts put there; `stage` measures how long a part takes. In a
    `StateManagerGroup`, ``group.track(metadata=metadata)`` has it in every checkpoint, readable, and after a restart
    it carries on: times add up, and the highest use of memory is that of all processes. A subclass that is a dataclass
    adds fields.
    """

    __module__ = "lattice_addons.training"

    # Run time and use; measured.
    start_time: str | None = None
    end_time: str | None = None
    time_taken: str | None = None
    memory_usage: str | None = None
    gpu_usage: str | None = None
    restarts: int = 0
    #: How many seconds each stage took, and the figures that the texts above are made of.
    stages: dict[str, float] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    # Where the data come from.
    raw_file_size: int | None = None
    raw_file_format: str | None = None
    raw_filepath: str | None = None
    raw_dvc_metadata: dict[str, Any] | None = None
    dataset_version: str | None = None

    # What was trained.
    model_artifacts: dict[str, Any] | None = None
    run_id: str | None = None
    model_version: str | None = None
    experiment_id: str | None = None
    experiment_name: str | None = None
    artifact_uri: str | None = None
    history: dict[str, Any] | None = None

    # How good it is.
    holdout_performance: dict[str, float] | None = None
    avg_expected_loss: float | None = None
    avg_bias: float | None = None
    avg_variance: float | None = None

    def __post_init__(self) -> None:
        """Begin to measure."""
        # Reentrant: a signal handler may add something while its thread does.
        self._writing = threading.RLock()
        self._life = secrets.token_hex(8)
        self._begun = time.monotonic()
        self._before = 0.0
        if self.start_time is None:
            self.start_time = _now()

    def __setattr__(self, name: str, value: object) -> None:
        """Set a field.

        Raises:
            UnkeepableError: there is no such field.
        """
        if not name.startswith("_"):
            self._check(name)
        object.__setattr__(self, name, value)

    def update(self, **facts: object) -> None:
        """Set several fields in one step: no checkpoint has some of them and not the others.

        Raises:
            UnkeepableError: a name is no field; nothing was set.
        """
        for name in facts:
            self._check(name)
        with self._writing:
            vars(self).update(facts)

    def add(self, **entries: Mapping[str, Any]) -> None:
        """Put entries into fields that are dicts, ``add(holdout_performance={"auc": 0.9})``; what is there stays.

        Raises:
            UnkeepableError: a name is no field; nothing was added.
        """
        for name in entries:
            self._check(name)
        with self._writing:
            # A new dict, and not more in the old one: who reads it meanwhile sees all of one or all of the other.
            old = {name: getattr(self, name) or {} for name in entries}
            vars(self).update({name: {**old[name], **more} for name, more in entries.items()})

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure how many seconds a part of the pipeline takes; those of several turns add up."""
        begun = time.monotonic()
        try:
            yield
        finally:
            with self._writing:
                took = self.stages.get(name, 0.0) + time.monotonic() - begun
                self.add(stages={name: round(took, 6)})

    def finish(self) -> None:
        """Say that the run is over: its time ends here."""
        self.measure()
        self.end_time = _now()

    def measure(self) -> None:
        """Measure time, memory and GPU memory until now; every checkpoint does so."""
        if self.end_time is not None:
            return
        with self._writing:
            seconds = self._before + time.monotonic() - self._begun
            known = self.measured
            memory = max(_memory(), known.get("memory_bytes", 0))
            figures: dict[str, Any] = {
                "life": self._life,
                "seconds": round(seconds, 3),
                "seconds_before": round(self._before, 3),
                "memory_bytes": memory,
            }
            facts: dict[str, Any] = {"time_taken": duration(seconds), "memory_usage": size(memory)}
            # An earlier process may have had more of them.
            both = zip_longest(_gpu_memory(), known.get("gpu_bytes", ()), fillvalue=0)
            if gpus := [max(pair) for pair in both]:
                figures["gpu_bytes"] = gpus
                facts["gpu_usage"] = ", ".join(map(size, figures["gpu_bytes"]))
            self.update(measured=figures, **facts)

    def state_dict(self) -> dict[str, Any]:
        """Measure, and give all fields as plain data, which a manifest shows; nothing in it is shared."""
        self.measure()
        # One step, so that what is set meanwhile in one step is there as a whole or not at all.
        now = dict(vars(self))
        return {each.name: readable(now[each.name]) for each in fields(self)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Carry on from what `state_dict` gave, in this process or an earlier one; what has no field is left out."""
        known = {each.name for each in fields(self)}
        facts = {name: value for name, value in state_dict.items() if name in known}
        measured = facts.get("measured") or {}
        if measured.get("life") == self._life:
            self._before = measured.get("seconds_before", 0.0)
        else:
            self._before = measured.get("seconds", 0.0)
            facts |= {"restarts": facts.get("restarts", 0) + 1, "end_time": None}
        self.update(**facts)

    def __getstate__(self) -> dict[str, Any]:
        """Give what is pickled: the fields."""
        return self.state_dict()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Carry on from what was pickled."""
        for each in fields(self):
            object.__setattr__(self, each.name, state.get(each.name))
        self.__post_init__()
        self.load_state_dict(state)

    def __copy__(self) -> Self:
        """Copy it as it is, measured from the same beginning: only a process that is started again is a restart."""
        made = object.__new__(type(self))
        vars(made).update({**vars(self), **self.state_dict(), "_writing": threading.RLock()})
        return made

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Copy it: of what is in a copy nothing is shared in any case."""
        del memo
        return self.__copy__()

    def _repr_html_(self) -> str:
        from lattice_addons._html import brief, code, table

        known = {each.name: getattr(self, each.name) for each in fields(self)}
        rows = ((name, code(brief(value))) for name, value in known.items() if value not in (None, {}))
        return table(("fact", "value"), rows, above=type(self).__name__)

    def _check(self, name: str) -> None:
        known = [each.name for each in fields(self)]
        if name not in known:
            message = (
                f"{type(self).__name__} has no field {name!r}; did you mean {nearest(name, known)!r}? "
                "A subclass that is a dataclass can have more fields"
            )
            raise UnkeepableError(message, field=name)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _memory() -> int:
    """Give the highest residence of this process in bytes."""
    return max(peak_memory(), psutil.Process().memory_info().rss)


def _gpu_memory() -> list[int]:
    """Give the highest allocation on each GPU in bytes, where this program uses any."""
    # While another thread imports torch, it is there without this.
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return []
    return [cuda.max_memory_allocated(device) for device in range(cuda.device_count())]
