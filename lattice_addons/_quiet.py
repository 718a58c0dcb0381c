"""What Python would warn of in somebody's source is not ours to tell, nor to fail for."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quiet"]

# The filters of warnings are the process's: two that set them aside at once would leave them aside for good.
_aside = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Parse with warnings set aside, such as of an invalid escape in a string."""
    with _aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
