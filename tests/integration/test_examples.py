"""The programs in ``examples/``, killed for real, end as if they had been left alone."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.program import Program, clean_environ, finish, wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_training_ends_with_the_same_bits_however_often_it_is_killed(tmp_path: Path) -> None:
    """Three kills at random batches; weights and accuracy are those of the run that was left alone."""
    pytest.importorskip("sklearn", reason="scikit-learn has no build for this Python")
    source = (EXAMPLES / "train_digits.py").read_text()
    for name in ("alone", "killed"):
        (tmp_path / name).mkdir()
    expected = Program(tmp_path / "alone", source, "train.py").run(timeout=120).stdout.splitlines()[-2:]
    assert expected[1].startswith("weights ")
    killed = Program(tmp_path / "killed", source, "train.py")
    config = "periodic_saving=enabled,periodic_saving_interval=0.05"
    places = sorted(random.Random(3).sample(range(20, 280), 3))
    for place, stop in zip(places, (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), strict=True):
        process = killed.start(config=config)
        wait_for(process, f"batch {place // 30} {place % 30 * 60}")
        process.send_signal(stop)
        assert finish(process).returncode == -stop

    ended = killed.run(config=config, timeout=120)

    assert ended.stdout.splitlines()[-2:] == expected
    assert len(ended.stdout.splitlines()) < 200, "it began from the start"
    shutil.rmtree(tmp_path, ignore_errors=True)


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
