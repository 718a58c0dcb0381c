"""An estimator that was killed between, or within, its parts ends with the bits of one that was left alone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.killed import ends_alike

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytestmark = pytest.mark.frameworks

SOURCE = """
    import hashlib, time
    import numpy as np
    from sklearn.neural_network import MLPClassifier
    from lattice_addons import StateManagerGroup
    from lattice_addons.integrations.sklearn import partial_fit

    def batches():
        random = np.random.default_rng(5)
        for number in range(24):
            inputs = random.normal(size=(40, 6))
            print("batch", number, flush=True)
            yield inputs, (inputs[:, :2].sum(axis=1) > 0).astype(int)

    class Slow(MLPClassifier):
        def partial_fit(self, *args, **options):
            super().partial_fit(*args, **options)
            time.sleep(0.03)
            return self

    model = partial_fit(Slow((8,), random_state=3), batches(), classes=[0, 1])
    bits = b"".join(each.tobytes() for each in (*model.coefs_, *model.intercepts_))
    print("weights", model.t_, hashlib.sha256(bits).hexdigest())
"""


def test_killed_and_asked_to_end(tmp_path: Path) -> None:
    """Adam's moments and the generator that shuffles are the estimator's own, and go on from where they were."""
    kills = [("batch 8", signal.SIGTERM), ("batch 15", signal.SIGKILL)]
    config = "periodic_saving=enabled,periodic_saving_interval=0.1"
    alone, _ = ends_alike(tmp_path, SOURCE, kills, config=config)
    assert alone[-1].startswith("weights 960 ")
