"""What cannot be done in the middle of a call into C is done when the call has returned."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from ._gate import Act

__all__ = ["after_call"]


def after_call(act: Act) -> bool:
    """Have the main thread do something soon after the call that it is in; say whether that is possible.

    A handler may run inside a write to a file, which holds the file's lock: looking at the file there fails, and
    a thread that calls again finds the main thread in the next write, since it gets its turn only then. The end
    of the call itself can be seen by a profile function, if the program has none of its own.
    """
    if sys.getprofile() is not None:
        return False

    def returned(_frame: FrameType, _event: str, _argument: object) -> None:
        sys.setprofile(None)
        act(safe=False)  # which comes here again, if this was only the end of our own handler

    sys.setprofile(returned)
    return True
