"""A program that gets SIGTERM is safe when the manifest is there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import _state
from benchmarks._apart import command, plain_environ
from benchmarks._measure import Times, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._row import Row
    from benchmarks._setup import Setup

__all__ = ["signalled", "waiting"]

JOB = "benchmark"
PERIOD = 3
PATIENCE = 120
READY = "ready "
MIB = 1024 * 1024


def signalled(setup: Setup) -> Iterator[Row]:
    """Compare the time from SIGTERM to safety with a full save of the same process."""
    for periodic, what, target in (
        (False, "SIGTERM with everything dirty, until safe / full save", 1.2),
        (True, "SIGTERM with periodic saving on and 1 % dirty, until safe / full save", 0.3),
    ):
        full, safe = Times("full save"), Times("until safe")
        with setup.room() as folder:
            for number in range(setup.few + 1):
                try:
                    saved, until = _one(folder / str(number), setup.mib, periodic=periodic)
                except Exception as error:  # noqa: BLE001 - the other row is measured
                    safe.error = f"{type(error).__name__}: {error}"
                    break
                if number:
                    full.seconds.append(saved)
                    safe.seconds.append(until)
        yield ratio(what, safe, full, target)


def _one(root: Path, mib: int, *, periodic: bool) -> tuple[float, float]:
    started = subprocess.Popen(
        command("_signalled", "waiting", str(root), mib, periodic),
        stdout=subprocess.PIPE,
        env=plain_environ(),
        text=True,
    )
    with started as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            if not line.startswith(READY):
                raise RuntimeError("the program ended before it was ready")
            before = set(_manifests(root))
            begun = time.perf_counter()
            child.send_signal(signal.SIGTERM)
            while not (new := set(_manifests(root)) - before):
                if time.perf_counter() - begun > PATIENCE:
                    raise RuntimeError("no manifest came")
                time.sleep(0.001)
            until = time.perf_counter() - begun
            child.wait(PATIENCE)
            dirty = _state.PIECE * _state.count_of_few(mib // 4) if periodic else mib * MIB
            _check(root, new, dirty)
        finally:
            child.kill()
    shutil.rmtree(root)
    os.sync()
    return float(line.removeprefix(READY)), until


def waiting(root: str, mib: int, periodic: bool) -> None:  # noqa: FBT001 - given on a command line
    """Save all, tell how long that took, change all or little, and wait for the signal."""
    from lattice_addons import Settings, StateManagerGroup

    arrays = _state.make(mib)
    more: dict[str, object] = (
        {"periodic_saving": True, "periodic_saving_interval": PERIOD} if periodic else {}
    )
    group = StateManagerGroup(
        Settings(root=root, job_id=JOB, keep=_state.KEEP_ALL, grace=0, **more)  # type: ignore[arg-type]
    )
    for name, array in _state.named(arrays).items():
        group.register(name)
        group.update(name, array)
    group.save()  # with this one the buffers and imports are there
    took = 0.0
    for _ in range(2):
        _state.change(arrays)
        os.sync()
        begun = time.perf_counter()
        group.save()
        took = time.perf_counter() - begun
    if periodic:
        _wait_for_periodic_save(Path(root))
    _state.change(_state.few_of(arrays) if periodic else arrays)
    print(f"{READY}{took}", flush=True)
    while True:
        time.sleep(0.05)


def _wait_for_periodic_save(root: Path) -> None:
    before = len(_manifests(root))
    begun = time.perf_counter()
    while len(_manifests(root)) == before:
        if time.perf_counter() - begun > PATIENCE:
            sys.exit("no periodic save came")
        time.sleep(0.01)
    time.sleep(0.2)  # its last steps


def _check(root: Path, new: set[str], dirty: int) -> None:
    """Raise unless the new checkpoint has what was changed last: a quick one that lacks it would be no save."""
    text = (_folder(root) / min(new)).read_text(encoding="utf-8")
    told = json.loads(text)["metrics"]["bytes_new"]
    if told < dirty:
        raise RuntimeError(f"the checkpoint has {told} new bytes where {dirty} had changed")


def _folder(root: Path) -> Path:
    return root / JOB / "rank-00000" / "checkpoints"


def _manifests(root: Path) -> list[str]:
    found = os.listdir(_folder(root))
    return [name for name in found if name.endswith(".json")]
