"""Experiments: one class is one experiment, with what is searched, how it runs, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

if TYPE_CHECKING:
    from ._context import Pruned
    from ._display import Display, display_for
    from ._entrypoint import entrypoint
    from ._experiment import Experiment
    from ._fields import Declared, fields_of
    from ._find import find_experiment, find_experiments
    from ._journal import Journal
    from ._options import program_arguments
    from ._place import Place
    from ._plots import draw_results, paint_results
    from ._pool import Outcome, Pool, Task
    from ._program import run_program
    from ._provenance import provenance_of
    from ._record import Record
    from ._results import Results, results
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
    "Summary": "_summary",
    "Task": "_pool",
    "display_for": "_display",
    "draw_results": "_plots",
    "entrypoint": "_entrypoint",
    "fields_of": "_fields",
    "find_experiment": "_find",
    "find_experiments": "_find",
    "paint_results": "_plots",
    "program_arguments": "_options",
    "provenance_of": "_provenance",
    "results": "_results",
    "run_all": "_run_all",
    "run_program": "_program",
    "sampler_for": "_samplers",
    "search": "_search",
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
    "Summary",
    "Task",
    "display_for",
    "draw_results",
    "entrypoint",
    "fields_of",
    "find_experiment",
    "find_experiments",
    "paint_results",
    "program_arguments",
    "provenance_of",
    "results",
    "run_all",
    "run_program",
    "sampler_for",
    "search",
    "value",
]

__getattr__, __dir__ = later(globals(), _ROOMS)
