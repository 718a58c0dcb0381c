"""``lattice experiment results``: the table of an experiment's results is printed, filtered, sorted, exported."""

from __future__ import annotations

import difflib
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from lattice_addons._whole_file import write_whole
from lattice_addons.errors import SettingError

from ._needs import needed
from ._results import results
from ._rows import ABOUT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from ._experiment import Experiment

__all__ = ["filtered", "show_results", "table_told"]

_CONDITION = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>|=|~)\s*(.*?)\s*", re.DOTALL)
_COMPARED: dict[str, Any] = {
    "=": lambda column, value: column == value,
    "==": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EXAMPLE = "write it as in loss<0.5, opt=adam or name~batch_size=(16|32)"
# Columns that a table shows first.
_FIRST = ("name", "status")
_WRITERS: dict[str, Any] = {
    ".csv": lambda frame: frame.to_csv(index=False).encode(),
    ".json": lambda frame: frame.to_json(orient="records", indent=2, date_format="iso").encode(),
    ".jsonl": lambda frame: frame.to_json(orient="records", lines=True, date_format="iso").encode(),
    ".parquet": lambda frame: frame.to_parquet(index=False),
}


def show_results(cls: type[Experiment], options: argparse.Namespace) -> int:
    """Print the results that the options ask for, or export them; give the exit status."""
    frame = table_told(cls, options)
    if options.export:
        export(frame, options.export)
        sys.stdout.write(f"wrote {len(frame):,} rows to {options.export}\n")
    elif options.json:
        sys.stdout.write(frame.to_json(orient="records", indent=2, date_format="iso") + "\n")
    else:
        print_frame(f"{cls.__module__}.{cls.__qualname__}", frame, _columns(frame, options.columns))
    return 0


def table_told(cls: type[Experiment], options: argparse.Namespace) -> Any:
    """Give the results of an experiment, filtered, sorted and cut as the options say."""
    frame = results(cls, "pandas", options.root, all_versions=options.all_versions)
    for condition in options.where:
        frame = filtered(frame, condition)
    if options.sort:
        name = _column(frame, options.sort.removeprefix("-"))
        frame = frame.sort_values(name, ascending=not options.sort.startswith("-"), kind="stable")
    if options.limit:
        frame = frame.head(options.limit)
    if options.columns and (options.export or options.json):
        frame = frame[_columns(frame, options.columns)]
    return frame


def filtered(frame: Any, condition: str) -> Any:
    """Give the rows of a frame for which a condition such as ``loss<0.5`` holds.

    Raises:
        SettingError: it is none, or there is no such column.
    """
    found = _CONDITION.fullmatch(condition)
    if found is None:
        raise SettingError(f"--where {condition!r} is no condition; {_EXAMPLE}", field="")
    name, sign, text = found.groups()
    column = frame[_column(frame, name)]
    if sign == "~":
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise SettingError(
                f"--where {condition!r}: {text!r} is no pattern ({error})", field=name
            ) from None
        holds = column.map(lambda each: each is not None and bool(pattern.search(str(each))))
    else:
        holds = _COMPARED[sign](*_alike(column, text, condition))
    # What is unknown is no answer.
    return frame[holds.astype("boolean").fillna(value=False).astype(bool)]


def _alike(column: Any, text: str, condition: str) -> tuple[Any, Any]:
    """Give a column, and what it is compared with as the same kind of thing."""
    kind = column.dtype.kind
    if (
        kind == "O"
        and column.notna().any()
        and column.dropna().map(lambda each: isinstance(each, bool)).all()
    ):
        kind = "b"  # truths, some of which are unknown
    try:
        if kind == "b":
            return column.astype("boolean"), _TRUTHS[text.lower()]
        if kind in "iuf":
            return column, float(text)
        if kind == "M":
            moment = needed("pandas").Timestamp(text)
            zone = column.dt.tz
            return column, moment.tz_localize(zone) if moment.tz is None and zone is not None else moment
    except (ValueError, KeyError):
        what = {"b": "truths", "M": "times"}.get(kind, "numbers")
        message = f"--where {condition!r}: {column.name} has {what}, and {text!r} is none"
        raise SettingError(message, field=str(column.name)) from None
    return column.astype("string"), text


def export(frame: Any, path: str) -> None:
    """Write a frame to a file, in the form that the file's name says; whole, or not at all.

    Raises:
        SettingError: there is no such form, or the file cannot be written.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _WRITERS:
        raise SettingError(f"--export {path}: write a {', '.join(_WRITERS)} file", field="")
    content = _WRITERS[suffix](frame)
    try:
        write_whole(path, content)
    except OSError as error:
        raise SettingError(
            f"--export {path}: cannot be written ({error.strerror or error})", field=""
        ) from error


def print_frame(title: str, frame: Any, columns: Sequence[str]) -> None:
    """Write some columns of a frame as a table; without a terminal, as wide as it must be."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=100_000)
    table = Table(title=Text(f"{title}: {len(frame):,} rows"), title_justify="left", box=box.SIMPLE_HEAD)
    for name in columns:
        numbers = frame[name].dtype.kind in "iuf"
        table.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for row in frame[list(columns)].itertuples(index=False):
        # As text: a result "[red]" is no markup.
        table.add_row(*(Text(_cell(each)) for each in row))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - nan, NaT
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value).splitlines()[-1] if str(value) else ""


def _columns(frame: Any, told: str | None) -> list[str]:
    """Give the columns that are shown: those that are told, else all but what is known of each run anyway."""
    if told:
        return [_column(frame, name.strip()) for name in told.split(",")]
    several = "status" in frame and len(set(frame["status"])) > 1
    hidden = {*ABOUT, *_same(frame)} - {"name", *(("status", "error") if several else ())}
    first = [name for name in _FIRST if name in frame and name not in hidden]
    return first + [name for name in frame.columns if name not in hidden and name not in first]


def _same(frame: Any) -> set[str]:
    """Give the fields that are the same throughout: they say nothing in a table."""
    fields = frame.attrs.get("fields") or ()
    return {
        name for name in fields if name in frame and len(set(frame[name].astype("string").fillna(""))) <= 1
    }


def _column(frame: Any, name: str) -> str:
    if name in frame.columns:
        return name
    near = difflib.get_close_matches(name, list(map(str, frame.columns)), n=3)
    raise SettingError(f"the results have no column {name!r}{_there(near, frame.columns)}", field=name)


def _there(near: Sequence[str], columns: Iterable[Any]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(map(str, columns))}"
