"""Stored tensors are made on the device that is asked for, or where they were."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["asked_device", "tensors_on"]

_asked: ContextVar[str | None] = ContextVar("lattice_device", default=None)


@contextmanager
def tensors_on(device: str | None) -> Iterator[None]:
    """Give a block in which stored tensors are made on a device, such as ``"cuda:0"``; None: each where it was."""
    before = _asked.set(device)
    try:
        yield
    finally:
        _asked.reset(before)


def asked_device() -> str | None:
    """Give the device that is asked for here."""
    return _asked.get()
