"""A loop without a loader is counted by its optimizer's steps; after each, its variables are what it has come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._asking import main_frame
from ._records import Record
from ._variables import everything, plain, put_back

if TYPE_CHECKING:
    from ._records import Goal

__all__ = ["as_loop", "put_steps_back"]

_NAME = ""  # no loader is called so


def as_loop(result: object) -> dict[str, list[list[object]]]:
    """Give what is kept after a step that gave this result."""
    left = everything(main_frame())
    left[_NAME] = {key: (False, copy) for key, _, copy in plain({"result": result})}
    return {_NAME: [Record(_NAME, 0, left=left).plain()]}


def put_steps_back(goal: Goal) -> object:
    """Put the variables back, and give the result of the step that the saved program had made last."""
    left = goal.record(_NAME, 0).left
    put_back(main_frame(), left)
    return left.get(_NAME, {}).get("result", (False, None))[1]
