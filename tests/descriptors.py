"""Which files of a folder this process has open; those of other tests' threads do not count."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_under(folder: Path | str) -> list[str]:
    """Give what the descriptors of this process lead to, in this folder or below it."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue  # the listing's own, or one that a thread has closed since
    return sorted(path for path in found if f"{path}/".startswith(f"{os.path.realpath(folder)}/"))
