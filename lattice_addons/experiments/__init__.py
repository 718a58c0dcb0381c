"""Experiments: one class is one experiment, with what is searched, how it runs, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

if TYPE_CHECKING:
    from ._chart import chart_in, fields_and_metrics
    from ._context import Pruned
    from ._display import Display, display_for
    from ._entrypoint import entrypoint
    from ._experiment import Experiment
    from ._fields import Declared, fields_of
    from ._find import find_experiment, find_experiments
    from ._journal import Journal
    from ._options import program_arguments
    from ._place import Place
    from ._places import Standing, places, standing
    from ._plots import draw_results, paint_results
    from ._pool import Outcome, Pool, Task
    from ._program import run_program
    from ._provenance import provenance_of
    from ._record import Record
    from ._results import Results, results, results_in
    from ._run_all import run_all
    from ._samplers import Sampler, sampler_for
    from ._search import Search, search
    from ._summary import Plan, Summary
    from ._value import value

# One line each, in order. Each is imported when it is first used: a name to the room where it lives.
_ROOMS = {
    "Declared": "_fields",
    "Display": "_display",
    "Experiment": "_experiment",
    "Journal": "_journal",
    "Outcome": "_pool",
    "Place": "_place",
    "Plan": "_summary",
    "Pool": "_pool",
    "Pruned": "_context",
    "Record": "_record",
    "Results": "_results",
    "Sampler": "_samplers",
    "Search": "_search",
    "Standing": "_places",
    "Summary": "_summary",
    "Task": "_pool",
    "chart_in": "_chart",
    "display_for": "_display",
    "draw_results": "_plots",
    "entrypoint": "_entrypoint",
    "fields_and_metrics": "_chart",
    "fields_of": "_fields",
    "find_experiment": "_find",
    "find_experiments": "_find",
    "paint_results": "_plots",
    "program_arguments": "_options",
    "provenance_of": "_provenance",
    "places": "_places",
    "results": "_results",
    "results_in": "_results",
    "run_all": "_run_all",
    "run_program": "_program",
    "sampler_for": "_samplers",
    "search": "_search",
    "standing": "_places",
    "value": "_value",
}

__all__ = [
    "Declared",
    "Display",
    "Experiment",
    "Journal",
    "Outcome",
    "Place",
    "Plan",
    "Pool",
    "Pruned",
    "Record",
    "Results",
    "Sampler",
    "Search",
    "Standing",
    "Summary",
    "Task",
    "chart_in",
    "display_for",
    "draw_results",
    "entrypoint",
    "fields_and_metrics",
    "fields_of",
    "find_experiment",
    "find_experiments",
    "paint_results",
    "places",
    "program_arguments",
    "provenance_of",
    "results",
    "results_in",
    "run_all",
    "run_program",
    "sampler_for",
    "search",
    "standing",
    "value",
]

later(globals(), _ROOMS)
