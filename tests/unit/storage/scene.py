"""Programs that have a store at hand, and what is in a folder."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
import os, sys, threading, time
from lattice_addons.storage import LocalStore
store = LocalStore(sys.argv[1])
"""


def below(folder: Path) -> list[str]:
    """Give what is below a folder, of any kind."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def start(source: str, *args: str, **options: object) -> subprocess.Popen[str]:
    """Start a program that has `store`, in the folder of the first argument, at hand."""
    command = [sys.executable, "-c", HEAD + source, *args]
    given: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=clean_environ(), **(given | options))  # type: ignore[call-overload, no-any-return]


def run(source: str, *args: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    process = start(source, *args, **options)
    output, errors = process.communicate(timeout=150)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
