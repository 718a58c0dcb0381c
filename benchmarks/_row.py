"""A row of the table is a figure beside its target, with what it was made of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

__all__ = ["RATIO", "Row", "failed"]

RATIO = "×"


@dataclass(frozen=True)
class Row:
    """What was measured (None: it could not be), what it may be at most (None: it is there to compare with)."""

    what: str
    measured: float | None
    target: float | None
    unit: str = RATIO
    details: str = ""
    error: str = ""
    broken: bool = False

    @property
    def met(self) -> bool | None:
        """Say whether the target is met; None where there is none, or nothing was measured."""
        if self.target is None or self.measured is None:
            return None
        return self.measured <= self.target

    @property
    def missed(self) -> bool:
        """Say whether there is a target that was not shown to be met, by a figure or for lack of one."""
        return self.broken or (self.target is not None and not self.met)

    def to_json(self) -> str:
        """Give the row as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Row:
        """Give the row that `to_json` wrote."""
        return cls(**json.loads(line))


def failed(what: str, why: object, target: float | None = None, *, broken: bool = False) -> Row:
    """Give the row of what could not be measured; ``broken``: of a whole benchmark."""
    text = f"{type(why).__name__}: {why}" if isinstance(why, BaseException) else str(why)
    return Row(what, None, target, error=" ".join(text.split())[:160], broken=broken)
