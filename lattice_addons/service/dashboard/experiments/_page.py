"""``/experiments/{module}/{name}``: one experiment: its settings and their states, its results, and plots of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.errors import LatticeError, NotInStoreError
from lattice_addons.service.dashboard._pages import number_in

from ._plot import Plot, plot_of
from ._rows import Rows, rows_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from lattice_addons.experiments import Standing
    from lattice_addons.service.dashboard._pages import Pages
    from lattice_addons.service.view import ExperimentView

__all__ = ["routes"]

_CELLS, _FAILURES = 2000, 20


class Cell(NamedTuple):
    """One setting in the grid."""

    name: str
    status: str


def routes(pages: Pages) -> list[Route]:
    """Give where the page is."""

    def experiment(request: Request) -> Response:
        view = _asked(pages, request)
        note, table, plot, rows = "", None, None, None
        try:
            table = pages.experiments.table(view)
            if table is not None and table.num_rows:
                plot, rows = plot_of(table, view, request.query_params), rows_of(table, request)
        except LatticeError as error:
            note = str(error)
        except Exception as error:  # noqa: BLE001 - files of results that somebody else wrote may be anything
            note = f"they cannot be read ({type(error).__name__}: {error})"
        return _made(pages, request, view, note, plot, rows)

    return [pages.route("/experiments/{module}/{name}", experiment)]


def _asked(pages: Pages, request: Request) -> ExperimentView:
    module, name = str(request.path_params["module"]), str(request.path_params["name"])
    at = number_in(request, "at", 0) or 0
    view = pages.experiments.one(at, module, name) if pages.access.visible(request)(module) else None
    if view is None:
        message = f"there is no experiment {module}.{name} here"
        raise NotInStoreError(message, url=pages.store.url, key=module)
    return view


def _made(  # noqa: PLR0913, PLR0917 - what the page has
    pages: Pages, request: Request, view: ExperimentView, note: str, plot: Plot | None, rows: Rows | None
) -> Response:
    stands = pages.experiments.standing(view)
    failures = pages.experiments.failures(view)
    return pages.page(
        request,
        "experiment.html",
        view=view,
        cells=_cells(stands, view),
        cells_left_out=max(len(stands.known) - _CELLS, 0),
        failures=[(each, _last_line(each.error)) for each in failures[:_FAILURES]],
        failures_left_out=max(len(failures) - _FAILURES, 0),
        note=note,
        plot=plot,
        rows=rows,
        query=dict(request.query_params),
    )


def _cells(stands: Standing, view: ExperimentView) -> list[Cell]:
    """Give the settings in the order in which they ended, then those that run, then those that wait."""
    found = [Cell(known.name, known.status) for known in list(stands.known.values())[-_CELLS:]]
    if view.running:
        found += [Cell(identity[:12], "running") for identity in stands.running]
    waiting = max((view.total or 0) - view.ended - view.running, 0)
    return found + [Cell("", "waiting")] * min(waiting, max(_CELLS - len(found), 0))


def _last_line(text: Any) -> str:  # noqa: ANN401 - what a journal says
    lines = [line for line in str(text).splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
