"""A launcher that starts the ranks of a job by forking, kills one of them, and looks at what they find after a restart.

Run as a program, it prints one line of JSON per round::

    python -m tests.faults.ranks ROOT ROUNDS SEED
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lattice_addons import Settings, StateManagerGroup

WORLD = 8
JOB = "job"
# What every rank needs, imported once: a start then costs a fork.
PRELOADED = ("lattice_addons.state", "lattice_addons.checkpoint._ranks", "blake3", "orjson", "numpy")


def link(digest: str, round_number: int, step: int) -> str:
    """Give the next link of a chain, which tells all links before it."""
    return hashlib.blake2b(f"{digest} {round_number} {step}".encode(), digest_size=16).hexdigest()


def work(  # noqa: PLR0913 - what a rank is told
    rank: int, root: str, round_number: int, told: int, *, named: bool, run: str | None
) -> None:
    """Do steps for ever, each saved; tell what was found at the start, and each step before and after its save."""
    settings = Settings(root=root, job_id=JOB, signals=("SIGTERM",), keep=2, run_id=run)
    group = StateManagerGroup(settings)
    for name in ("chain", "rank"):
        group.register(name)
    step, digest = group.get("chain") or (0, "")
    owner = group.get("rank")
    os.write(told, f"found {rank} {step} {digest or '-'} {rank if owner is None else owner}\n".encode())
    group.update("rank", rank)
    while True:
        digest = link(digest, round_number, step)
        step += 1
        # Told first: from the update on, a signal saves it.
        os.write(told, f"begun {rank} {step} - -\n".encode())
        group.update("chain", [step, digest])
        group.save(step=step) if named else group.save()
        os.write(told, f"saved {rank} {step} - -\n".encode())
        time.sleep(random.uniform(0, 0.004))


@dataclass
class Round:
    """What the ranks told in one round."""

    found: dict[int, tuple[int, str, int]] = field(default_factory=dict)
    begun: Counter[int] = field(default_factory=Counter)
    saved: Counter[int] = field(default_factory=Counter)

    @classmethod
    def read(cls, told: int) -> Round:
        """Read what was told, to its end."""
        self = cls()
        with os.fdopen(told) as lines:
            for line in lines:
                what, rank, step, digest, owner = line.split()
                if what == "found":
                    self.found[int(rank)] = (int(step), digest, int(owner))
                else:
                    counter = self.begun if what == "begun" else self.saved
                    counter[int(rank)] = int(step)
        return self


class Launcher:
    """Starts all ranks, kills one at a random instant, then the others; and again."""

    def __init__(self, root: str, seed: int) -> None:
        self.root = root
        self._random = random.Random(seed)

    def fork(self, rank: int, round_number: int, told: int, run: str | None) -> int:
        """Start one rank."""
        named, delay = round_number % 3 != 0, self._random.choice((0, 0, 0.02, 0.1)) * self._random.random()
        pid = os.fork()
        if pid:
            return pid
        try:
            os.environ.update(RANK=str(rank), WORLD_SIZE=str(WORLD))
            time.sleep(delay)
            work(rank, self.root, round_number, told, named=named, run=run)
        except BaseException as error:  # noqa: BLE001 - told to the launcher, which fails
            sys.stderr.write(f"rank {rank} ended by {type(error).__name__}: {error}\n")
            sys.stderr.flush()
        finally:
            os._exit(1)

    def play(self, number: int) -> dict[str, Any]:
        """Play one round, and say what was found and what must have been."""
        expected = newest_on_disk(Path(self.root, JOB))
        reading, writing = os.pipe()
        run = f"round-{number}" if number % 2 else None
        pids = [self.fork(rank, number, writing, run) for rank in range(WORLD)]
        os.close(writing)
        victim = self._random.choice(pids)
        time.sleep(self._random.choice((0.05, 0.3, 0.8)) * self._random.random())
        os.kill(victim, signal.SIGKILL)
        time.sleep(self._random.choice((0, 0.05)) * self._random.random())
        rest = self._random.choice((signal.SIGKILL, signal.SIGTERM))
        for pid in pids:
            os.kill(pid, rest)
        self.see_end(pids)
        told = Round.read(reading)
        return {
            "round": number,
            "run": run,
            "expected": expected,
            "found": {rank: list(found) for rank, found in sorted(told.found.items())},
            "begun": [told.begun[rank] for rank in range(WORLD)],
            "saved": [told.saved[rank] for rank in range(WORLD)],
        }

    def see_end(self, pids: list[int]) -> None:
        """Wait for all; who does not die of SIGTERM soon is killed."""
        deadline = time.monotonic() + 20
        for pid in pids:
            while os.waitpid(pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.001)


def newest_on_disk(job: Path) -> int:
    """Give the step of the newest instant that all ranks have, found in the simplest way that there is."""
    instants: list[dict[tuple[int | None, ...], int]] = []
    for rank in range(WORLD):
        parts: dict[tuple[int | None, ...], int] = {}
        for path in (job / f"rank-{rank:05d}" / "checkpoints").glob("*.json"):
            manifest = json.loads(path.read_text())
            part = manifest["part"]
            if part["counts"]:
                done, step, own, outside = part["instant"]
                place = (part["attempt"], done, -1 if step is None else step, own, outside)
                chain = manifest["slots"].get("chain")  # none yet, where it was told to end at its very start
                parts[place] = chain["value"][0] if chain is not None else 0
        instants.append(parts)
    common = set.intersection(*map(set, instants))
    return instants[0][max(common)] if common else 0


def main() -> None:
    """Play rounds."""
    root, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for name in PRELOADED:
        __import__(name)
    launcher = Launcher(root, seed)
    for number in range(rounds):
        sys.stdout.write(json.dumps(launcher.play(number)) + "\n")


if __name__ == "__main__":
    main()
