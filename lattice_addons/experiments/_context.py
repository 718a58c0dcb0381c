"""What a run knows beyond its values: which worker it has, and whom it tells how it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.state import StateManagerGroup

__all__ = ["Context", "Pruned"]


class Pruned(Exception):  # noqa: N818 - as StopIteration: nothing went wrong
    """Ends a run that its sampler has given up; a run may raise it by itself."""

    __module__ = "lattice_addons.experiments"


@dataclass
class Context:
    """What whoever runs a setting tells it; without it a setting is run by hand."""

    rank: int = 0
    n_proc: int = 1
    # Takes a step and a value, and says whether the run should end.
    report: Callable[[float, float], bool] | None = None
    state: Callable[[], StateManagerGroup] | None = None
    shared: Callable[[Callable[[], Any]], Any] | None = None
