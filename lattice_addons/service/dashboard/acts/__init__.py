"""What a page can do to a job: each act says first what it will do, and does it when that is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _download, _keep, _prune, _rollback, _steer
from ._asking import act_route

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from lattice_addons.service.dashboard._pages import Pages

__all__ = ["routes"]

_ACTS = (_rollback.ACT, _keep.KEEP, _keep.DROP, _prune.ACT, _steer.ACT, _steer.TAKE_BACK)


def routes(pages: Pages) -> list[BaseRoute]:
    """Give where acts are asked for, and the pages that belong to them."""
    return [*(act_route(pages, act) for act in _ACTS), *_download.routes(pages), *_steer.routes(pages)]
