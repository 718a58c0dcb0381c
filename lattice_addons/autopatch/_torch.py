"""Torch's own classes tell what a program makes of them, and hold still while what was done is passed over."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from ._course import COURSE
from ._hook import when_imported
from ._loop import is_watched

if TYPE_CHECKING:
    from types import CodeType, FrameType, ModuleType

__all__ = ["leave_untraced", "put_on"]

_MARK = "_lattice_patched"
_COMPILER = "torch._dynamo.eval_frame"
# Where torch's compiler is at work, and not what it has compiled.
_COMPILES = ("torch._dynamo.convert_frame", "torch._functorch._aot_autograd", "torch._inductor")
_untraced_codes: set[CodeType] = set()


def put_on(torch: ModuleType) -> None:
    """Patch torch, once."""
    if getattr(torch, _MARK, False):
        return
    setattr(torch, _MARK, True)
    from torch.optim import lr_scheduler
    from torch.utils.data import DataLoader

    scalers = [torch.amp.GradScaler]
    schedulers = [lr_scheduler.LRScheduler]
    if not issubclass(lr_scheduler.ReduceLROnPlateau, lr_scheduler.LRScheduler):  # torch before 2.2
        schedulers.append(lr_scheduler.ReduceLROnPlateau)
    _note_what_is_made(torch.nn.Module, "modules")
    _note_what_is_made(torch.optim.Optimizer, "optimizers", {"step": _step})
    for kind in schedulers:
        _note_what_is_made(kind, "schedulers", {"step": _schedule})
    for kind in scalers:
        _note_what_is_made(kind, "scalers")
    _note_what_is_made(DataLoader, "loaders", then=COURSE.expect_loop)
    for kind in (torch.nn.Module, torch.optim.Optimizer):
        kind.zero_grad = _zero(kind.zero_grad)
    _let_first_steps_be(lr_scheduler.LRScheduler)
    DataLoader.__iter__ = _iterate(DataLoader.__iter__)
    patched: Any = torch
    patched.save = _hold_still(patched.save)
    when_imported(_COMPILER, f"{__name__}:{leave_untraced.__name__}")


def leave_untraced(compiler: Any) -> None:
    """Have torch.compile call what is patched as it is: what is noted there is no part of a graph.

    As ``torch.compiler.disable(recursive=False)`` does, which imports the compiler, also into programs without it.
    """
    # It is torch's own: where a later one has it elsewhere, programs that compile nothing of ours must still run.
    if hasattr(compiler, "skip_code"):
        for code in _untraced_codes:
            compiler.skip_code(code)


def _untraced(function: Any) -> Any:
    # Its callers leave it out of their graphs; torch says why to who allows no such break.
    function._torchdynamo_disable = True  # noqa: SLF001 - this is how torch marks them
    function._torchdynamo_disable_msg = (  # noqa: SLF001
        "LATTICE_AUTOPATCH takes note of each call: compile without fullgraph=True, or leave this call out"
    )
    _untraced_codes.add(function.__code__)
    if _COMPILER in sys.modules:
        leave_untraced(sys.modules[_COMPILER])
    return function


def _is_compiling(frame: FrameType | None) -> bool:
    """Say whether torch's compiler is at work: what it makes for itself is none of the program's."""
    if _COMPILER not in sys.modules:
        return False
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_COMPILES):
            return True
        frame = frame.f_back
    return False


def _note_what_is_made(
    base: Any, found: str, methods: dict[str, Any] | None = None, then: Any = lambda: None
) -> None:
    """Have each object of a class, and of its subclasses, noted when it is made.

    In ``__new__``, which also copies and unpickled objects come through, and subclasses that do not call the
    constructor of their base.
    """
    noted = getattr(COURSE.found, found)

    def __new__(cls: type, /, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        make = super(base, cls).__new__
        made = make(cls) if make is object.__new__ else make(cls, *args, **kwargs)
        frame = sys._getframe(1)  # noqa: SLF001 - as inspect.currentframe, without the import
        if _is_compiling(frame):
            return made
        for name, wrap in (methods or {}).items():
            _wrap_each(cls, base, name, wrap)
        noted.add(made, frame)
        then()
        return made

    base.__new__ = _untraced(__new__)


def _wrap_each(cls: type, base: type, name: str, wrap: Any) -> None:
    """Wrap a method in each class that defines it, once."""
    for kind in cls.__mro__:
        method = vars(kind).get(name) if issubclass(kind, base) else None
        if method is not None and not hasattr(method, _MARK):
            wrapped = wrap(method)
            setattr(wrapped, _MARK, True)
            setattr(kind, name, wrapped)


def _step(step: Any) -> Any:
    """Make an optimizer's step one of the course."""

    @_untraced
    @functools.wraps(step)
    def stepped(self: Any, *args: Any, **kwargs: Any) -> Any:
        return COURSE.step(self, step, *args, **kwargs)

    return stepped


def _zero(zero: Any) -> Any:
    """Take note that gradients are zeroed."""

    @_untraced
    @functools.wraps(zero)
    def zeroed(self: Any, *args: Any, **kwargs: Any) -> Any:
        COURSE.found.remains.zeroed()
        return zero(self, *args, **kwargs)

    return zeroed


def _schedule(step: Any) -> Any:
    """Let a scheduler hold still while the course passes over what was done."""

    @_untraced
    @functools.wraps(step)
    def stepped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if COURSE.passing and not COURSE.making_schedulers:
            return None
        return step(self, *args, **kwargs)

    return stepped


def _let_first_steps_be(base: Any) -> None:
    """Let a scheduler make the step that is part of its construction."""
    first = base._initial_step  # noqa: SLF001 - there is no other place

    @_untraced
    @functools.wraps(first)
    def initial(self: Any, *args: Any, **kwargs: Any) -> Any:
        COURSE.making_schedulers += 1
        try:
            return first(self, *args, **kwargs)
        finally:
            COURSE.making_schedulers -= 1

    base._initial_step = initial  # noqa: SLF001 - as above


def _hold_still(function: Any) -> Any:
    """Let a function do nothing while the course passes over what was done: the file that it wrote then stands."""

    @_untraced
    @functools.wraps(function)
    def unless_passing(*args: Any, **kwargs: Any) -> Any:
        return None if COURSE.passing else function(*args, **kwargs)

    return unless_passing


def _iterate(iterate: Any) -> Any:
    """Make each loop over a loader one of the course."""

    @_untraced
    @functools.wraps(iterate)
    def iterated(self: Any) -> Any:
        # A watched loader comes here from its own class, for the iterator that is under the course's.
        return iterate(self) if is_watched(self) else COURSE.loop(self, iterate)

    return iterated
