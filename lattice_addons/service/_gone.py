"""Who has asked and gone away is not answered to the end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    from starlette.types import Receive

__all__ = ["gone"]


async def gone(receive: Receive) -> None:
    """Wait until who has asked goes away, or sends along with a question what nobody takes."""
    with suppress(LatticeError):
        while (await receive())["type"] != "http.disconnect":
            pass
