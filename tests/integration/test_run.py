"""``lattice run`` starts real programs again, hands real signals on, and says what each life has lost."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.cli import main
from tests.program import Program, clean_environ, finish, wait_for

if TYPE_CHECKING:
    from pathlib import Path

RUN = [sys.executable, "-m", "lattice_addons.cli", "run"]
# Each life works a while, is killed in the middle of it, and the third comes to the end.
DIES_TWICE = """
    import os, signal
    from lattice_addons import StateManagerGroup

    group = StateManagerGroup()
    group.register("total")
    group.register("life")
    group.update("life", life := (group.get("life") or 0) + 1)
    total = group.get("total") or 0
    for step in group.resume(range(30), "steps"):
        total += step * step
        group.update("total", total)
        if step % 10 == 9:
            group.save()
        if life < 3 and step == 10 * life + 5:
            os.kill(os.getpid(), signal.SIGKILL)
    print(total, "in life", life)
"""
WAITS = """
    import time
    from lattice_addons import StateManagerGroup

    group = StateManagerGroup()
    group.register("n")
    group.update("n", 1)
    print("ready")
    time.sleep(300)
"""


def start(program: Program, *options: str, tail: str = "", **environ: str) -> subprocess.Popen[str]:
    """Start ``lattice run`` on a program."""
    return subprocess.Popen(
        [*RUN, "--pause", "0.05", *options, "--", sys.executable, str(program.path), *tail.split()],
        cwd=program.folder,
        env=clean_environ(**environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(folder: Path, name: str = "lives.jsonl") -> list[dict[str, Any]]:
    """Give what the report says of each life."""
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def command(folder: Path, name: str, source: str) -> None:
    """Put a command in place of one of SLURM's, which is not on this machine."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + textwrap.dedent(source))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def slurm(folder: Path, **more: str) -> dict[str, str]:
    """Give the environment of a batch script of job 4711."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "SLURM_JOB_ID": "4711", "SLURM_PROCID": "0"} | more


def test_a_program_that_dies_comes_to_its_end(tmp_path: Path) -> None:
    """Killed twice, started again twice, and the sum is that of one run; what was lost each time is told."""
    program = Program(tmp_path, DIES_TWICE)
    ended = finish(start(program, "--report", "lives.jsonl"))

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{sum(step * step for step in range(30))} in life 3\n"
    assert [(life["life"], life["signal"]) for life in told(tmp_path)] == [
        (1, "SIGKILL"),
        (2, "SIGKILL"),
        (3, None),
    ]
    for life in told(tmp_path)[:2]:
        (lost,) = life["lost"]
        assert (lost["job"], lost["new"], lost["reason"]) == ("program", True, "manual")
        assert 0 < lost["seconds"] < life["seconds"]
    (last,) = told(tmp_path)[2]["lost"]
    assert (last["reason"], last["seconds"]) == ("exit", 0)
    assert "life 1 (process" in ended.stderr
    assert "job 'program' was saved last as checkpoint" in ended.stderr
    assert "it is started again in 0.1 s (2 of 3)" in ended.stderr


def test_a_program_that_ends_by_itself_is_left_alone(tmp_path: Path) -> None:
    """One life, its own output and nothing of ours."""
    ended = finish(start(Program(tmp_path, "print('done')"), "--report", "lives.jsonl"))

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
    assert len(told(tmp_path)) == 1


def test_a_stop_is_handed_on_and_is_the_end(tmp_path: Path) -> None:
    """SIGTERM reaches the program, which saves; it is not started again, and the wait status is the signal's."""
    program = Program(tmp_path, WAITS)
    process = start(program)
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    ended = finish(process)

    assert ended.returncode == -signal.SIGTERM
    assert "as checkpoint 1 (signal:SIGTERM): nothing is lost" in ended.stderr
    assert "started again" not in ended.stderr
    assert len(program.checkpoints()) == 1


def test_a_signal_that_was_handed_on_and_killed_is_the_end(tmp_path: Path) -> None:
    """Whichever it is: who sent it would find another process in the place of the one that is gone."""
    process = start(Program(tmp_path, WAITS), "--report", "lives.jsonl")
    wait_for(process, "ready")
    process.send_signal(signal.SIGUSR1)
    ended = finish(process)

    assert ended.returncode == -signal.SIGUSR1
    assert [life["signal"] for life in told(tmp_path)] == ["SIGUSR1"]


def test_a_launcher_s_own_restart_is_lost_work(tmp_path: Path) -> None:
    """A first process saved at its end, and the one that the launcher started after it was killed unsaved."""
    source = """
        import os, signal, sys, time
        from lattice_addons import StateManagerGroup

        group = StateManagerGroup()
        group.register("n")
        group.update("n", 1)
        if len(sys.argv) > 1:
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    path = Program(tmp_path, source).path
    launcher = ["sh", "-c", f"{sys.executable} {path} && {sys.executable} {path} again"]
    ended = subprocess.run(
        [*RUN, "--restarts", "0", "--job", "program", "--report", "lives.jsonl", "--", *launcher],
        cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip

    assert ended.returncode == 128 + signal.SIGKILL
    (lost,) = told(tmp_path)[0]["lost"]
    assert (lost["checkpoint"], lost["reason"], lost["new"]) == (1, "exit", True)
    assert lost["seconds"] > 0.2, ended.stderr


def test_pauses_grow_and_restarts_are_counted(tmp_path: Path) -> None:
    """A program that dies at once has three more lives, each after twice the pause; then its status counts."""
    program = Program(tmp_path, "import sys; sys.exit(7)")
    ended = finish(start(program, "--pause", "0.1", "--report", "lives.jsonl"))

    assert ended.returncode == 7
    lives = told(tmp_path)
    assert len(lives) == 4
    pauses = [after["began"] - before["began"] - before["seconds"] for before, after in pairwise(lives)]
    # At least, for a machine with much to do starts a program late.
    assert all(pause >= least for pause, least in zip(pauses, (0.09, 0.19, 0.39), strict=True))
    assert "it has died 4 times, and is not started again" in ended.stderr


@pytest.mark.parametrize(
    ("options", "program", "status", "lives"),
    [
        (["--restarts", "0"], ["sh", "-c", "exit 3"], 3, 1),
        (["--restarts", "2"], ["sh", "-c", "exit 3"], 3, 3),
        ([], ["sh", "-c", "exit 2"], 2, 1),
        ([], ["sh", "-c", "exit 65"], 65, 1),
        ([], ["there-is-no-such-program"], 127, 0),
        ([], ["/etc/passwd"], 126, 0),
        ([], [], 2, 0),
        ([], [""], 2, 0),
    ],
)
def test_the_status_is_that_of_the_program(
    tmp_path: Path, options: list[str], program: list[str], status: int, lives: int
) -> None:
    """Where it cannot be started: 126 and 127, as a shell has it; what is wrong for good is not tried twice."""
    arguments = [
        *RUN,
        "--pause",
        "0",
        "--report",
        "lives.jsonl",
        *options,
        *(["--", *program] if program else []),
    ]
    ended = subprocess.run(
        arguments, cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, timeout=150, check=False
    )

    assert ended.returncode == status, ended.stderr
    assert ended.stderr.startswith("lattice run: ")
    assert (len(told(tmp_path)) if lives else 0) == lives


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--restarts", "x", "'x' is no whole number"),
        ("--restarts", "-1", "'-1' is no whole number"),
        ("--pause", "soon", "'soon' is no number of seconds"),
        ("--pause", "-1", "'-1' is no number of seconds"),
        ("--pause", "inf", "'inf' is no number of seconds"),
    ],
)
def test_what_is_no_number_is_told_so(
    option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not by the name of a function of ours."""
    with pytest.raises(SystemExit) as ended:
        main(["run", f"{option}={value}", "--", "true"])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_no_restart_while_somebody_wants_an_end(tmp_path: Path) -> None:
    """A stop that comes in the pause before the next life ends the pause, and there is no next life."""
    process = start(Program(tmp_path, "import sys; sys.exit(7)"), "--pause", "200", "--report", "lives.jsonl")
    assert process.stderr is not None
    while "started again in" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    ended = finish(process)

    assert ended.returncode == 7
    assert "it is not started again" in ended.stderr
    assert len(told(tmp_path)) == 1


def test_ctrl_c_reaches_the_program_once(tmp_path: Path) -> None:
    """The terminal sends it to both: it is not handed on a second time."""
    source = """
        import signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        print("ready", flush=True)
        # Taken at once, so that a second one would not fall together with the first.
        came = [signal.sigtimedwait({signal.SIGINT}, 30), signal.sigtimedwait({signal.SIGINT}, 1)]
        print("came", sum(each is not None for each in came), "times", flush=True)
    """
    program = Program(tmp_path, source)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(RUN[0], [*RUN, "--", sys.executable, str(program.path)], clean_environ())  # noqa: S606
    shown = b""
    while b"ready" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    while b"times" not in shown:
        shown += os.read(terminal, 1000)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)

    assert b"came 1 times" in shown
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_program_finds_signals_as_if_it_was_started_by_hand(tmp_path: Path) -> None:
    """Nothing is kept back or ignored for it that we or Python do; what is ignored under nohup is."""
    # No shell: it clears what is kept back.
    look = ["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"]
    for prefix in ([], ["nohup"]):
        by_hand, by_us = (
            subprocess.run(
                [*prefix, *ours, *look],
                cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, timeout=150, check=True,
            ).stdout.split()
            for ours in ([], [*RUN, "--"])
        )  # fmt: skip
        # From 32 on they are the C library's own.
        here, there = ([int(found[place], 16) & 0x7FFFFFFF for place in (1, 3)] for found in (by_us, by_hand))
        assert here == there
        assert bool(here[1]) == bool(prefix)


def test_each_life_is_a_start_of_its_own(tmp_path: Path) -> None:
    """Ranks that a launcher in it starts join those of their own life; the job's name is said where one is given."""
    source = "import os, sys; print(os.environ.get('LATTICE_RUN_ID'), os.environ.get('LATTICE_JOB_ID')); sys.exit(3)"
    program = Program(tmp_path, source)

    fresh = finish(start(program, "--restarts", "1")).stdout.split()
    assert fresh[0] != fresh[2]
    assert fresh[1] == fresh[3] == "None"
    given = finish(start(program, "--restarts", "1", "--job", "mine", LATTICE_RUN_ID="r")).stdout.split()
    assert given == ["r", "mine", "r.2", "mine"]
    array = finish(start(program, "--restarts", "0", SLURM_ARRAY_TASK_ID="5")).stdout.split()
    assert array[1] == "program-5"
    # As one rank of several it is started by their launcher, which also starts it again.
    rank = finish(start(program, RANK="1", WORLD_SIZE="2")).stdout.split()
    assert rank == ["None", "None"]


def test_the_warning_puts_a_job_back_into_the_queue(tmp_path: Path) -> None:
    """SLURM's warning stops the program, which saves; then the job is requeued, once, and not before."""
    command(
        tmp_path, "scontrol", f'echo "$@ $(ls {tmp_path}/.lattice/program/rank-00000/checkpoints)" >> asked'
    )
    process = start(Program(tmp_path, WAITS), **slurm(tmp_path))
    wait_for(process, "ready")
    process.send_signal(signal.SIGUSR1)
    ended = finish(process)

    assert (tmp_path / "asked").read_text() == "requeue 4711 000000000001.json\n"
    assert "job 4711 is put back into the queue" in ended.stderr
    assert ended.returncode == -signal.SIGTERM


def test_a_task_of_an_array_is_put_back_alone(tmp_path: Path) -> None:
    """By the number that its last task shares with the whole array, SLURM would put all tasks back."""
    command(tmp_path, "scontrol", 'echo "$@" >> asked')
    array = {"SLURM_ARRAY_JOB_ID": "4711", "SLURM_ARRAY_TASK_ID": "7"}
    process = start(Program(tmp_path, WAITS), **slurm(tmp_path, **array))
    wait_for(process, "ready")
    process.send_signal(signal.SIGUSR1)

    assert "job 4711_7 is put back into the queue" in finish(process).stderr
    assert (tmp_path / "asked").read_text() == "requeue 4711_7\n"


def test_a_warning_between_two_lives_puts_the_job_back(tmp_path: Path) -> None:
    """A program that has died, and waits for its next start, would not get it before the time is over."""
    command(tmp_path, "scontrol", 'echo "$@" >> asked')
    process = start(Program(tmp_path, "raise SystemExit(3)"), "--pause", "300", **slurm(tmp_path))
    assert process.stderr is not None
    said = next(line for line in process.stderr if "it is started again in 5 min" in line)
    process.send_signal(signal.SIGUSR1)
    ended = finish(process)

    assert "job 4711 is put back into the queue" in ended.stderr, said
    assert (tmp_path / "asked").read_text() == "requeue 4711\n"
    assert ended.returncode == 3


def test_a_job_that_is_done_is_not_put_back(tmp_path: Path) -> None:
    """The warning came, and the program came to its end all the same."""
    command(tmp_path, "scontrol", 'echo "$@" >> asked')
    source = """
        import signal, time
        came = []
        signal.signal(signal.SIGTERM, lambda *_: came.append(1))
        print("ready")
        while not came:
            time.sleep(0.01)
    """
    process = start(Program(tmp_path, source), **slurm(tmp_path))
    wait_for(process, "ready")
    process.send_signal(signal.SIGUSR1)

    assert finish(process).returncode == 0
    assert not (tmp_path / "asked").exists()


def test_a_stop_is_no_warning(tmp_path: Path) -> None:
    """Who cancels a job does not want it back; and where SLURM refuses, that is told."""
    command(tmp_path, "scontrol", "echo not allowed >&2; exit 1")
    for sent, heard in ((signal.SIGTERM, False), (signal.SIGUSR1, True)):
        process = start(Program(tmp_path, WAITS), **slurm(tmp_path))
        wait_for(process, "ready")
        process.send_signal(sent)
        ended = finish(process)
        assert ("is NOT put back into the queue: not allowed" in ended.stderr) == heard


@pytest.mark.parametrize(
    ("restarts", "saved_in", "options", "requeued"),
    [
        (0, None, [], True),
        (3, None, [], False),
        (3, None, ["--restarts", "4"], True),
        (0, None, ["--restarts", "0"], False),
        (9, 6, [], True),
        (9, 5, [], False),
        (9, 9, ["--restarts", "0"], True),
    ],
)
def test_a_job_that_gets_nowhere_is_not_put_back_for_ever(
    restarts: int, saved_in: int | None, options: list[str], requeued: bool, tmp_path: Path
) -> None:
    """Starts in a row that have saved nothing when the warning comes are counted; one that has saved ends the row."""
    command(tmp_path, "scontrol", 'echo "$@" >> asked')
    source = "import time; print('ready', flush=True); time.sleep(300)"
    if saved_in is not None:
        started = slurm(tmp_path, SLURM_RESTART_COUNT=str(saved_in))
        save = "from lattice_addons import StateManagerGroup as G\ng = G()\ng.register('n')\ng.update('n', 1)\ng.save()"
        if saved_in == restarts:
            source = f"{save}\n{source}"
        else:
            assert finish(start(Program(tmp_path, save), **started)).returncode == 0
    process = start(Program(tmp_path, source), *options, **slurm(tmp_path, SLURM_RESTART_COUNT=str(restarts)))
    wait_for(process, "ready")
    process.send_signal(signal.SIGUSR1)
    ended = finish(process)

    assert (tmp_path / "asked").exists() == requeued, ended.stderr
    assert ("is NOT put back into the queue: the warning came in" in ended.stderr) != requeued
    assert ended.returncode == -signal.SIGTERM


def test_srun_is_not_asked_to_end(tmp_path: Path) -> None:
    """It would kill its tasks by SIGKILL: they are asked through SLURM, and save."""
    program = Program(tmp_path, WAITS)
    command(
        tmp_path, "srun", 'echo $$ > task\ntrap "echo unsaved; exit 9" TERM\n"$@" & echo $! > task\nwait $!'
    )
    command(tmp_path, "scancel", 'echo "$@" >> asked; kill -TERM $(cat task)')
    command(tmp_path, "scontrol", "exit 0")
    arguments = [*RUN, "--", "srun", sys.executable, str(program.path)]
    process = subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env=clean_environ(**slurm(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(process, "ready")
    process.send_signal(signal.SIGUSR1)
    ended = finish(process)

    assert (tmp_path / "asked").read_text() == "--signal=TERM 4711\n"
    assert "unsaved" not in ended.stdout
    assert "as checkpoint 1 (signal:SIGTERM): nothing is lost" in ended.stderr
    assert "job 4711 is put back into the queue" in ended.stderr


def can_be_first() -> bool:
    """Say whether a process may be made the first one of a space of its own here."""
    try:
        tried = subprocess.run(["unshare", "-Urpf", "true"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


@pytest.mark.skipif(not can_be_first(), reason="no process can be made PID 1 here")
def test_as_the_first_process_of_a_container(tmp_path: Path) -> None:
    """It hands the signal on, takes note of orphans that end, and gives the status that a shell would give."""
    source = """
        import os, subprocess, time
        from pathlib import Path
        from lattice_addons import StateManagerGroup

        group = StateManagerGroup()
        group.register("n")
        group.update("n", 1)
        # A child's child, whose parent ends first: PID 1 inherits it, and must take note of its end.
        told = subprocess.run(["sh", "-c", "sleep 0.1 >&- 2>&- & echo $!"], capture_output=True, text=True).stdout
        end = time.monotonic() + 30
        while Path(f"/proc/{int(told)}").exists() and time.monotonic() < end:
            time.sleep(0.01)
        print("orphan gone", not Path(f"/proc/{int(told)}").exists())
        print("parent", os.getppid())
        print("ready")
        time.sleep(300)
    """
    program = Program(tmp_path, source)
    arguments = [
        "unshare",
        "-Urpf",
        "--mount-proc",
        "--kill-child",
        *RUN,
        "--",
        sys.executable,
        str(program.path),
    ]
    process = subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(process, "orphan gone True")
    wait_for(process, "parent 1")
    wait_for(process, "ready")
    (first,) = (int(pid) for pid in children(process.pid))
    os.kill(first, signal.SIGTERM)
    ended = finish(process)

    assert ended.returncode == 128 + signal.SIGTERM
    assert "as checkpoint 1 (signal:SIGTERM): nothing is lost" in ended.stderr


def children(pid: int) -> list[str]:
    """Give the numbers of a process's children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="makes another user's process"
)
def test_a_program_that_no_signal_may_be_sent_to(tmp_path: Path) -> None:
    """As that of `sudo` is for who called it: it is told, and waited for."""
    source = (
        "import os, sys; os.setuid(65534); print('ready', flush=True); sys.stdin.readline(); print('done')"
    )
    program = Program(tmp_path, source)
    process = subprocess.Popen(
        ["setpriv", "--bounding-set=-kill", *RUN, "--", sys.executable, str(program.path)],
        cwd=tmp_path,
        env=clean_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    told = process.stderr.readline()
    assert "SIGTERM could not be handed on to process" in told
    out, err = process.communicate("\n", timeout=60)
    assert (process.returncode, out, err) == (0, "done\n", "")


def test_nobody_listens_any_more(tmp_path: Path) -> None:
    """A closed stderr keeps no program from its end."""
    process = start(Program(tmp_path, DIES_TWICE), "--report", "lives.jsonl")
    assert process.stderr is not None
    process.stderr.close()
    assert process.stdout is not None
    assert process.stdout.read().endswith("in life 3\n")
    assert process.wait(150) == 0
    process.stdout.close()
