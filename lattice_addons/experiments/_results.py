"""What runs returned, as Parquet beside the journal while they run, and as a table for whoever asks."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ExperimentChangedError

from ._columns import combined, only
from ._fields import fields_of
from ._needs import needed
from ._parquet import (
    Key,
    Layout,
    key_of,
    keys_of,
    part_keys,
    read_parts,
    read_table,
    spread,
    table_of_records,
    write_part,
)
from ._place import Place
from ._rows import ABOUT, FILE, RESULTS, has_arrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ._record import Record

__all__ = ["Results", "results", "results_in"]

_log = logging.getLogger("lattice_addons.experiments")
_SECONDS = 5.0
_RECORDS = 2000  # in one part at most, for they are held in memory until then
_PARTS = 16  # so many small ones become one
_SMALL = 256 * 1024  # bytes, for many thousand runs; those that are put together are all in memory


class Results:
    """Writes the Parquet files of one place; for who holds its lock.

    They follow from the journal, so that nothing is lost where they cannot be written: `close` makes up for it.
    """

    __module__ = "lattice_addons.experiments"

    def __init__(self, place: Place, *, seconds: float = _SECONDS) -> None:
        self._place, self._seconds = place, seconds
        self._waiting: list[Record] = []
        self._last = time.monotonic()
        self._quiet = not has_arrow()
        # Whether every record is taken here, once: then nobody need look for what is missing.
        self._complete = not any(kind == "record" for kind, _ in place.journal().read())
        if self._quiet:
            _log.warning(
                "pyarrow is not installed: results stay in the journal, and no Parquet is written; "
                "pip install 'lattice-addons[experiments]', and run the experiment again to have it"
            )

    def take(self, records: Iterable[Record]) -> None:
        """Take records that are in the journal; they are in a file a few seconds later."""
        if self._quiet:
            return
        new = list(records)
        self._complete = self._complete and all(record.attempt == 1 for record in new)
        self._waiting += new
        due = self._waiting and time.monotonic() - self._last >= self._seconds
        if due or len(self._waiting) >= _RECORDS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        records, self._waiting, self._last = self._waiting, [], time.monotonic()
        if not records:
            return
        try:
            write_part(self._place, table_of_records(records))
            if len(part_keys(self._place)) >= _PARTS:
                self._put_together()
        except Exception as error:  # noqa: BLE001 - whatever it is, the runs go on: the journal has what they returned
            self._complete = False
            _log.warning("results are not written for now, and will be at the end: %s", error)

    def close(self) -> None:
        """Write everything that the journal has and no file, and put small files together."""
        if self._quiet:
            return
        self.flush()
        try:
            self._put_together() if self._complete else self._make_up()
        except Exception as error:  # noqa: BLE001 - as above
            _log.warning("results are not written, and are in the journal only: %s", error)

    def _make_up(self) -> None:
        """Write what is missing, and leave out what does not count any more, or nobody names."""
        current = _current(self._place)
        known = {key for part in read_parts(self._place, ("identity", "ended")) for key in keys_of(part)}
        for records in _missing(self._place, current, known):
            write_part(self._place, table_of_records(records))
        self._put_together(current)
        self._sweep()

    def _put_together(self, current: Mapping[str, int] | None = None) -> None:
        """Make one part of the small ones; of these runs only, where they are told, for others have been run again."""
        store = self._place.store
        small = [key for key in part_keys(self._place) if store.size(key) < _SMALL]
        tables, seen, left_out = [], set[Key](), 0
        for key in small:
            table = read_table(self._place, key)
            if not self._complete:  # else each run is there once
                keys = keys_of(table)
                keep = [
                    each not in seen and (current is None or current.get(each[0]) == each[1]) for each in keys
                ]
                left_out += keep.count(False)
                seen.update(keys)
                table = only(table, keep)
            tables.append(table)
        if len(small) <= 1 and not left_out:
            return
        write_part(self._place, _together(tables[::-1]))
        store.delete(small)

    def _sweep(self) -> None:
        """Remove tables that no run names: their workers were killed before they could say so."""
        store = self._place.store
        keys = [key for key in store.list(RESULTS) if key.startswith(f"{RESULTS}/table-")]
        if not keys:
            return
        named = set()
        for table in read_parts(self._place):
            if FILE in table.column_names:
                named.update(table.column(FILE).to_pylist())
        store.delete([key for key in keys if key not in named])


def results(
    experiment: type | str, kind: str = "pandas", root: str | None = None, *, all_versions: bool = False
) -> Any:
    """Give what the runs of an experiment returned: a row each, or as many as they returned.

    Beside the fields and the results stand ``name``, ``identity``, ``status``, ``started``, ``ended``, ``seconds``,
    ``host``, ``attempt``, ``log`` and ``error``. It may run meanwhile: what is in the journal is there.

    Args:
        experiment: its class, or its name as the command line takes it.
        kind: ``pandas``, ``polars`` or ``arrow``.
        root: where its results are, if not beside its source: what ``run_all`` was given.
        all_versions: take runs of earlier versions of the class, too, which had other fields.

    Raises:
        ExperimentChangedError: there are such, and they were not asked for.
        MissingExtraError: the library is not installed.
    """
    if kind not in ("pandas", "polars", "arrow"):
        raise ValueError(f"kind={kind!r}: results are a table of 'pandas', 'polars' or 'arrow'")
    library = needed("pyarrow" if kind == "arrow" else kind)
    if isinstance(experiment, str):
        from ._find import find_experiment

        experiment = find_experiment(experiment)
    table = _read(experiment, Place(experiment, root), all_versions=all_versions)
    if kind == "arrow":
        return table
    if kind == "polars":
        return library.from_arrow(table)
    frame = table.replace_schema_metadata().to_pandas()
    frame.attrs["fields"] = Layout.of(table).fields
    return frame


def results_in(place: Place) -> Any:
    """Give what runs at a place returned, of every version of its class, as a table of arrow; None where there is none.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    needed("pyarrow")
    table = _found(place)
    return None if table is None else spread(place, table).sort_by("ended")


def _read(experiment: type, place: Place, *, all_versions: bool) -> Any:
    table = _found(place)
    if table is None:
        return _empty(experiment)
    if not all_versions:
        _check_versions(experiment, Layout.of(table))
    return spread(place, table).sort_by("ended")


def _found(place: Place) -> Any:
    if not _is_there(place):
        return None
    current = _current(place)
    tables, known = [], set[Key]()
    for part in reversed(read_parts(place)):
        keys = keys_of(part)
        known.update(keys)
        # Without a journal, as where only the results were copied, all of them count.
        tables.append(only(part, [current.get(key[0]) == key[1] for key in keys]) if current else part)
    tables += [table_of_records(records) for records in _missing(place, current, known)]
    tables = [table for table in tables if table.num_rows]
    return _together(tables) if tables else None


def _is_there(place: Place) -> bool:
    import os

    return not place.local or os.path.isdir(place.url)


def _current(place: Place) -> dict[str, int]:
    """Give the run that counts of each setting: when it ended."""
    known = place.journal().index()
    return dict(key_of(identity, each.ended) for identity, each in known.items())


def _missing(place: Place, current: Mapping[str, int], known: set[Key]) -> Iterator[list[Record]]:
    """Give the records that count and are in no file, some at a time."""
    if known.issuperset(current.items()):
        return
    found: dict[Key, Record] = {}
    for kind, record in place.journal().read():
        if kind != "record":
            continue
        key = key_of(record.identity, record.ended)
        if current.get(key[0]) == key[1] and key not in known:
            found[key] = record
            known.add(key)
        if len(found) >= _RECORDS:
            yield list(found.values())
            found = {}
    if found:
        yield list(found.values())


def _together(tables: list[Any]) -> Any:
    layout = Layout()
    for table in tables:
        layout |= Layout.of(table)
    return layout.put(combined(tables))


def _empty(experiment: type) -> Any:
    pa = needed("pyarrow")
    fields = list(fields_of(experiment))
    table = pa.table({name: pa.nulls(0) for name in dict.fromkeys([*fields, *ABOUT])})
    return Layout(fields).put(table)


def _check_versions(experiment: type, layout: Layout) -> None:
    now = set(fields_of(experiment))
    other = [set(version) for version in layout.versions if set(version) != now]
    if not other:
        return
    added = tuple(sorted(now.difference(*other)))
    removed = tuple(sorted(set().union(*other) - now))
    name = experiment.__qualname__
    told = [f"{word} {', '.join(names)}" for word, names in (("without", added), ("with", removed)) if names]
    raise ExperimentChangedError(
        f"there are results of another version of {name}, {' and '.join(told)}: "
        f"results(all_versions=True) takes them all the same, and run_all(clean=True) removes them",
        experiment=name,
        added=added,
        removed=removed,
    )
