"""How large, how often and where: the same for every row of one run."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Setup"]

#: Slow ones are measured this often.
FEW = 3


@dataclass(frozen=True)
class Setup:
    """The state is ``mib`` MiB of arrays; every median is of ``rounds`` figures; files are made below ``folder``."""

    mib: int
    rounds: int
    slots: int
    saves: int
    folder: str

    @property
    def few(self) -> int:
        """Give the number of rounds of what is slow."""
        return min(FEW, self.rounds)

    @contextmanager
    def room(self) -> Iterator[Path]:
        """Give a new folder, which is gone afterwards; removing it is in nobody's time."""
        path = Path(tempfile.mkdtemp(dir=self.folder, prefix="lattice-benchmark-"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.sync()
