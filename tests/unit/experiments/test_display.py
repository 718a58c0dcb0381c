"""How an experiment goes is shown in lines, or as an overview on a terminal; nothing of it stops the runs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from lattice_addons.experiments import Plan, Record, Summary, display_for

if TYPE_CHECKING:
    import pytest

PLAN = Plan("params.Hyperparams", 1200, 200, 3, 2, "/data/progress/params/Hyperparams", ("size",))


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def record(number: int, status: Any = "done", attempt: int = 1, error: str = "") -> Record:
    """Give the record of a setting."""
    rows = (
        [{"size": number, "loss": 1 / 3, "part": {"float": "nan"}, "what": "[red]x"}]
        if status == "done"
        else []
    )
    name = f"size={number}"
    log = f"logs/{name}.log" if error else ""
    return Record(
        str(number),
        name,
        {"size": number},
        status,
        0,
        1,
        "host",
        7,
        attempt=attempt,
        error=error,
        log=log,
        rows=rows,
    )


def shown(stream: Any, *records: Record, plan: Plan = PLAN) -> str:
    """Show records, and give all that was written."""
    display = display_for(stream)
    display.begin(plan)
    for each in records:
        display.started(each.identity, each.name, "0")
        display.ended(each)
    display.end(Summary(plan.experiment, plan.place, seconds=75.0, waiting=plan.failed))
    return str(stream.getvalue())


def test_without_a_terminal_it_is_quiet() -> None:
    """A thousand settings that go well are a line at the beginning and the end."""
    lines = shown(io.StringIO(), *map(record, range(997))).splitlines()
    assert lines[0] == (
        "params.Hyperparams: 1,200 settings, 200 of them done before, 3 failed before; on 2 processes; "
        "kept in /data/progress/params/Hyperparams"
    )
    assert lines[1] == "params.Hyperparams: 1,197 of 1,200 done, in 75 s"
    assert "3 failed before and not run again" in lines[2]
    assert len(lines) == 3


def test_a_failure_is_told_at_once_and_in_the_end() -> None:
    """With the last line of its traceback, and its log; one that went well when it was run again is none."""
    bad = record(5, "failed", error="Traceback …\n  line\nValueError: no [bold]size\n")
    killed = record(6, "killed", error="killed by SIGKILL")
    text = shown(io.StringIO(), bad, killed, record(6, attempt=2), plan=Plan("a.B", None, 0, 0, 0, "/x"))
    told = "size=5 failed: ValueError: no [bold]size (log: logs/size=5.log)"
    assert text.splitlines() == [
        "a.B: settings; on this process; kept in /x",
        told,
        "size=6 killed: killed by SIGKILL (log: logs/size=6.log)",
        "a.B: 1 done, 1 failed, in 75 s",
        f"  {told}",
        "  `lattice experiment a.B --rerun failed` runs them once more",
    ]


def test_what_broke_it_off_is_told_and_how_to_go_on() -> None:
    """As after a full disk: what was killed by it, and what was not run, is run by the next start."""
    stream = io.StringIO()
    display = display_for(stream)
    display.begin(Plan("a.B", 10, 2, 0, 1, "/x"))
    display.ended(record(5))
    display.ended(record(6, "killed", error="OSError: [Errno 28] No space left on device"))
    display.end(Summary("a.B", "/x", stopped="an error"))
    last = stream.getvalue().splitlines()[-1]
    assert (
        last
        == "  stopped by an error with 7 settings left: run it again to carry on, as `lattice experiment a.B` does"
    )
    assert "--rerun" not in stream.getvalue()
    display.end(Summary("a.B", "/x"))
    assert stream.getvalue().splitlines()[-1] == "  `lattice experiment a.B` runs again what was killed"


def test_many_failures_do_not_flood() -> None:
    """Some are told, and how many more there are."""
    bad = [record(number, "failed", error="E") for number in range(500)]
    lines = shown(io.StringIO(), *bad).splitlines()
    assert len(lines) < 50
    assert "  … and 480 more" in lines


def test_on_a_terminal_there_is_an_overview(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has what runs, the newest results with their numbers, failures, and the progress; in the height there is."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    display: Any = display_for(stream)
    display.begin(PLAN)
    for number in range(40):
        display.started(str(number), f"size={number}", "1")
    display.ended(record(0))
    display.ended(record(1, "failed", error="ValueError: no"))
    stream.seek(0)
    stream.truncate()
    display._console.print(display.drawn())
    drawn = stream.getvalue()
    assert "size=0  loss=0.3333, part=nan, what=[red]x" in drawn
    assert "failed: ValueError: no" in drawn
    assert "201 of 1,200 done, 1 failed" in drawn
    assert "worker 1" in drawn
    assert "more" in drawn
    assert len(drawn.splitlines()) <= 20
    display.end(Summary("params.Hyperparams", "/data", seconds=1.0))
    assert "params.Hyperparams: 201 of 1,200 done, 1 failed, in 1.0 s" in stream.getvalue()


def test_nobody_reads_and_the_runs_go_on() -> None:
    """A pipe that is closed, and a program without a stderr, are no errors of the experiment."""
    stream = io.StringIO()
    display = display_for(stream)
    stream.close()
    for each in (display, display_for(None)):
        each.begin(PLAN)
        each.ended(record(1, "failed", error="E"))
        each.end(Summary("a.B", "/x"))


def test_a_notebook_shows_a_summary_and_its_failures() -> None:
    """As a sentence and a table, in which errors are text."""
    summary = Summary("a.B", "/x", done=2, failed=1, seconds=3.0, failures=[record(7, "failed", error="<b>")])
    html = summary._repr_html_()
    assert str(summary) in html
    assert "size=7" in html
    assert "&lt;b&gt;" in html
    lines: list[str] = []
    summary._repr_pretty_(type("Printer", (), {"text": staticmethod(lines.append)}), cycle=False)
    assert lines == [str(summary)]
