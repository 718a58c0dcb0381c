"""Writes a store with a job of each kind: ``python -m tests.stored.writing tests/stored/VERSION``.

It is run once, at a release; the test of what was stored takes all versions that there are.
"""

from __future__ import annotations

import collections
import datetime as dt
import fractions
import os
import random
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.hyperstate import HyperState

#: What signs, and what encrypts; secrets of nobody.
KEY = b"the key of a store that everybody may read"
SECRET = b"0123456789abcdef0123456789abcdef"


@dataclass
class Config:
    """The config of a job of a typed config and state."""

    rate: float = 0.1
    names: list[str] = field(default_factory=lambda: ["one", "two"])


@dataclass
class State:
    """Its state."""

    step: int = 0
    weights: dict[str, float] = field(default_factory=dict)


def values() -> dict[str, Any]:
    """Give what a job has in its slots: something of each way in which a value is stored."""
    rows = random.Random(1)
    shared = ["seen from two places"]
    return {
        "plain": {"n": 1, "big": 10**40, "nan-free": [0.1, float("inf"), -0.0], "text": "ä\n", "none": None},
        "text": [f"line {number} {rows.random()}" for number in range(3000)],
        "array": np.arange(20_000, dtype="float32").reshape(100, 200) / 7,
        "zeros": np.zeros((200, 200)),
        "strided": np.asfortranarray(np.arange(12, dtype=">i4").reshape(3, 4)),
        "objects": [
            fractions.Fraction(1, 3),
            dt.date(2026, 11, 21),
            collections.Counter("abca"),
            {1, (2, 3)},
        ],
        "shared": {"a": shared, 1: shared},
        "history": {"rows": [(number, rows.random()) for number in range(2000)], "step": (2000,)},
    }


def many() -> dict[str, int]:
    """Give small values, so many that they stand in tables."""
    return {f"slot {number}": number * number for number in range(3000)}


def some() -> dict[str, Any]:
    """Give one value of each encoding."""
    return {name: value for name, value in values().items() if name in {"plain", "array", "objects"}}


def typed(folder: Path) -> HyperState[Config, State]:
    """Open the job of a typed config and state."""
    os.environ["LATTICE_JOB_ID"] = "typed"
    path = folder / "config.yaml"
    if not path.exists():
        path.write_text("rate: 0.5\n", encoding="utf-8")
    return HyperState.load(Config, State, lambda _: State(), path, folder, "step")


def main(folder: str) -> None:
    """Write all of it."""
    jobs: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "values": (values(), {}),
        "many": (many(), {}),
        "signed": (some(), {"key": KEY}),
        "encrypted": (some(), {"encryption_key": SECRET}),
    }
    for job, (held, more) in jobs.items():
        group = StateManagerGroup(Settings(root=folder, job_id=job, signals=(), **more))
        for name, value in held.items():
            group.register(name)
            group.update(name, value)
        group.save()
        # A second one, of which most is in the pack of the first.
        group.register("second")
        group.update("second", 2)
        group.save()
        group.close()
    with closing(typed(Path(folder))) as state:
        for step in range(1, 4):
            state.state.step = step
            state.state.weights["w"] = step / 3
            state.step()
    export = ["export", "values", os.path.join(folder, "values.tar"), "--root", folder]
    subprocess.run([sys.executable, "-m", "lattice_addons.cli", *export], check=True)
    # It says that a store is nothing to commit; this one is.
    os.remove(os.path.join(folder, ".gitignore"))


if __name__ == "__main__":
    main(sys.argv[1])
