"""What another has put into a store is text to a terminal, and no command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "words",
    [
        "",
        "list",
        "top --count 1",
        "verify",
        "prune --dry-run",
        "repair --dry-run",
        "doctor",
        "copy store other",
    ],
)
def test_a_name_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """That of a job, whatever is in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATTICE_CHECKPOINT_CONFIG", "root=store")
    manifests = tmp_path / "store" / "a\x1b[31mb" / "rank-00000" / "checkpoints"
    manifests.mkdir(parents=True)
    (manifests / "000000000001.json").write_text("{}")
    main(words.split())
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err
    assert "a\\x1b[31mb" in told.out + told.err
