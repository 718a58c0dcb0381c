"""The programs in ``examples/``, killed for real, end as if they had been left alone."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

from tests.program import Program, finish, wait_for

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
