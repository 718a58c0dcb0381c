"""What a command line says is done: experiments are run, their results are shown and drawn."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import RunFailedError, SettingError

from ._asking import choice
from ._find import experiments_of_main, find_experiments
from ._options import ACTIONS, OURS
from ._place import Place
from ._search import Search
from ._told import experiment_told, field_names, told

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ._experiment import Experiment
    from ._summary import Summary

__all__ = ["run_program"]

REFUSED = 1
_GIVEN = ("sampler", "samples", "seed", "objective", "direction", "dask", "root", "limit")


def run_program(options: argparse.Namespace, folder: str | None = None) -> int:
    """Do what the options of `program_arguments` say, looking for experiments from a folder on; give the exit status.

    It is 0 when all went well, 1 when it was not wanted after all, and that of `RunFailedError` when settings failed,
    now or earlier.

    Raises:
        LatticeError: there is no such experiment, or it cannot be done.
    """
    way, name = _understood(options)
    experiments = find_experiments(name, folder=folder) if name else experiments_of_main(folder)
    if way == "results":
        from ._results_shown import show_results

        return max(show_results(cls, options) for cls in experiments)
    if way == "plot":
        from ._plot_shown import show_plot

        return max(show_plot(cls, options) for cls in experiments)
    if options.explain:
        sys.stdout.write("\n\n".join(map(explained, experiments)) + "\n")
        return 0
    return max(_run(cls, options) for cls in experiments)


def _understood(options: argparse.Namespace) -> tuple[str, str]:
    words = [*options.words]
    way = words.pop(0) if words and words[0] in ACTIONS else "run"
    if len(words) > 1:
        message = f"{words[1]!r} says of no field what it is, and one experiment is named already: {words[0]}"
        raise SettingError(message, experiment=words[0], field="")
    return way, words[0] if words else ""


def _run(cls: type[Experiment], options: argparse.Namespace) -> int:
    fields = [name for name, _ in field_names(cls)]
    both = [word for word in options.given if word[2:].replace("-", "_") in fields]
    if both:
        name = both[0][2:].replace("-", "_")
        message = f"{both[0]} is an option, and {cls.__qualname__} has a field of that name; write "
        message += f"{name}=… for the field, or {OURS}{both[0][2:]} for the option"
        raise SettingError(message, experiment=cls.__qualname__, field=name)
    experiment = experiment_told(cls, told(options.fields))
    asked = _asked(cls, options)
    if asked is None:
        return REFUSED
    given = {name: getattr(options, name) for name in _GIVEN if getattr(options, name) is not None}
    summary = experiment.run_all(
        options.num_proc, dry_run=options.dry_run, fail_fast=options.fail_fast, **asked, **given
    )
    if options.dry_run:
        _list(summary)
        return 0
    # Those that failed earlier, too: a second try must not look as if they had been mended.
    return RunFailedError.exit_code if summary.failed or summary.killed or summary.waiting else 0


def _asked(cls: type[Experiment], options: argparse.Namespace) -> dict[str, Any] | None:
    """Say what is done about earlier runs: what the options say, else what is answered; None when nothing is run."""
    told_so = options.resume is not None or options.rerun or options.clean or options.dry_run
    if not told_so and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        place = Place(cls, options.root)
        return choice(place.experiment, place.journal().index()) if place.exists() else {}
    return {
        "resume": options.resume is not False,
        "rerun": tuple(options.rerun or ()),
        "clean": options.clean,
    }


def _list(summary: Summary) -> None:
    for name in summary.planned:
        sys.stdout.write(f"{name}\n")
    sys.stdout.write(f"{summary.experiment}: {len(summary.planned):,} to run\n")


def explained(cls: type[Experiment]) -> str:
    """Say which fields an experiment has, as options."""
    lines = [f"{cls.__module__}.{cls.__qualname__}", *_first_line(cls), "", "fields:"]
    rows = [
        (f"--{name} {_type_told(field.hint).upper()}", _default_told(field), field.help)
        for name, field in field_names(cls)
    ]
    width = max((len(option) for option, _, _ in rows), default=0)
    lines += [
        f"  {option:<{width}}  {default}{f'  {note}' if note else ''}" for option, default, note in rows
    ]
    return "\n".join(lines)


def _first_line(cls: type[Experiment]) -> Iterator[str]:
    text = (vars(cls).get("__doc__") or "").strip()
    # What dataclass writes there by itself says nothing.
    if text and not text.startswith(f"{cls.__name__}("):
        yield text.splitlines()[0]


def _type_told(hint: Any) -> str:
    if hint is Any:
        return "value"
    return (
        hint.__name__
        if isinstance(hint, type) and not hasattr(hint, "__args__")
        else str(hint).replace("typing.", "")
    )


def _default_told(field: Any) -> str:
    if field.required:
        return "(must be given)"
    if isinstance(field.default, Search) and field.default.points is not None:
        return (
            f"({','.join(map(str, field.default.points[:8]))}{',…' if len(field.default.points) > 8 else ''})"  # noqa: PLR2004 - shown
        )
    return f"({field.default!r})".replace("(search.", "(")
