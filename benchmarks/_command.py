"""The command line: which benchmarks, how large, and where the table goes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._apart import MARK, command, plain_environ
from benchmarks._chart import draw
from benchmarks._machine import machine
from benchmarks._row import Row, failed
from benchmarks._setup import Setup
from benchmarks._table import as_line, as_rst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["main", "run_here"]

#: Each benchmark's module and function; each runs in a process of its own.
BENCHMARKS = {
    "full": ("_saves", "full"),
    "peers": ("_saves", "peers"),
    "unchanged": ("_saves", "unchanged"),
    "async": ("_standstill", "asynchronous"),
    "memory": ("_memory", "memory"),
    "restore": ("_restores", "restores"),
    "one-slot": ("_one_slot", "one_slot"),
    "small": ("_small", "small_slots"),
    "discovery": ("_small", "discovery"),
    "update": ("_small", "updates"),
    "start-up": ("_start_up", "start_up"),
    "hyperparams": ("_hyperparams", "parsing"),
    "signal": ("_signalled", "signalled"),
    "hour": ("_hour", "hour"),
    "upload": ("_uploads", "uploads"),
    "restart": ("_anywhere", "restarts"),
    "requests": ("_anywhere", "requests"),
    "exit": ("_pending", "pending"),
    "training": ("_training", "training"),
    "training-restores": ("_training_restores", "restores"),
    "training-loop": ("_training_loop", "loop"),
    "experiments": ("_experiments", "experiments"),
    "service": ("_service", "service"),
}


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks, show their rows as they come, and write the table."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.draw:
        table, chart = map(Path, given.draw)
        if not table.is_file():
            parser.error(f"argument --draw: there is no table {table}")
        draw(table, chart)
        return 0
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is named {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    setup = Setup(given.mib, given.rounds, given.slots, given.saves, given.folder)
    facts = machine(setup)
    print("\n".join(f"{name:<12} {text}" for name, text in facts.items()))
    rows: list[Row] = []
    for name in given.names or BENCHMARKS:
        begun = time.perf_counter()
        print(f"\n{name}", flush=True)
        for row in _rows(name, setup):
            rows.append(row)
            print(as_line(row), flush=True)
        print(f"    took {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    missed = [row for row in rows if row.missed]
    print(f"\n{len(rows)} rows; {len(missed)} targets missed")
    if given.rst is not None:
        given.rst.write_text(as_rst(rows, facts), encoding="utf-8")
    return 1 if missed and given.check else 0


def run_here(module: str, name: str, setup: dict[str, object]) -> None:
    """Run one benchmark in this process and print its rows, a line each."""
    from importlib import import_module

    function: Callable[[Setup], Iterator[Row]] = getattr(import_module(f"benchmarks.{module}"), name)
    rows = function(Setup(**setup))  # type: ignore[arg-type]
    try:
        for row in rows:
            print(MARK + row.to_json(), flush=True)
    except Exception as error:  # noqa: BLE001 - it becomes a line of the table, and the other benchmarks go on
        title = (function.__doc__ or name).strip().rstrip(".")
        print(MARK + failed(title, error, broken=True).to_json(), flush=True)


def _rows(name: str, setup: Setup) -> Iterator[Row]:
    module, function = BENCHMARKS[name]
    # The folder is made and removed here, so that nothing stays behind of a process that was killed.
    with setup.room() as folder:
        inside = asdict(replace(setup, folder=str(folder)))
        started = subprocess.Popen(
            command("_command", "run_here", module, function, inside),
            stdout=subprocess.PIPE,
            env=plain_environ(),
            text=True,
        )
        with started as child:
            for line in child.stdout or ():
                text = line.removeprefix(MARK)
                if text != line and json.loads(text) is not None:
                    yield Row.from_json(text)
    if child.returncode:
        yield failed(name, f"its process ended with status {child.returncode}", broken=True)


def _folder(text: str) -> str:
    """Take a folder in which something can be made: told now, and not after hours, or by each benchmark."""
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    if not os.access(text, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"nothing can be written into {text}")
    return os.path.realpath(text)


def _file_to_be(text: str) -> Path:
    """Take a file that can be written at the end."""
    path = Path(text)
    _folder(str(path.parent))
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python benchmarks",
        description="Measure the checkpoint engine against the machine and against other libraries.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    parser.add_argument("--mib", type=int, default=1024, help="size of the state (default: 1024)")
    parser.add_argument("--rounds", type=int, default=5, help="of how many figures a median is (default: 5)")
    parser.add_argument("--slots", type=int, default=100_000, help="how many small slots (default: 100000)")
    parser.add_argument("--saves", type=int, default=300, help="how many saves in a row (default: 300)")
    parser.add_argument("--folder", type=_folder, default=".", help="on the disk to measure (default: here)")
    parser.add_argument(
        "--rst", type=_file_to_be, metavar="FILE", help="write the table for the documentation"
    )
    parser.add_argument(
        "--draw", nargs=2, metavar=("TABLE", "SVG"), help="draw the ratios of a table, and measure nothing"
    )
    parser.add_argument("--check", action="store_true", help="end with status 1 when a target is missed")
    return parser
