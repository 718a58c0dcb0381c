"""A function of the benchmarks runs in a process of its own: memory, imports and caches are fresh there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "apart", "command", "plain_environ"]

ROOT = Path(__file__).resolve().parents[1]
MARK = "result: "
CODE = """
import importlib, json, sys
sys.path[0] = {root!r}
function = getattr(importlib.import_module({module!r}), {name!r})
given = function(*json.loads(sys.argv[1]))
print({mark!r} + json.dumps(given), flush=True)
"""


def plain_environ() -> dict[str, str]:
    """Give the environment without a user's settings for Lattice, and with compiled modules kept as usual."""
    other = ("LATTICE_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(other)}


def command(module: str, name: str, *arguments: object) -> list[str]:
    """Give the command line that calls a function of a module of the benchmarks with these plain arguments."""
    code = CODE.format(root=str(ROOT), module=f"benchmarks.{module}", name=name, mark=MARK)
    return [sys.executable, "-W", "ignore", "-c", code, json.dumps(arguments)]


def apart(module: str, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the function returns
    """Call a function in a fresh interpreter and give what it returned."""
    done = subprocess.run(
        command(module, name, *arguments), env=plain_environ(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["said nothing"])[-1]
        raise RuntimeError(f"{name} ended with status {done.returncode}: {last}")
    line = next(line for line in done.stdout.splitlines() if line.startswith(MARK))
    return json.loads(line.removeprefix(MARK))
