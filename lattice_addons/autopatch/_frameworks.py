"""A framework that has a loop of its own keeps it by its integration; torch's patches leave that loop alone."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._course import COURSE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["lightning", "standing_aside", "transformers"]


def transformers(trainer: ModuleType) -> None:
    """Patch transformers' trainers."""
    _when_first_made(
        trainer.Trainer, "lattice_addons.integrations.transformers", "train", "evaluate", "predict"
    )


def lightning(trainer: ModuleType) -> None:
    """Patch Lightning's trainers."""
    _when_first_made(
        trainer.Trainer, "lattice_addons.integrations.lightning", "fit", "validate", "test", "predict"
    )


def _when_first_made(kind: type, integration: str, *methods: str) -> None:
    """Patch a kind of trainer when the first one is made.

    Not before: its module is imported in the middle of its framework, or of the integration, which needs all of it.
    """
    plain = vars(kind)["__init__"]

    @functools.wraps(plain)
    def made(self: object, *args: Any, **kwargs: Any) -> None:
        if vars(kind)["__init__"] is made:
            kind.__init__ = plain  # type: ignore[misc]
        if not patched:
            patched.append(integration)
            import_module(integration).autopatch()
            _stand_aside_in(kind, *methods)
        plain(self, *args, **kwargs)

    patched: list[str] = []
    kind.__init__ = made  # type: ignore[misc]


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


@contextmanager
def standing_aside() -> Iterator[None]:
    """Leave the loops within alone: a framework's own, whose state is kept by that framework's integration."""
    COURSE.aside += 1
    try:
        yield
    finally:
        COURSE.aside -= 1
