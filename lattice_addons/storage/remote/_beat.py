"""File systems tell a callback how far they are; a call whose bytes move is not given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lattice_addons.storage.remote._patience import Pulse

__all__ = ["beating"]


def beating(pulse: Pulse) -> Any:  # noqa: ANN401 - fsspec has no types
    """Give a callback by which a file system tells that bytes move."""
    from fsspec.callbacks import Callback

    class Beat(Callback):  # type: ignore[misc]
        def call(self, *_: object, **__: object) -> None:
            pulse.beat()

    return Beat()
