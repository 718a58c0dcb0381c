"""Kills ``digits.py`` at random times, again and again, and shows that it ends as if it had been left alone.

Each round begins in an empty folder and starts the program until it ends by itself; then what it has found is compared
with what the run found that was left alone. The round that is under way when the time is over is left to end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = Path(__file__).with_name("digits.py")
# Most often without warning: the program alone, or with the workers of its sweep; else by a signal that it hears.
WAYS = ("KILL", "KILL", "KILL of all", "TERM", "INT")
PATIENCE = 120
# What is the same only for the same bits.
FOUND = re.compile(r"(sweep|network|report) [0-9a-f]{16}|best of .+|accuracy .+")


class Life:
    """One process of the program, with those that it starts."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.killed = ""
        self._output = folder / "output.txt"
        settings = f"root={folder / 'store'},periodic_saving=enabled,periodic_saving_interval=0.5"
        with open(self._output, "w", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), *arguments],
                cwd=folder,
                env={**os.environ, "LATTICE_CHECKPOINT_CONFIG": settings},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def close(self) -> None:
        """Leave nothing of it behind where it was not waited for: Ctrl-C, for one, does not reach its session."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def lasts(self, seconds: float | None) -> bool:
        """Wait for its end, for so long; say whether it has not come."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def kill(self, way: str) -> None:
        """End it in one of the ways."""
        self.killed = way
        number = signal.Signals[f"SIG{way.partition(' ')[0]}"]
        (os.killpg if way.endswith("all") else os.kill)(self._process.pid, number)
        if self.lasts(PATIENCE):
            sys.exit(f"it lives {PATIENCE} s after {way}:\n{self.output}")

    @property
    def output(self) -> str:
        """Give what it has printed."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def came_to(self) -> str:
        """Give its last line."""
        return (self.output.splitlines() or ["its imports"])[-1]

    def found(self) -> list[str] | None:
        """Give what it has found, or None if it was killed before that."""
        if self._process.returncode == 0:
            return [line for line in self.output.splitlines() if FOUND.fullmatch(line)]
        if not self.killed:
            sys.exit(f"it failed, with status {self._process.returncode}:\n{self.output}")
        return None


class Killer:
    """Kills lives until it has had enough."""

    def __init__(self, seed: int, longest: float, enough: Callable[[Killer], bool]) -> None:
        self.kills = 0
        self._random = random.Random(seed)
        self._longest = longest
        self._enough = enough

    @property
    def goes_on(self) -> bool:
        """Say whether it kills another one."""
        return not self._enough(self)

    def round(self, folder: Path, arguments: list[str]) -> list[str]:
        """Start the program until it ends by itself; give what it has found."""
        while True:
            with closing(Life(folder, arguments)) as life:
                after = self._random.uniform(0, self._longest) if self.goes_on else None
                if life.lasts(after):
                    life.kill(self._random.choice(WAYS))
                if (found := life.found()) is not None:
                    return found
            self.kills += 1
            print(f"  {life.killed} after {after:.1f} s, at: {life.came_to}", flush=True)


@contextmanager
def dashboard(folder: Path) -> Iterator[str]:
    """Show the jobs of a round; give the address."""
    for name in ("store", "experiments"):
        (folder / name).mkdir()
    command = [sys.executable, "-m", "lattice_addons.cli"]
    command += ["ui", "--root", "store", "--experiments", "experiments"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            told = re.search(r"http://\S+", process.stdout.readline() if process.stdout else "")
            yield told[0] if told else sys.exit("the dashboard did not start: see above")
        finally:
            process.terminate()


def shown(address: str) -> str:
    """Give what the dashboard shows of a round, in one line."""

    def facts(of: str) -> list[dict[str, Any]]:
        with urlopen(f"{address}/v1/view/{of}") as answer:  # noqa: S310 - our own dashboard, on this machine
            told: list[dict[str, Any]] = json.load(answer)[of]
            return told

    jobs = [f"{job['name']} {job['state']}" for job in facts("jobs")]
    done = [f"{each['name']} {each['counts']['done']} of {each['total']}" for each in facts("experiments")]
    return ", ".join(jobs + done)


def left_alone(folder: Path, arguments: list[str]) -> tuple[list[str], float]:
    """Run the program as it is; give what it has found, and how many seconds it takes."""
    folder.mkdir()
    began = time.monotonic()
    with closing(Life(folder, arguments)) as life:
        life.lasts(None)
        return life.found() or [], time.monotonic() - began


def main() -> None:
    """Run it alone, and then be in its way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="for how long it is killed")
    parser.add_argument("--kills", type=int, help="how often it is killed, instead")
    parser.add_argument("--seed", type=int, default=0, help="of the random times and ways")
    parser.add_argument("arguments", nargs="*", help="the program's own, behind --")
    options = parser.parse_args()

    # A shell lets what it starts in the background ignore Ctrl-C, and so would the program.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    top = Path(tempfile.mkdtemp(prefix="digits-"))
    expected, took = left_alone(top / "alone", options.arguments)
    print(f"left alone, it takes {took:.0f} s and finds", *expected, sep="\n  ", flush=True)

    until = time.monotonic() + options.minutes * 60
    killer = Killer(
        options.seed,
        longest=0.7 * took,
        enough=lambda killer: killer.kills >= options.kills if options.kills else time.monotonic() > until,
    )
    rounds = 0
    while killer.goes_on:
        rounds += 1
        folder = top / f"round-{rounds}"
        folder.mkdir()
        with dashboard(folder) as address:
            print(f"round {rounds}, shown at {address}", flush=True)
            found = killer.round(folder, options.arguments)
            print(f"  the dashboard shows: {shown(address)}", flush=True)
        if found != expected:
            sys.exit("\n  ".join([f"round {rounds} has found other bits, see {folder}:", *found]))
    print(f"killed {killer.kills} times in {rounds} rounds, it has found the same bits in each")


if __name__ == "__main__":
    main()
