"""The course of a program: which loops it has gone through, and how far it is in the one that it is in.

A program that is started again takes the same course. What was done is passed over: loops over loaders that were
gone through give nothing, and optimizers and schedulers hold still. Where the saved program was, all objects get
their states back, and from there on everything is as it was.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from lattice_addons.lifecycle import passive_reason, uncaught

from ._asking import is_ahead, main_frame, warn_of_sides
from ._counting import Counted
from ._ending import complete_at_end
from ._everything import Everything
from ._loop import Loop, watch
from ._passing import Passed
from ._records import Record
from ._slot import CourseManager
from ._steps import as_loop, put_steps_back
from ._variables import Variables, everything, merged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from lattice_addons.state import StateManagerGroup

    from ._records import Goal

__all__ = ["COURSE", "Course"]

_log = logging.getLogger("lattice_addons.autopatch")

SLOT = "autopatch"


class Course:
    """What one process has gone through; the one of this process is `COURSE`."""

    def __init__(self) -> None:
        self.found = Everything()
        self.making_schedulers = 0
        self.aside = 0
        self.goal: Goal | None = None  # where the saved program was, until this one is there
        self.records: dict[str, list[Record]] = {}  # of each loader, its loops in their order
        self._running: list[weakref.ref[Loop]] = []  # weakly: a loop broken off is over
        self.steps = 0
        self.counted: dict[Any, int] = {}  # what `is_counted` knows of the program's places
        self.beside: list[weakref.ref[Passed]] = []  # the iterators that were begun while passing over
        self.broken_off: list[Loop] = []  # those left before their end since the last one began
        self._taking_turns: list[weakref.ref[Loop]] = []  # those of which a batch was asked for the last step
        self._group: StateManagerGroup | None = None
        self._pid = os.getpid()
        self._inert: bool | None = None
        self.last: Record | None = None
        self._stepping = False
        self._result: object = None  # of the last step, where no loop counts
        self._first: Variables | None = None  # as the variables were when the first loop began

    @property
    def passing(self) -> bool:
        """Whether what was done before is being passed over."""
        return self.goal is not None and self.is_ours()

    @property
    def running(self) -> list[Loop]:
        """The loops that have begun and are not over, the outermost first; those that an uncaught exception left."""
        running = [loop for reference in self._running if (loop := reference()) is not None]
        return running or (self.broken_off[::-1] if uncaught() is not None else [])

    @property
    def _leading(self) -> Loop | None:
        """The loop whose next batch begins a step: a `for` goes around what a program asks with next()."""
        running = self.running
        by_for = [loop for loop in running if loop.in_for]
        turns = [loop for loop in running if any(each() is loop for each in self._taking_turns)]
        best = [loop for loop in by_for if loop.trains] or turns or by_for or running
        return best[0] if best else None

    def is_ours(self) -> bool:
        """Say whether this is the program's own thread, and no framework is at work that keeps its state itself."""
        if self._inert is None:
            # A process that saves nothing (a worker, a run of tests) has no course either.
            self._inert = passive_reason() is not None
        main = threading.current_thread() is threading.main_thread()
        return main and not self.aside and not self._inert and os.getpid() == self._pid

    # -- what the program does

    def loop(self, loader: Any, iterate: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
        """Begin a loop over a loader."""
        if not self.is_ours() or self.found.loaders.name(loader) is None or is_ahead(sys._getframe(2)):  # noqa: SLF001
            return iterate(loader)
        self._begin()
        if self._first is None:
            self._first = Variables(sys._getframe(2))  # noqa: SLF001 - as inspect.currentframe
        name = str(self.found.loaders.name(loader))
        self.found.use(loader)
        index = len(self.records.setdefault(name, []))
        if self.goal is not None and not self.goal.knows(name, index):
            _log.warning(
                "loop %d over %s was not there before: the saved state is taken up here", index, name
            )
            self._reach()
        record = Record(name, index) if self.goal is None else self.goal.record(name, index)
        self.records[name].append(record)
        if self.goal is None:
            return self.enter(loader, record, sys._getframe(2))  # noqa: SLF001 - as inspect.currentframe
        passed = Passed(self, loader, record, iterate)
        self.beside.append(weakref.ref(passed))
        return passed

    def step(self, optimizer: Any, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make a step of an optimizer, or hold still."""
        if self._stepping or not self.is_ours() or self.found.optimizers.name(optimizer) is None:
            return step(optimizer, *args, **kwargs)
        self._begin()
        if self.goal is not None:
            return self._hold_still(*args, **kwargs)
        self._stepping = True
        try:
            result = step(optimizer, *args, **kwargs)
        finally:
            self._stepping = False
        self.found.remains.stepped(optimizer)
        self._stepped(result)
        return result

    # -- going on

    def is_goal(self, record: Record) -> bool:
        """Say whether the saved program was within this loop."""
        goal = self.goal
        return goal is not None and not goal.after and (goal.name, goal.index) == (record.name, record.index)

    def expect_loop(self) -> None:
        """Count in the right way from the first loop on: its ``enumerate`` is looked up before it begins."""
        if self._group is None and self.is_ours():
            Counted.put_on(self)

    def given_ahead(self, loader: Any) -> int:
        """Give how many batches the loop that begins now has given in the saved program, if it was in that."""
        name = self.found.loaders.name(loader) if self.is_ours() else None
        if name is None:
            return 0
        self._begin()
        record = Record(name, len(self.records.get(name, [])))
        return self.goal.record(name, record.index).given if self.goal and self.is_goal(record) else 0

    def passed(self, record: Record) -> None:
        """Take note that a loop was passed over; the saved program may have been at its end."""
        record.over = True
        goal = self.goal
        if goal is not None and goal.after and (goal.name, goal.index) == (record.name, record.index):
            self.last = record
            self._reach()
            self._begin().safe_point()

    def _reach(self) -> None:
        """Be where the saved program was: all objects get their states back."""
        # A save that falls due within would find half of them.
        with self._begin().atomic():
            self._catch_up()

    def enter(self, loader: Any, record: Record, frame: FrameType | None, *, in_for: bool = False) -> Loop:
        """Go through a loader: where the saved program was in it, what is left."""
        group = self._begin()
        loop = Loop(self, loader, record, in_for=in_for)
        with group.atomic():
            for earlier in self.running:
                # Broken off, and still held by a variable: a loader is gone through once at a time.
                if earlier.record.name == record.name:
                    earlier.leave(frame)
            self._running.append(weakref.ref(loop))
            self.broken_off.clear()
            self.last = record
            self._catch_up()
        loop.start(frame)  # before a save: a loader whose last loop was broken off would go on in that one
        if self._leading is loop:
            # What comes after this is not divided until the next safe point, which is that of a loop that trains.
            group.safe_point()
        return loop

    def ended(self, loop: Loop) -> None:
        """Take note that a loop is over."""
        # By what is left: a reference to who is being deleted is dead.
        self._running = [each for each in self._running if each() not in (loop, None)]
        for earlier in self.records[loop.record.name][:-1]:
            earlier.forget_what_is_large()

    def next_batch(self, loop: Loop) -> None:
        """Let what is due be served between two batches of a loop that trains."""
        if loop.trains and self._leading is loop:
            for other in self.running:
                other.within = False  # what was taken of it was used in the step
            self._begin().safe_point()

    def _stepped(self, result: object) -> None:
        """Find out which loop trains; without any, each round of steps is an element of its own."""
        self.steps += 1
        running = self.running
        if running:
            asked = [loop for loop in running if loop.asked_at == self.steps - 1]
            for loop in asked:
                loop.trains = True
            warn_of_sides(asked)
            self._taking_turns = [weakref.ref(loop) for loop in asked] or self._taking_turns
        elif not self.records:
            self._result = result
            self._catch_up()
            if self.found.round_is_done():
                self._begin().safe_point()

    def _hold_still(self, closure: Callable[[], Any] | None = None, **_: Any) -> Any:
        import torch

        self.steps += 1
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        goal = self.goal
        if goal is not None and goal.steps == self.steps and goal.name is None:
            self._reach()
            self._result = result = put_steps_back(goal)
            self._begin().safe_point()
        return result

    # -- what is kept

    def describe(self) -> dict[str, object]:
        """Give where the program is, as plain data."""
        loops = {name: [record.plain() for record in records] for name, records in self.records.items()}
        for loop in self.running:
            loops[loop.record.name][loop.record.index] = loop.described()
        leading = self._leading
        if leading is not None and self._first is not None and leading.record.name in loops:
            # What was made of values that are not put back in a loop of the past is put back here.
            stored = loops[leading.record.name][leading.record.index]
            frame = main_frame()
            changed = self._first.changed(frame) if leading.in_for else everything(frame)
            stored[-1] = merged(changed, stored[-1])
        if not self.records:
            loops |= as_loop(self._result)
        at = leading.record if leading is not None else self.last
        place = {"name": None, "index": 0} if at is None else {"name": at.name, "index": at.index}
        return {**place, "after": leading is None, "steps": self.steps, "loops": loops}

    def end_with_program(self) -> StateManagerGroup:
        """Give the process's group, whose work is done when the program ends by itself."""
        if self._group is None:
            from lattice_addons.state import StateManagerGroup

            self._group = StateManagerGroup()
            # A program that this one starts is another job's, and must not take this one's place.
            os.environ.pop("LATTICE_AUTOPATCH", None)
            complete_at_end(self._group, lambda: self.goal is None)
            Counted.take_off()
        return self._group

    def _begin(self) -> StateManagerGroup:
        """See where an earlier process was, once."""
        group = self.end_with_program()
        if SLOT not in group:
            CourseManager.course = self
            group.register(SLOT, CourseManager)
            self.goal = group.get(SLOT)
            if self.goal is not None:
                Counted.put_on(self)
        return group

    def _catch_up(self) -> None:
        """Track what was made since, in the order in which that gives everything back; then nothing is in vain."""
        import torch

        group = self._begin()
        remains: dict[str, Any] = {f"{SLOT}.remains": self.found.remains}
        if self.goal is not None:
            self.found.remains.drop_gradients()
        # The loop may be an evaluation within inference_mode(): tensors made there could never be trained again.
        with torch.inference_mode(mode=False):
            for name, made in self.found.new():
                group.track(**{name: made})
                if self.found.loaders.name(made) is not None:
                    watch(made)
            group.track(**remains)
            group.track_randomness(f"{SLOT}.randomness")
        self.goal = None
        Counted.take_off()


COURSE = Course()
