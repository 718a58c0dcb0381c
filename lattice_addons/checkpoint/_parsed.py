"""A large JSON text is parsed while the garbage collector rests."""

from __future__ import annotations

import gc
from typing import Any

import orjson

__all__ = ["parsed"]

# Below this the collector hardly has time to begin.
_LARGE = 64 * 1024


def parsed(text: bytes | bytearray | memoryview) -> Any:  # noqa: ANN401 - any JSON
    """Give what a JSON text says; `orjson.JSONDecodeError` where it is none.

    The collector would walk, again and again, through what is being made, and none of that can be garbage yet: of the
    time for a manifest of 2,560 slots that is a third.
    """
    if len(text) < _LARGE or not gc.isenabled():
        return orjson.loads(text)
    gc.disable()
    try:
        return orjson.loads(text)
    finally:
        gc.enable()
