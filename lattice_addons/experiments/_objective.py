"""The one number of a run that a sampler looks at."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import LatticeError, SettingError

from ._rows import FILE, shown

if TYPE_CHECKING:
    from ._experiment import Experiment
    from ._record import Record
    from ._samplers import Sampler

__all__ = ["tell_earlier", "value_of"]

_log = logging.getLogger("lattice_addons.experiments")


def value_of(record: Record, objective: str) -> float | None:
    """Give a record's objective: in the last of its rows that has it; None where the run did not come to it.

    Raises:
        SettingError: the run is done, and returned no such number.
    """
    if record.status != "done":
        return None
    rows = [shown(row) for row in record.rows]
    for row in reversed(rows):
        if objective in row:
            return _number(row[objective], record, objective)
    if any(FILE in row for row in rows):
        known = "a large table, which is not looked into"
    else:
        known = ", ".join(dict.fromkeys(name for row in rows for name in row)) or "nothing"
    message = f"{record.name} returned no {objective!r}, which is the objective; it returned: {known}"
    raise SettingError(message, experiment=record.name, field=objective)


def _number(value: Any, record: Record, objective: str) -> float | None:
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    message = f"{record.name} returned {objective}={value!r}, which is no number to minimize or maximize"
    raise SettingError(message, experiment=record.name, field=objective)


def tell_earlier(sampler: Sampler, cls: type[Experiment], records: list[Record], objective: str) -> None:
    """Tell a sampler what earlier starts have found."""
    for record in records:
        try:
            setting = cls.from_values(record.values)
            sampler.tell(setting, value_of(record, objective), record.status)
        except (LatticeError, TypeError, ValueError) as error:
            # A field that the journal has as text only: the sampler finds out anew.
            _log.debug("%s is not told to the sampler: %s", record.name, error)
