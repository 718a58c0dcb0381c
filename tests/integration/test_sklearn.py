"""An estimator that was killed between, or within, its parts ends with the bits of one that was left alone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import Life, lives

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytestmark = pytest.mark.frameworks

SOURCE = """
import hashlib, os, time
import numpy as np
from sklearn.neural_network import MLPClassifier
from lattice_addons import StateManagerGroup
from lattice_addons.integrations.sklearn import partial_fit

def batches():
    random = np.random.default_rng(5)
    for number in range(24):
        inputs = random.normal(size=(40, 6))
        if number == int(os.environ.get("KILLED_AT", -1)):
            os.kill(os.getpid(), int(os.environ["KILLED_BY"]))
        yield inputs, (inputs[:, :2].sum(axis=1) > 0).astype(int)

class Slow(MLPClassifier):
    def partial_fit(self, *args, **options):
        super().partial_fit(*args, **options)
        print("# fitted", flush=True)
        time.sleep(0.03)
        return self

model = partial_fit(Slow((8,), random_state=3), batches(), classes=[0, 1])
bits = b"".join(each.tobytes() for each in (*model.coefs_, *model.intercepts_))
print("# weights", model.t_, hashlib.sha256(bits).hexdigest())
"""


def test_killed_and_asked_to_end(tmp_path: Path) -> None:
    """Adam's moments and the generator that shuffles are the estimator's own, and go on from where they were."""
    config = "periodic_saving=enabled,periodic_saving_interval=0.1"
    kills = {8: signal.SIGTERM, 15: signal.SIGKILL}
    killed = [
        Life(config=config, environ={"KILLED_AT": str(at), "KILLED_BY": str(by.value)})
        for at, by in kills.items()
    ]
    alone = Life(config=config, store="alone")
    *ended, left = lives(
        tmp_path, SOURCE, ["numpy", "sklearn.neural_network"], [*killed, Life(config=config), alone]
    )
    assert [each.status for each in (*ended, left)] == [-signal.SIGTERM, -signal.SIGKILL, 0, 0]
    assert left.lines[-1].startswith("weights 960 ")
    assert ended[-1].lines[-1] == left.lines[-1]
    fitted = [each.lines.count("fitted") for each in (*ended, left)]
    assert fitted[-1] == 24
    assert fitted[2] <= 24 - 8, "it began from the start"
