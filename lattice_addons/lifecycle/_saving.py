"""Every saver that is concerned saves, in its turn; what fails is told, never raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._process import PROCESS
from ._tell import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._process import Saver

__all__ = ["mid_element_notes", "save_all"]


def mid_element_notes(saver: Saver) -> list[str]:
    """Name the loops that a save now finds in the middle of an element."""
    return [f"mid-element: {key}" for key in saver.gate.mid_element]


def save_all(
    savers: Iterable[Saver], reason: str, notes: Sequence[str] = (), patience: float | None = None
) -> BaseException | None:
    """Have each saver save; give the first thing that went wrong."""
    failure: BaseException | None = None
    patience = PROCESS.grace / 2 if patience is None else patience
    for saver in savers:
        # Given back before the save: a save waits for another one under way, which may need the gate.
        if not saver.gate.acquire(timeout=min(patience, 1e6)):
            open_block = TimeoutError("a block of atomic() stays open in another thread")
            tell(f"no save ({reason}): {open_block}; the last checkpoint stands")
            saver.refused(reason, open_block)
            failure = failure or open_block
            continue
        saver.gate.release()
        try:
            saver.save_now(reason, [*notes, *mid_element_notes(saver)])
        # What a value or a store raises must not surface in the middle of the program, nor stop the others.
        except BaseException as error:  # noqa: BLE001
            failure = failure or error
            tell(f"the save ({reason}) failed: {type(error).__name__}: {error}")
    return failure
