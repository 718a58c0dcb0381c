"""A value whose bytes are read when there is leave to: a save waits in the middle of writing it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lattice_addons.encoding import Encoder, Stream, register_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons import StateManagerGroup


class Slow(Stream):
    """Bytes that are read when there is leave to."""

    size = 3

    def __init__(self) -> None:
        self.begun, self.leave = threading.Event(), threading.Event()
        self.told: list[str] = []

    def pieces(self) -> Iterator[bytes]:
        """Say when the reading begins, and when it ends."""
        self.begun.set()
        assert self.leave.wait(60)
        self.told.append("read")
        yield b"abc"

    def frozen(self) -> Stream:
        """Be what nobody changes."""
        return self


class Reel:
    """A value that leads to such bytes."""

    def __init__(self) -> None:
        self.bytes = Slow()


class ReelEncoder(Encoder):
    """Stores them."""

    name, types = "reel", (Reel,)

    def encode(self, value: Reel) -> tuple[None, list[Stream]]:
        """Give the bytes when they are wanted."""
        return None, [value.bytes]

    def decode(self, header: object, buffers: object) -> Reel:
        """Give one."""
        del header, buffers
        return Reel()


def begin(group: StateManagerGroup, reel: Slow) -> None:
    """Let the group have a value that takes its time to be written."""
    register_encoder(ReelEncoder())
    value = Reel()
    value.bytes = reel
    group.register("a")
    group.update("a", value)
