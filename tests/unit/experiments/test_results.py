"""Results are Parquet files beside the journal, and a table of both for whoever asks."""

from __future__ import annotations

import dataclasses
import logging
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lattice_addons.errors import ExperimentChangedError, StoreError
from lattice_addons.experiments import Experiment, Place, Record, Results, results, search
from lattice_addons.experiments import _results as results_room
from lattice_addons.experiments._rows import rows_of


class Sweep(Experiment):
    """What is run; its fields include one that is called as a fact about runs."""

    steps: int = 100
    lr: float = search(0.1, 0.2, 0.3, 0.4)
    host: str = "mine"

    def run(self) -> Any:
        """Return something else for each."""
        return {"loss": self.lr * self.steps, "nested": {"acc": 1}}


SETTINGS = list(Sweep())
FACTS = ["name", "identity", "status", "started", "ended", "seconds", "host", "attempt", "log", "error"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a place of its own."""
    return Place(Sweep, str(tmp_path / "root"))


def ran(
    setting: Sweep, returned: object, at: float = 0, *, where: Place | None = None, **facts: Any
) -> Record:
    """Give the record of a run that took a second and a half."""
    return Record(
        **{
            "identity": setting.identity,
            "name": setting.name,
            "values": setting.as_dict(),
            "status": "done",
            "started": 1e9 + at,
            "ended": 1e9 + at + 1.5,
            "host": "here",
            "pid": 1,
            "rows": rows_of(returned, setting, where),
            **facts,
        }
    )


def files(place: Place) -> list[str]:
    """Give the names of the result files."""
    return sorted(path.name for path in Path(place.url, "results").glob("*"))


def frame(place: Place, **options: Any) -> Any:
    """Give the results as pandas."""
    return results(Sweep, root=place.root, **options)


def test_a_row_has_fields_results_and_facts(place: Place) -> None:
    """In this order, with times, status and host; a failed run is a row, too."""
    records = [
        ran(SETTINGS[0], {"loss": 0.5}),
        ran(SETTINGS[1], None, 1, status="failed", error="Traceback\n  …\nValueError: no"),
    ]
    place.journal().add_many(records)

    table = frame(place)

    assert list(table.columns) == ["steps", "lr", "field.host", "loss", *FACTS]
    assert table.attrs["fields"] == ["steps", "lr", "field.host"]
    first, second = table.to_dict("records")
    assert (first["lr"], first["field.host"], first["loss"], first["status"]) == (0.1, "mine", 0.5, "done")
    assert (first["name"], first["identity"]) == (SETTINGS[0].name, SETTINGS[0].identity)
    assert (first["seconds"], first["host"]) == (1.5, "here")
    assert first["started"] == pd.Timestamp(10**9, unit="s", tz="UTC")
    assert (second["status"], second["error"]) == ("failed", "ValueError: no")
    assert second["loss"] != second["loss"]


def test_results_are_of_three_kinds(place: Place) -> None:
    """Pandas, polars and arrow, and nothing else."""
    place.journal().add(ran(SETTINGS[0], {"loss": 0.5}))

    assert isinstance(Sweep.results(root=place.root), pd.DataFrame)
    assert isinstance(Sweep.results("polars", root=place.root), pl.DataFrame)
    assert isinstance(Sweep.results("arrow", root=place.root), pa.Table)
    with pytest.raises(ValueError, match="numpy"):
        Sweep.results("numpy", root=place.root)


def test_before_anything_has_run_the_table_is_empty(place: Place) -> None:
    """Whoever looks from time to time need not wait for the first result, and nothing is made."""
    table = frame(place)

    assert len(table) == 0
    assert {"steps", "lr", "status"} <= set(table.columns)
    assert not Path(place.url).exists()


def test_files_and_journal_are_read_together(place: Place) -> None:
    """What is in a file is not given twice, and what is not yet in one is given."""
    journal, written = place.journal(), Results(place, seconds=0)
    records = [ran(setting, {"loss": setting.lr}, number) for number, setting in enumerate(SETTINGS)]
    for record in records[:3]:
        journal.add(record)
        written.take([record])
    journal.add(records[3])

    assert len(files(place)) == 3
    assert list(frame(place)["loss"]) == [0.1, 0.2, 0.3, 0.4]


def test_files_are_written_every_few_seconds(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each run, and not only at the end."""
    now = [0.0]
    monkeypatch.setattr("lattice_addons.experiments._results.time.monotonic", lambda: now[0])
    written = Results(place, seconds=5)
    for number, setting in enumerate(SETTINGS):
        now[0] += 3
        written.take([ran(setting, {"loss": 1}, number)])

    names = files(place)
    assert len(names) == 2
    assert [pq.read_table(Path(place.url, "results", name)).num_rows for name in names] == [2, 2]


def test_what_cannot_be_a_table_stops_no_run(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """It is told of, and stays in the journal."""
    odd = dataclasses.replace(ran(SETTINGS[0], {}, 0), rows=[{"x": {"no such": "tag"}}])
    journal, written = place.journal(), Results(place, seconds=0)
    journal.add(odd)
    written.take([odd])
    written.close()

    assert not files(place)
    assert "are in the journal only" in caplog.text


def test_the_end_makes_up_for_what_is_missing(place: Place) -> None:
    """A runner that was killed left records without a file; the next one writes them, and puts all together."""
    journal = place.journal()
    records = [ran(setting, {"loss": setting.lr}, number) for number, setting in enumerate(SETTINGS)]
    journal.add_many(records)
    Results(place, seconds=0).take(records[:1])
    Results(place, seconds=0).take(records[1:2])

    Results(place).close()

    (name,) = files(place)
    assert pq.read_table(Path(place.url, "results", name)).column("lr").to_pylist() == [0.1, 0.2, 0.3, 0.4]


def test_many_small_files_become_one_while_it_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep of days does not leave thousands."""
    monkeypatch.setattr(results_room, "_PARTS", 3)
    journal, written = place.journal(), Results(place, seconds=0)
    for number in range(8):
        record = ran(SETTINGS[number % 4], {"loss": number}, number, attempt=1 + number // 4)
        journal.add(record)
        written.take([record])
        assert len(files(place)) < 3

    assert list(frame(place)["loss"]) == [4, 5, 6, 7]


def test_a_setting_that_ran_again_has_its_last_result(place: Place) -> None:
    """Neither both nor the first, whether that is in a file or not; the files forget it at the end."""
    journal, written = place.journal(), Results(place, seconds=0)
    first, second = ran(SETTINGS[0], {"loss": 1}), ran(SETTINGS[0], {"loss": 2}, 10, attempt=2)
    journal.add(first)
    written.take([first])
    journal.add(second)

    assert list(frame(place)["loss"]) == [2]
    Results(place).close()
    assert list(frame(place)["loss"]) == [2]
    (name,) = files(place)
    assert pq.read_table(Path(place.url, "results", name)).column("loss").to_pylist() == [2]


def test_a_crash_between_merging_and_deleting_doubles_nothing(place: Place) -> None:
    """The old files and the one that has them all are there together."""
    journal, written = place.journal(), Results(place, seconds=0)
    for number, setting in enumerate(SETTINGS):
        record = ran(setting, [{"loss": 1}, {"loss": 2}], number)
        journal.add(record)
        written.take([record])
    before = {name: Path(place.url, "results", name).read_bytes() for name in files(place)}
    written.close()
    for name, content in before.items():
        Path(place.url, "results", name).write_bytes(content)

    assert len(files(place)) == 5
    assert list(frame(place)["loss"]) == [1, 2] * 4
    Results(place).close()
    assert len(files(place)) == 1
    assert list(frame(place)["loss"]) == [1, 2] * 4


def test_schemas_that_differ_are_merged(place: Place) -> None:
    """Over files, too: an odd row takes nothing from the others."""
    journal, written = place.journal(), Results(place, seconds=0)
    returned: list[dict[str, Any]] = [
        {"loss": 1},
        {"loss": 0.5, "extra": [1]},
        {"loss": "nan?"},
        {"loss": 2, "lr": 9},
    ]
    for number, (setting, each) in enumerate(zip(SETTINGS, returned, strict=True)):
        record = ran(setting, each, number)
        journal.add(record)
        written.take([record])

    for _ in range(2):
        table = results(Sweep, "arrow", place.root)
        assert table.column("loss").to_pylist() == [1.0, 0.5, None, 2.0]
        assert table.column("loss.odd").to_pylist() == [None, None, '"nan?"', None]
        assert table.column("extra").to_pylist() == [None, [1], None, None]
        assert table.column("result.lr").to_pylist() == [None, None, None, 9]
        assert table.column("lr").to_pylist() == [0.1, 0.2, 0.3, 0.4]
        written.close()


@pytest.mark.one_python
def test_large_tables_are_read_with_the_rest(place: Place) -> None:
    """Their rows have all columns of the others, whether the record is in a file or in the journal."""
    journal, written = place.journal(), Results(place, seconds=0)
    large = pl.DataFrame({"loss": [0.25] * 60_000, "step": range(60_000)})
    records = [ran(SETTINGS[0], {"loss": 1}), ran(SETTINGS[1], large, 1, where=place)]
    journal.add_many(records)

    for _ in range(2):
        table = results(Sweep, "polars", place.root)
        assert table.height == 60_001
        assert "@table" not in table.columns
        of_table = table.filter(pl.col("lr") == 0.2)
        assert of_table["step"].to_list() == list(range(60_000))
        assert set(of_table["identity"]) == {SETTINGS[1].identity}
        assert set(of_table["seconds"]) == {1.5}
        written.take(records)
        written.close()


def test_what_arrow_reads_is_in_its_own_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads would otherwise let go of an object of Python's while the program ends, which aborts it."""
    read = type(place.store).read
    events: list[str] = []

    class Content(bytes):
        """Bytes that tell when nobody has them any more."""

        def __del__(self) -> None:
            """Note it."""
            events.append("let go")

    class Parquet(pq.ParquetFile):
        """One that notes when it is opened."""

        def __init__(self, *args: Any, **options: Any) -> None:
            """Open it."""
            events.append("opened")
            super().__init__(*args, **options)

    written = Results(place)
    for at, returned in enumerate(({"loss": 0.5}, pl.DataFrame({"step": range(60_000)}))):
        written.take([ran(SETTINGS[at], returned, at, where=place)])
        written.flush()
    monkeypatch.setattr(type(place.store), "read", lambda store, key: Content(read(store, key)))
    monkeypatch.setattr(pq, "ParquetFile", Parquet)

    table = results(Sweep, "arrow", place.root)

    assert table.num_rows == 60_001
    assert events == ["let go", "opened"] * 3


def test_tables_that_no_run_names_are_swept(place: Place) -> None:
    """A worker was killed between its table and its record; those of others stay."""
    large = pl.DataFrame({"step": range(60_000)})
    rows_of(large.with_columns(pl.col("step") + 1), SETTINGS[1], place)
    record = ran(SETTINGS[0], large, where=place)
    place.journal().add(record)
    assert len(files(place)) == 2

    Results(place).close()

    assert len([name for name in files(place) if name.startswith("table-")]) == 1
    assert list(frame(place)["step"]) == list(range(60_000))


def test_results_alone_can_be_read(place: Place, tmp_path: Path) -> None:
    """Who copies the Parquet files to somebody else need not copy the journal."""
    journal, written = place.journal(), Results(place, seconds=0)
    record = ran(SETTINGS[0], {"loss": 1})
    journal.add(record)
    written.take([record])
    other = Place(Sweep, str(tmp_path / "other"))
    Path(other.url).mkdir(parents=True)
    Path(place.url, "results").rename(Path(other.url, "results"))

    assert list(frame(other)["loss"]) == [1]


def test_another_version_of_the_class_is_told(place: Place) -> None:
    """Rows of other fields are not mixed in unless somebody asks for them."""
    old = {"steps": 1, "momentum": 0.9, "host": "x"}
    journal = place.journal()
    journal.add(ran(SETTINGS[0], {"loss": 1}))
    journal.add(ran(SETTINGS[1], {"loss": 2}, 1, values=old, identity="0" * 16))
    written = Results(place)

    for _ in range(2):
        with pytest.raises(ExperimentChangedError) as caught:
            frame(place)
        assert (caught.value.added, caught.value.removed) == (("lr",), ("momentum",))
        assert "momentum" in str(caught.value)
        table = frame(place, all_versions=True)
        assert list(table["loss"]) == [1, 2]
        assert table["momentum"].isna().tolist() == [True, False]
        written.close()


def test_a_full_disk_for_results_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, the runs go on, and the end makes up for it."""

    def full(*_: object) -> str:
        raise StoreError("no space left", url=place.url)

    journal, written = place.journal(), Results(place, seconds=0)
    records = [ran(setting, {"loss": setting.lr}, number) for number, setting in enumerate(SETTINGS)]
    journal.add_many(records)
    with monkeypatch.context() as patched:
        patched.setattr(results_room, "write_part", full)
        written.take(records[:2])
    assert "no space left" in caplog.text
    written.take(records[2:])
    written.close()

    (name,) = files(place)
    assert pq.read_table(Path(place.url, "results", name)).num_rows == 4


def test_without_pyarrow_runs_are_not_stopped(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal has everything; who asks for the table is told what to install."""
    monkeypatch.setattr(results_room, "has_arrow", lambda: False)
    with caplog.at_level(logging.WARNING):
        written = Results(place)
    written.take([ran(SETTINGS[0], {"loss": 1})])
    written.close()

    assert "lattice-addons[experiments]" in caplog.text
    assert not Path(place.url, "results").exists()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install"):
        results(Sweep, "arrow", place.root)


def test_an_experiment_leaves_one_parquet_file(place: Place) -> None:
    """From the run to the table, as a user sees it; any tool reads the folder."""
    Sweep().run_all(num_proc=0, root=place.root)

    table = Sweep.results(root=place.root)
    by_others = pd.read_parquet(Path(place.url, "results"))

    assert sorted(table["loss"]) == pytest.approx([10, 20, 30, 40])
    assert set(table["status"]) == {"done"}
    assert list(table["nested.acc"]) == [1] * 4
    assert len(files(place)) == 1
    assert by_others.shape == table.shape


def test_memory_and_other_stores_have_results_too() -> None:
    """Nothing here needs a folder."""
    place = Place(Sweep, "memory://results-of-a-test")
    record = ran(SETTINGS[0], {"loss": 1})
    place.journal().add(record)
    written = Results(place, seconds=0)
    written.take([record])
    written.close()

    assert list(results(Sweep, root=place.root)["loss"]) == [1]
