"""Each job is asked by itself: one that cannot be read is told of, and hides no other."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.errors import LatticeError, UnreachableError

from ._output import plain
from ._status import OK

if TYPE_CHECKING:
    from collections.abc import Iterator


class Apart:
    """What a command asks of one job after the other; ``status`` is that of the first which could not be read."""

    def __init__(self, command: str) -> None:
        self._command = command
        self.status: int = OK

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Name on stderr what cannot be read, and go on."""
        try:
            yield
        except UnreachableError:
            raise  # the next one would wait for the same store
        except LatticeError as error:
            sys.stderr.write(plain(f"lattice {self._command}: {what}: {error}") + "\n")
            self.status = self.status or error.exit_code
