"""The state of one run: a group of its own, from which the run carries on where it was."""

from __future__ import annotations

import dataclasses
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.errors import LatticeError

from ._inside import Inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lattice_addons.state import StateManagerGroup

    from ._experiment import Experiment
    from ._place import Place
    from ._running import Running

__all__ = ["state_of", "state_opened", "stateful"]

_log = logging.getLogger("lattice_addons.experiments")


def state_of(setting: Experiment) -> StateManagerGroup:
    """Give the group of a setting that is run by hand: the same one for as long as the setting is there."""
    from ._place import Place

    inside = Inside.of(setting)
    group = _group_in(Place(type(setting)), setting.identity)
    inside.context = dataclasses.replace(inside.context, state=lambda: group)
    return group


def _group_in(place: Place, identity: str) -> StateManagerGroup:
    # Most runs have no state, and a sweep begins sooner in workers that need not import what keeps it.
    from lattice_addons.state import StateManagerGroup

    return StateManagerGroup(place.settings(identity))


def state_opened(running: Running) -> Callable[[], StateManagerGroup]:
    """Give what opens the group of a task when its run first asks for it."""

    def opened() -> StateManagerGroup:
        if running.state is None:
            running.state = _group_in(running.course.place, running.task.identity)
        return running.state

    return opened


@contextmanager
def stateful(running: Running) -> Iterator[None]:
    """Save the state of a task that ends early, as that of any program is; and let go of it in any case."""
    try:
        yield
    except BaseException:
        if running.state is not None:
            try:
                running.state.save()
            except LatticeError as error:
                # The run's own error is the one to tell of; what was saved before is there.
                _log.warning("the state of %s was not saved: %s", running.task.name, error)
        raise
    finally:
        if running.state is not None:
            running.state.close()
