"""What the benchmarks cannot do with what they were told is said before the first of them runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("numpy")

from benchmarks._command import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--folder", "nowhere"], "argument --folder: there is no folder nowhere"),
        (["--folder", "file"], "argument --folder: there is no folder file"),
        (["--rst", "nowhere/table.txt"], "argument --rst: there is no folder nowhere"),
        (["--rst", "."], "argument --rst: . is a folder"),
        (["--draw", "none.txt", "chart.svg"], "argument --draw: there is no table none.txt"),
        (["fastest"], "no benchmark is named 'fastest'"),
    ],
)
def test_a_place_that_is_not_there_is_told_at_once(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Else there would be a traceback, or, for the table, hours of measuring for nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.one_python
def test_a_folder_is_measured_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table names its file system, and is written; nothing stays behind in it."""
    table, folder = tmp_path / "table.txt", tmp_path / "disk"
    folder.mkdir()
    few = ["--mib", "4", "--rounds", "1", "--slots", "10", "--saves", "3"]
    assert main(["update", *few, "--folder", str(folder), "--rst", str(table)]) == 0
    assert "file system" in capsys.readouterr().out
    assert "update of a slot / dict assignment" in table.read_text(encoding="utf-8")
    assert not list(folder.iterdir())
