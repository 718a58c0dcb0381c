"""The programs in ``examples/``, killed for real, end as if they had been left alone."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from examples.whole import kill_it
from tests.integration.lives import Life, lives
from tests.program import clean_environ

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_training_ends_with_the_same_bits_however_often_it_is_killed(tmp_path: Path) -> None:
    """Three kills at random batches; weights and accuracy are those of the run that was left alone."""
    pytest.importorskip("sklearn", reason="scikit-learn has no build for this Python")
    source = (EXAMPLES / "train_digits.py").read_text()
    config = "periodic_saving=enabled,periodic_saving_interval=0.05"
    places = sorted(random.Random(3).sample(range(20, 280), 3))
    stops = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)
    deaths = [
        (f"batch {place // 30} {place % 30 * 60}", int(stop))
        for place, stop in zip(places, stops, strict=True)
    ]
    killed = [Life(config=config, death=death) for death in deaths]
    *ended, alone = lives(
        tmp_path,
        source,
        ["numpy", "sklearn.datasets", "sklearn.linear_model"],
        [*killed, Life(config=config), Life(store="alone")],
    )
    assert [each.status for each in (*ended, alone)] == [*(-stop for stop in stops), 0, 0], ended
    last, expected = (each.output.splitlines() for each in (ended[-1], alone))
    assert expected[-1].startswith("weights ")
    assert last[-2:] == expected[-2:]
    assert len(last) < 200, "it began from the start"


@pytest.mark.frameworks
@pytest.mark.timeout(900)
def test_one_program_that_uses_it_all(tmp_path: Path) -> None:
    """``examples/whole``, in a short form: killed at random, it finds the same bits, and the dashboard shows it."""
    for name in ("torch", "sklearn", "loky", "pyarrow", "uvicorn", "jinja2"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    short = ("--sweep.workers", "0", "--sweep.epochs", "1", "--report.samples", "200", "steps=60")
    command = [sys.executable, str(EXAMPLES / "whole" / "kill_it.py"), "--kills", "2", "--", *short]
    environ = clean_environ(TMPDIR=str(tmp_path), OMP_NUM_THREADS="1")
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=800)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    *_, shown, last = ended.stdout.splitlines()
    assert "digits stopped, digits-report stopped, Sweep 6 of 6" in shown
    assert re.fullmatch(r"killed 2 times in \d+ rounds, it has found the same bits in each", last)
    assert len(re.findall(r"^  (?:sweep|network|report) [0-9a-f]{16}$", ended.stdout, re.MULTILINE)) == 3


@pytest.mark.one_python
def test_who_stops_the_killing_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C reaches ``kill_it.py`` alone: the program and its workers, in a session of theirs, would go on."""
    program = tmp_path / "program.py"
    program.write_text(
        "import subprocess, sys, time\n"
        "sleep = 'import time; time.sleep(600)'\n"
        "print(subprocess.Popen([sys.executable, '-c', sleep]).pid, flush=True)\n"
        "exec(sleep)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(kill_it, "PROGRAM", program)
    deadline = time.monotonic() + 120

    def ctrl_c(life: kill_it.Life, _: float | None) -> bool:
        while not life.output.endswith("\n"):
            assert time.monotonic() < deadline, life.output
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(kill_it.Life, "lasts", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        kill_it.left_alone(tmp_path / "alone", [])
    worker = int((tmp_path / "alone" / "output.txt").read_text(encoding="utf-8"))
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the worker lives"
            time.sleep(0.05)
