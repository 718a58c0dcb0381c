"""A ``fit`` that was stopped within an epoch ends with the bits of one that was left alone."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.killed import ends_alike

if TYPE_CHECKING:
    from pathlib import Path

# Not imported here, for it would take a backend.
pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed"),
]

SOURCE = """
    import hashlib, json, os
    import keras
    import numpy as np
    from lattice_addons import StateManagerGroup
    from lattice_addons.integrations.keras import LatticeCallback

    saves = []
    save = StateManagerGroup.async_save
    StateManagerGroup.async_save = lambda group: saves.append(save(group))

    class Told(keras.callbacks.Callback):
        def __init__(self, name):
            self.name = name

        def on_train_batch_begin(self, batch, logs=None):
            for each in saves:
                each.result(60)  # what it dies after is there to go on from
            print(self.name, self.epoch, batch, flush=True)

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    keras.utils.set_random_seed(3)
    inputs = np.random.normal(size=(230, 6)).astype("float32")
    targets = (inputs[:, :2] ** 2).sum(axis=1, keepdims=True)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
    ours = LatticeCallback(every={every})
    for name in {fits}:
        early = keras.callbacks.EarlyStopping("loss", patience=3, min_delta=0.3, restore_best_weights=True)
        slower = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.3)
        rows = keras.callbacks.CSVLogger(os.environ["LATTICE_CHECKPOINT_CONFIG"] + name + ".csv", append=True)
        history = model.fit(inputs[:200], targets[:200], batch_size=16, epochs={epochs}, verbose=0,
            validation_data=(inputs[200:], targets[200:]), callbacks=[early, slower, rows, Told(name), ours])
    logged = open(rows.filename).read() + json.dumps(history.history)
    print("history", len(history.epoch), hashlib.sha256(logged.encode()).hexdigest())
    values = [keras.ops.convert_to_numpy(each) for each in (*model.variables, *model.optimizer.variables)]
    print("bits", early.wait, slower.wait, hashlib.sha256(b"".join(each.tobytes() for each in values)).hexdigest())
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_stopped_within_an_epoch(tmp_path: Path, backend: str) -> None:
    """Shuffled batches, dropout, Adam's moments, and what other callbacks count, go on from where they were."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    source = SOURCE.format(epochs=9, every=None, fits=["batch"])
    kills = [("batch 2 5", signal.SIGTERM)]
    alone, after = ends_alike(tmp_path, source, ["keras"], kills, last=2, KERAS_BACKEND=backend)
    assert "batch 3 0" in alone
    assert "batch 1 12" not in after
    assert alone[-2].startswith("history ")


def test_killed_at_once(tmp_path: Path) -> None:
    """A SIGKILL loses the batches since the last save, here three at most, and nothing of a fit that was over."""
    if find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    source = SOURCE.format(epochs=4, every=3, fits=["batch", "second"])
    kills = [("second 2 8", signal.SIGKILL)]
    _, after = ends_alike(tmp_path, source, ["keras"], kills, last=2, KERAS_BACKEND="torch")
    assert not any(line.startswith("batch") for line in after)
    assert "second 1 12" not in after
