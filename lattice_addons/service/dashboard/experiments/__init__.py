"""The pages of experiments: what runs, what came of it, and pictures of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _list_page, _page

if TYPE_CHECKING:
    from starlette.routing import Route

    from lattice_addons.service.dashboard._pages import Pages

__all__ = ["routes"]


def routes(pages: Pages) -> list[Route]:
    """Give where they are."""
    return [*_list_page.routes(pages), *_page.routes(pages)]
