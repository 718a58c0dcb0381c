"""``lattice experiment``: experiments are run by name, with fields as options, and their results are looked at."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.cli import main
from lattice_addons.errors import ExperimentNotFoundError, RunFailedError, SettingError
from lattice_addons.experiments import program_arguments
from lattice_addons.experiments._asking import choice
from lattice_addons.experiments._journal import Known

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = '''
import os

from lattice_addons.experiments import Experiment, entrypoint, search, value


class Hyperparams(Experiment):
    """Counts samples."""

    steps: int = 100
    batch_size: int = search(16, 32)
    seed: int = value(0, help="of the data")

    def run(self) -> dict:
        print("runs", self.name)
        if os.environ.get("BAD") and self.batch_size == 32:
            raise ValueError("too large")
        return {"total samples": self.batch_size * self.steps, "loss": 1 / self.batch_size}


if __name__ == "__main__":
    entrypoint()
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with one experiment, and its folder as the working directory."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "experiments").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "experiments" / "params.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BAD", raising=False)
    yield tmp_path
    sys.modules.pop("params", None)


def lattice(*words: str) -> int:
    """Run ``lattice experiment`` in this process, settings and all."""
    return main(["experiment", *words])


def ran(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Give the names of the settings that ran since the last call."""
    return [
        line.removeprefix("runs ") for line in capfd.readouterr().out.splitlines() if line.startswith("runs ")
    ]


@pytest.mark.usefixtures("project")
def test_it_runs_what_is_not_done(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a terminal it resumes; the options say otherwise."""
    run = ("params.Hyperparams", "--num_proc", "0")
    both = ["batch_size=16", "batch_size=32"]
    assert lattice(*run, "--dry-run") == 0
    assert capfd.readouterr().out.splitlines()[:2] == both
    assert lattice(*run, "--limit", "1") == 0
    assert ran(capfd) == both[:1]
    assert lattice(*run) == 0
    assert ran(capfd) == both[1:]
    assert lattice(*run, "--rerun", "batch_size=16") == 0
    assert ran(capfd) == both[:1]
    assert lattice(*run, "--no-resume") == 0
    assert ran(capfd) == both
    assert lattice(*run, "--clean", "batch_size=64", "--steps", "2,3") == 0
    assert ran(capfd) == ["steps=2,batch_size=64", "steps=3,batch_size=64"]


def test_a_failure_is_an_exit_status(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The others run all the same; it waits to be asked for."""
    monkeypatch.setenv("BAD", "1")
    run = ("Hyperparams", "--num-proc=0", "--root", str(project / "elsewhere"))
    assert lattice(*run) == RunFailedError.exit_code
    told = capfd.readouterr()
    assert "batch_size=32 failed: ValueError: too large" in told.err
    assert "1 of 2 done, 1 failed" in told.err
    # As it would be had the first try been interrupted, and this one finished it.
    assert lattice(*run) == RunFailedError.exit_code
    assert ran(capfd) == []
    assert lattice(*run, "--rerun", "failed") == RunFailedError.exit_code
    assert ran(capfd) == ["batch_size=32"]
    assert not (project / "experiments" / "progress").exists()


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (["Hyperparms"], "did you mean params.Hyperparams", ExperimentNotFoundError.exit_code),
        ([], "name an experiment: params.Hyperparams", ExperimentNotFoundError.exit_code),
        (["Hyperparams", "--seed", "3"], "write seed=… for the field, or --run.seed", SettingError.exit_code),
        (["Hyperparams", "--batchsize", "3"], "did you mean batch_size", SettingError.exit_code),
        (["Hyperparams", "--steps", "fast"], "'fast' is not an int", SettingError.exit_code),
        (["Hyperparams", "Other"], "'Other' says of no field", SettingError.exit_code),
        (["Hyperparams", "--sampler", "random"], "samples=100", SettingError.exit_code),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_is_wrong_is_one_line(
    words: list[str], said: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says what is meant, and the status is that of the error."""
    assert lattice(*words) == status
    lines = capfd.readouterr().err.splitlines()
    assert said in lines[0]
    assert len(lines) == 1


def test_a_parser_reads_the_programs_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """As any other does where none are given."""
    parser = argparse.ArgumentParser()
    program_arguments(parser)
    monkeypatch.setattr(sys, "argv", ["program", "RQ1", "--num_proc", "2", "--lr", "0.1"])
    options = parser.parse_args()
    assert (options.words, options.num_proc, options.fields) == (["RQ1"], 2, ["--lr", "0.1"])


@pytest.mark.usefixtures("project")
def test_an_option_and_a_field_of_one_name(capfd: pytest.CaptureFixture[str]) -> None:
    """Both can be told."""
    words = ("--batch_size", "integers(1,50)", "--sampler", "random", "--samples", "3")
    assert lattice("Hyperparams", "--num_proc", "0", *words, "--run.seed", "1", "seed=7") == 0
    first = ran(capfd)
    assert len(first) == 3
    assert lattice("Hyperparams", "--num_proc", "0", *words, "--run.seed=1", "seed=8") == 0
    assert ran(capfd) == [name.replace("seed=7", "seed=8") for name in first]


@pytest.mark.usefixtures("project")
def test_help_has_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the experiment that is named, with types, defaults and their lines of help."""
    assert lattice("Hyperparams", "--help") == 0
    text = capsys.readouterr().out
    assert "Counts samples." in text
    assert "--batch_size INT  (16,32)" in text
    assert "(0)  of the data" in text
    with pytest.raises(SystemExit):
        lattice("--help")
    assert "results NAME" in capsys.readouterr().out


def test_results_are_shown_filtered_sorted_and_exported(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As a table, as JSON, and as files of several kinds."""
    monkeypatch.setenv("BAD", "1")
    lattice("Hyperparams", "--num_proc", "0", "--batch_size", "8,16,32")
    capfd.readouterr()
    assert lattice("results", "Hyperparams", "--sort=-batch_size") == 0
    table = capfd.readouterr().out
    assert table.index("batch_size=32") < table.index("batch_size=16") < table.index("batch_size=8")
    assert "too large" in table
    assert "identity" not in table
    assert "steps" not in table

    def names(*words: str) -> list[str]:
        assert lattice("results", "Hyperparams", "--json", *words) == 0
        return [row["name"] for row in json.loads(capfd.readouterr().out)]

    assert names("--where", "loss<=0.0625", "--sort", "loss") == ["batch_size=16"]
    assert names("--where", "status=done", "--sort", "loss", "--limit", "1") == ["batch_size=16"]
    assert sorted(names("--where", "name~=(8|16)$")) == ["batch_size=16", "batch_size=8"]
    assert names("--where", "status!=done") == ["batch_size=32"]
    for suffix in ("csv", "json", "jsonl", "parquet"):
        assert lattice("results", "Hyperparams", "--export", f"out.{suffix}", "--sort", "batch_size") == 0
        assert (project / f"out.{suffix}").stat().st_size
    with open("out.csv", encoding="utf-8", newline="") as file:
        assert [row["total samples"] for row in csv.DictReader(file)] == ["800.0", "1600.0", ""]
    assert {path.name for path in project.glob("out.*")} == {
        f"out.{each}" for each in ("csv", "json", "jsonl", "parquet")
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "los<1"], "did you mean loss"),
        (["--where", "loss<few"], "loss has numbers, and 'few' is none"),
        (["--where", "loss"], "is no condition"),
        (["--where", "name~("], "is no pattern"),
        (["--sort", "speed"], "no column 'speed'"),
        (["--export", "out.doc"], ".csv"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_results_cannot_be_asked_is_told(
    words: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each is one clear line."""
    lattice("Hyperparams", "--num_proc", "0", "--limit", "1")
    capfd.readouterr()
    assert lattice("results", "Hyperparams", *words) == SettingError.exit_code
    assert said in capfd.readouterr().err


def test_an_export_that_fails_leaves_nothing(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is there stays as it is, and nothing half written beside it."""
    lattice("Hyperparams", "--num_proc", "0")
    folder = project / "exports"
    (folder / "a.csv").mkdir(parents=True)
    assert lattice("results", "Hyperparams", "--export", str(folder / "a.csv")) == SettingError.exit_code
    assert "cannot be written" in capfd.readouterr().err
    assert [each.name for each in folder.iterdir()] == ["a.csv"]


def test_a_plot_is_drawn(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In the terminal, and as a picture where matplotlib is there."""
    lattice("Hyperparams", "--num_proc", "0")
    capfd.readouterr()
    assert lattice("plot", "Hyperparams", "--metric", "loss", "--by", "batch_size") == 0
    assert "loss against batch_size" in capfd.readouterr().out
    pytest.importorskip("matplotlib", reason="draws pictures")
    assert lattice("plot", "Hyperparams", "--metric", "loss", "--png", "loss.png", "--parallel") == 0
    assert (project / "loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.one_python
def test_a_program_of_its_own(project: Path) -> None:
    """`entrypoint` makes a file such a program: without a name it runs what is in it; its journal is the same."""
    program = [sys.executable, str(project / "experiments" / "params.py"), "--num_proc", "0"]
    first = subprocess.run(program, cwd="/", capture_output=True, text=True, check=True)
    assert "runs batch_size=16\nruns batch_size=32\n" in first.stdout
    assert lattice("Hyperparams", "--dry-run") == 0
    (project / "experiments" / "__main__.py").write_text(
        "from lattice_addons.experiments import entrypoint\nentrypoint()\n", encoding="utf-8"
    )
    folder = [sys.executable, str(project / "experiments"), "params.Hyperparams", "--num_proc", "0"]
    second = subprocess.run(folder, cwd="/", capture_output=True, text=True, check=True)
    assert "2 of them done before" in second.stderr
    assert "runs" not in second.stdout
    wrong = subprocess.run([*folder[:2], "Nothing"], cwd="/", capture_output=True, text=True, check=False)
    assert wrong.returncode == ExperimentNotFoundError.exit_code
    assert wrong.stderr.startswith("experiments: no experiment is called 'Nothing'")


@pytest.mark.parametrize(
    ("statuses", "answers", "chosen"),
    [
        (["done"], "\n", {"resume": True}),
        (["done"], "f\na\n", {"clean": True}),
        (["done", "killed"], "what?\nF\n", {"resume": True, "rerun": ("failed", "killed")}),
        (["failed"], "", None),
        ([], "", {}),
    ],
)
def test_an_answer_is_followed(
    statuses: list[Any], answers: str, chosen: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not offered is asked for again; no answer is a no; where nothing was run, nothing is asked."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    known = {str(number): Known("x", status, 1, 0.0) for number, status in enumerate(statuses)}
    assert choice("a.B", known) == chosen


@pytest.mark.one_python
@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("answer", "status", "runs"), [("f", 70, ["batch_size=32"]), ("q", 1, [])])
def test_on_a_terminal_it_asks(
    answer: str,
    status: int,
    runs: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What was run before is told, and the answer is followed."""
    monkeypatch.setenv("BAD", "1")
    lattice("Hyperparams", "--num_proc", "0")
    capfd.readouterr()
    command = [sys.executable, "-m", "lattice_addons.cli", "experiment", "Hyperparams", "--num_proc", "0"]
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the program
        environ = {**os.environ, "TERM": "dumb", "PYTHONPATH": os.pathsep.join(sys.path)}
        os.execve(sys.executable, command, environ)  # noqa: S606
    text = answered(terminal, f"{answer}\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
    os.close(terminal)
    assert "params.Hyperparams was run before: 1 done, 1 failed." in text
    assert "\x1b[?25l" not in text
    assert [
        line.strip().removeprefix("runs ") for line in text.splitlines() if line.startswith("runs ")
    ] == runs


def answered(terminal: int, answer: str) -> str:
    """Read what a program writes to its terminal until it ends, and answer the question that it asks."""
    text = b""
    asked = False
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # the program has ended
            return text.decode()
        text += more
        if b"[q]uit? " in text and not asked:
            asked = bool(os.write(terminal, answer.encode()))
