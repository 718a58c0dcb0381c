"""What ``lattice run`` calls a job, says of a life and waits for, where no program need be run to see it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import build_parser, main
from lattice_addons.cli.run._life import Life
from lattice_addons.cli.run._lives import longer
from lattice_addons.cli.run._losses import losses
from lattice_addons.cli.run._names import job_of, named, run_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("command", "job"),
    [
        ("python train.py --lr 0.1", "train"),
        ("/usr/bin/python3.12 -u work/train.py", "train"),
        ("python -m package.train --x", "package.train"),
        ("python -m package.__main__", "package"),
        ("torchrun --nproc-per-node 2 train.py", "train"),
        ("python -m torch.distributed.run --nproc-per-node 2 train.py", "train"),
        ("srun accelerate launch train.py", "train"),
        ("/opt/bin/simulate --steps 5", "simulate"),
        ("app/__main__.py", "app"),
        ("python -c pass", None),
        ("python", None),
        ("sh -c train.py", None),
    ],
)
def test_a_command_tells_the_name_of_its_job(command: str, job: str | None) -> None:
    """The name that the program gives itself, behind any launcher; none where another program decides."""
    assert job_of(command.split()) == job


def test_the_name_is_said_only_where_it_must_be(tmp_path: Path) -> None:
    """A program that starts others leaves each its own name; tasks of an array are told apart."""
    plain, own = Settings(root=str(tmp_path)), Settings(root=str(tmp_path), job_id="own")
    array = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_JOB_NAME": "sweep"}
    assert named(None, plain, ["python", "train.py"], {}) is None
    assert named("given", own, ["python", "train.py"], array) == "given"
    assert named(None, own, ["python", "train.py"], array) is None
    assert named(None, plain, ["python", "train.py"], array) == "train-7"
    assert named(None, plain, ["sh", "-c", "x"], array) == "sweep-7"


def test_no_two_starts_have_one_name() -> None:
    """Not of two runs, and not of two lives."""
    assert run_of(None, 1, "a") != run_of(None, 2, "a") != run_of(None, 2, "b")
    assert [run_of("given", number, "a") for number in (1, 2)] == ["given", "given.2"]


@pytest.mark.parametrize(
    ("line", "restarts", "program"),
    [
        ("run -- python train.py --restarts 7", None, ["--", "python", "train.py", "--restarts", "7"]),
        ("run --restarts 2 python train.py -- x", 2, ["python", "train.py", "--", "x"]),
    ],
)
def test_options_behind_the_program_are_the_program_s(
    line: str, restarts: int | None, program: list[str]
) -> None:
    """Whether `--` stands before it or not."""
    options = build_parser().parse_args(line.split())
    assert (options.restarts, options.program) == (restarts, program)


@pytest.mark.parametrize("option", ["--restarts=-1", "--pause=-1", "--pause=nan"])
def test_wrong_numbers_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As wrong arguments, with status 2."""
    with pytest.raises(SystemExit) as raised:
        main(["run", option, "--", "true"])
    assert raised.value.code == 2
    assert f"argument {option.partition('=')[0]}: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["KILL", "NOTHING"])
def test_a_warning_that_cannot_come_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started."""
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert main(["run", "--requeue", name, "--", "true"]) == 64
    assert f"--requeue {name}" in capsys.readouterr().err


def life(began: float, seconds: float) -> Life:
    """Give a life that was killed."""
    return Life(1, 1, began, began + seconds, 137, signal.SIGKILL, asked=False, warned=False)


def test_what_a_life_lost(tmp_path: Path) -> None:
    """The time since its last checkpoint; all of it where it made none; nothing where the last came at its end."""
    settings = Settings(root=str(tmp_path), job_id="job", signals=())
    began = time.time()
    group = StateManagerGroup(settings)
    (none,) = losses(settings, "job", life(began, 60), sure=True)
    assert (none.checkpoint, none.seconds) == (None, 60)
    assert str(none) == "job 'job' has saved nothing: its 60 s are lost"

    group.register("n")
    group.update("n", 1)
    group.save()
    (some,) = losses(settings, "job", life(began, 60), sure=True)
    assert 0 < some.seconds < 60
    (earlier,) = losses(settings, "job", life(time.time() + 5, 60), sure=True)
    assert (earlier.checkpoint, earlier.seconds, earlier.new) == (1, 60, False)
    assert "checkpoint 1 (manual) of an earlier one stands" in str(earlier)

    group._session.save_now("signal:SIGTERM")
    (nothing,) = losses(settings, "job", life(began, 60), sure=True)
    assert (nothing.seconds, nothing.cut_short) == (0, True)
    group.close()
    # A name that was only a guess gives way to that of the job that was saved.
    assert [loss.job for loss in losses(settings, "guess", life(began, 60), sure=False)] == ["job"]
    assert [loss.job for loss in losses(settings, "guess", life(began, 60), sure=True)] == ["guess"]


@pytest.mark.parametrize(
    ("pause", "then"), [(0.0, 0.0), (1.0, 2.0), (40.0, 60.0), (60.0, 60.0), (300.0, 300.0)]
)
def test_a_pause_grows_up_to_a_minute(pause: float, then: float) -> None:
    """One that was asked for and is longer never becomes shorter."""
    assert longer(pause) == then
