"""A fault at every system call of a repair, and after each the next repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.crash.matrix import Matrix
from tests.faults.crash.repairing import MENDED, NEWEST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.crash.zygote import Life, Zygote

__all__ = ["Repairs"]


class Repairs(Matrix):
    """The same damage in a folder of its own for every fault."""

    def __init__(self, zygote: Zygote, folder: Path) -> None:
        super().__init__(zygote, folder, "repairing", step="save", fresh=True)
        self._scene = self.folder
        with zygote.start() as life:
            life.do("open", self.keeper, str(self._scene))
            assert life.do("load") == 0

    def _begin(self) -> int | None:
        self._next()
        self.folder = self._scene.with_name(f"damaged-{self.number}")
        self.zygote.hand.do("copy_folder", str(self._scene), str(self.folder))
        return None

    def _restart(self, point: str, old: int | None, new: int, *, must: int | None) -> None:
        """Look that nothing is worse, repair what was left, look again, and start a program."""
        del old, new
        with self.zygote.start() as life:
            try:
                life.do("open", self.keeper, str(self.folder))
                found = life.do("load")
                if must is not None and found != MENDED:
                    self.tally.violations.append(f"{point}: only {found} of {MENDED} are done, and were told")
                life.do("save", self._next())
                if (found := life.do("load")) != MENDED:
                    self.tally.violations.append(f"{point}: the next repair did {found} of {MENDED}")
                life.do("open", "group", str(self.folder))
                if (found := life.do("load")) != NEWEST:
                    self.tally.violations.append(f"{point}: a program found {found}")
            except AssertionError as error:
                self.tally.violations.append(f"{point}: restart: {error}")
        self.zygote.hand.do("remove", str(self.folder))

    def _go_on(self, point: str, life: Life) -> int | None:
        """Let the same program repair once more; the fault is over."""
        answer = life.ask("save", self._next()) or {"error": "ended", "text": ""}
        if "error" in answer:
            self.tally.violations.append(f"{point}: then {answer['error']}: {answer['text']}")
            return None
        return self.number
