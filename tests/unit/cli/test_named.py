"""What a command line names: a job, one of its checkpoints, a token, a service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main
from lattice_addons.cli._rank import job_and_number

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("train", ("train", None)),
        ("train@7", ("train", 7)),
        ("run@2", ("run@2", None)),
        ("run@2@7", ("run@2", 7)),
        ("me@host", ("me@host", None)),
    ],
)
def test_a_job_may_have_an_at_in_its_name(told: str, meant: tuple[str, int | None]) -> None:
    """A job that is there goes before the checkpoint of another."""
    assert job_and_number(told, ["train", "run", "run@2"]) == meant


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["edit", "run@2"], "checkpoint 1 of job 'run@2' is no HyperState's"),
        (["show", "run@2", "--number", "9"], "job 'run@2' has no checkpoint 9"),
        (["show", "run@2", "--rank", "1"], "job 'run@2' has no rank 1"),
        (["export", "run@2@9", "file.tar"], "job 'run@2' has no checkpoint 9"),
    ],
)
def test_each_command_means_the_same(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says what there is, where it is not there."""
    group = StateManagerGroup(Settings(root=str(tmp_path), job_id="run@2", signals=()))
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()
    assert main([*words, "--root", str(tmp_path)]) > 2
    assert said in capsys.readouterr().err


def test_what_was_revoked_before_a_wrong_id_is_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The audit log has each token that opens nothing any more, also where the command ends with an error."""
    pytest.importorskip("starlette", reason="the service is of the extra `service`")
    root = ["--root", str(tmp_path / "store")]
    assert main(["token", "create", "team-", "--rights", "write", *root, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["id"]
    assert main(["token", "revoke", made, "0" * 12, *root]) == 66
    told = capsys.readouterr()
    assert f"token {made} opens nothing any more" in told.out
    assert "0" * 12 in told.err
    lines = (tmp_path / "store" / ".service" / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    noted = [(line["act"], line["token"]) for line in map(json.loads, lines)]
    assert noted == [("token create", made), ("token revoke", made)]


def test_doctor_asks_a_service_at_its_usual_port(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A URL without a port means 5555, for every command."""
    monkeypatch.setenv("LATTICE_CHECKPOINT_CONFIG", f"spool={tmp_path}")
    # Where nothing listens, whatever else is served on this machine.
    assert main(["doctor", "--json", "--root", "lattice://[::1]"]) == 1
    found = [check["found"] for check in json.loads(capsys.readouterr().out) if check["name"] == "service"]
    assert found
    assert found[0].startswith("http://[::1]:5555 does not answer")
