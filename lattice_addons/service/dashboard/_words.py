"""Facts in words: ages, sizes, states, reasons, as the pages show them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lattice_addons._amounts import duration, size, took
from lattice_addons.service.view import (
    CRASHED,
    LOST,
    RUNNING,
    STOPPED,
    age_of,
    mean_text,
    nonfinite_text,
    range_text,
    sample_text,
    shape_text,
    when,
)

from ._chart import histogram_bars, line_chart, sparkline
from ._timeline import draw_timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.service.view import ExperimentView

__all__ = ["WORDS", "kind_of"]

_KINDS = ("exit", "exception", "signal", "periodic", "manual", "edit", "complete")
_MEANINGS = {
    RUNNING: "a live process writes it",
    LOST: "the process that writes it has not been heard of",
    CRASHED: "its process died, or ended with an exception",
    STOPPED: "no process writes it",
}


def ago(when: datetime | None) -> str:
    """Say how long ago something was."""
    age = age_of(when)
    return "–" if age is None else f"{duration(age)} ago"


def passed(when: datetime | None) -> str:
    """Say how much time has passed since."""
    age = age_of(when)
    return "–" if age is None else duration(age)


def exact(when: datetime | None) -> str:
    """Give a time for people, in UTC."""
    return "" if when is None else f"{when:%Y-%m-%d %H:%M:%S} UTC"


def machine(when: datetime | None) -> str:
    """Give a time for a browser."""
    return "" if when is None else when.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def kind_of(reason: str) -> str:
    """Give the kind of a reason, for its mark: ``signal`` of ``signal:SIGTERM``."""
    kind = reason.partition(":")[0]
    return kind if kind in _KINDS else "other"


def number(value: float) -> str:
    """Write a number with as many digits as people read.

    >>> number(0.30000000000000004), number(12.0), number(1234567.0)
    ('0.3', '12', '1,234,567')
    """
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004 - further, floats are not whole any more
        return f"{int(value):,}"
    return f"{value:.5g}"


def amount(value: float, unit: str) -> str:
    """Write a number with its unit."""
    if unit == "bytes":
        return size(int(value))
    if unit == "seconds":
        return took(value)
    return number(value)


def rate(per_second: float) -> str:
    """Write bytes per second."""
    return f"{size(int(per_second))}/s" if per_second >= 1 else "–"


def job_path(name: str) -> str:
    """Give the address of a job's page."""
    return f"/jobs/{quote(name, safe='')}"


def experiment_path(view: ExperimentView) -> str:
    """Give the address of an experiment's page."""
    return f"/experiments/{quote(view.module, safe='')}/{quote(view.name, safe='')}"


def since(seconds: float) -> str:
    """Say how long ago a moment was, which is told in seconds since 1970."""
    return ago(_moment(seconds))


def moment(seconds: float) -> str:
    """Give such a moment for a browser."""
    return machine(_moment(seconds))


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def slug(state: str) -> str:
    """Give a word that can be a class in a page: ``lost-contact``."""
    return state.replace(" ", "-")


WORDS: dict[str, Callable[..., Any] | dict[str, str]] = {
    "ago": ago,
    "amount": amount,
    "draw_timeline": draw_timeline,
    "duration": duration,
    "exact": exact,
    "experiment_path": experiment_path,
    "histogram_bars": histogram_bars,
    "job_path": job_path,
    "kind_of": kind_of,
    "line_chart": line_chart,
    "machine": machine,
    "mean_text": mean_text,
    "meanings": _MEANINGS,
    "nonfinite_text": nonfinite_text,
    "moment": moment,
    "number": number,
    "passed": passed,
    "time_of": when,
    "range_text": range_text,
    "rate": rate,
    "sample_text": sample_text,
    "shape_text": shape_text,
    "since": since,
    "size": size,
    "slug": slug,
    "sparkline": sparkline,
    "took": took,
}
