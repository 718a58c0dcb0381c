"""How slots, costs and plain objects look in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._amounts import size, took
from lattice_addons._html import brief, code, table

from ._stats import Stats, describe_stats
from ._status import Status, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._session import Session
    from ._stats import SaveCosts
    from ._status import SlotStatus

__all__ = ["Shown", "costs_html", "slots_html", "stats_html", "status_html", "values_html"]

_SLOTS = ("slot", "value", "type", "where", "manager", "stored as")
_COSTS = ("", "values", "new", "written", "took", "stood still")


class Shown:
    """What a group tells of itself."""

    _session: Session

    def status(self) -> Status:
        """Say which job this is, what would be saved how, what cannot be, and why."""
        return describe(self._session)

    def stats(self) -> Stats:
        """Say what saves have cost so far, and what would be lost if the process were killed now.

        The values are looked at as a save would do it, which takes as long as a save of nothing new.
        """
        return describe_stats(self._session)

    def _repr_html_(self) -> str:
        return describe(self._session, closely=False)._repr_html_()


def slots_html(slots: Iterable[SlotStatus], *, above: str = "", below: Iterable[str] = ()) -> str:
    """Show slots, one a row."""
    rows = (
        (
            slot.name,
            slot.problem or code(slot.shown),
            slot.type.removeprefix("builtins."),
            slot.value,
            slot.manager,
            f"{slot.encoding}, {size(slot.size)}" if slot.encoding else "",
        )
        for slot in slots
    )
    return table(_SLOTS, rows, above=above, below=below)


def status_html(status: Status) -> str:
    """Show a group: its job, its slots, and what keeps it from saving."""
    complete = [f"complete on all ranks: {status.complete or 'nothing yet'}"] if status.world > 1 else []
    below = [*complete, *(f"! {problem}" for problem in status.problems)]
    return slots_html(status.slots, above=status.heading, below=below)


def costs_html(costs: Mapping[str, SaveCosts], *, above: str = "", below: Iterable[str] = ()) -> str:
    """Show what saves took, each by what it is called."""
    rows = (
        (
            name,
            size(each.bytes_total),
            size(each.bytes_new),
            size(each.bytes_written),
            took(each.seconds),
            took(each.standstill),
        )
        for name, each in costs.items()
    )
    return table(_COSTS, rows, above=above, below=below)


def stats_html(stats: Stats) -> str:
    """Show what the saves of this process took, and what would be lost now."""
    costs = {}
    if stats.saves:
        costs[f"{stats.saves} save{'s' if stats.saves > 1 else ''}"] = stats.costs
    if stats.last is not None:
        costs[f"the last: checkpoint {stats.last.number} ({stats.last.reason})"] = stats.last.costs
    passive = [f"nothing is saved: {stats.problem}"] if stats.problem else []
    return costs_html(costs, above="" if costs else "no saves yet", below=[*passive, stats.at_stake])


def values_html(owner: object, values: Mapping[str, object], *, left_out: int = 0) -> str:
    """Show the values of an object by name."""
    rows = ((name, code(brief(value))) for name, value in values.items())
    below = [f"… and {left_out:,} more"] if left_out > 0 else []
    return table(("name", "value"), rows, above=type(owner).__name__, below=below)
