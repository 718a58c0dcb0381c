"""A framework that has a loop of its own keeps it by its integration; torch's patches leave that loop alone."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._course import COURSE, standing_aside

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["lightning", "transformers"]


def transformers(trainer: ModuleType) -> None:
    """Patch transformers' trainers."""
    import_module("lattice_addons.integrations.transformers").autopatch()
    _stand_aside_in(trainer.Trainer, "train", "evaluate", "predict")


def lightning(trainer: ModuleType) -> None:
    """Patch Lightning's trainers."""
    import_module("lattice_addons.integrations.lightning").autopatch()
    _stand_aside_in(trainer.Trainer, "fit", "validate", "test", "predict")


def _stand_aside_in(kind: type, *methods: str) -> None:
    for name in methods:
        setattr(kind, name, _aside(getattr(kind, name)))


def _aside(method: Any) -> Any:
    @functools.wraps(method)
    def called(*args: Any, **kwargs: Any) -> Any:
        COURSE.end_with_program()
        with standing_aside():
            return method(*args, **kwargs)

    return called
