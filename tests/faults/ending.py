"""Programs that end in one way with Lattice and without it, and what is left of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

# The lines are the same in both cases, so that the tracebacks are.
SOURCE = """\
import {modules}
{before}
def saves(): return len(glob.glob(".lattice/*/rank-00000/checkpoints/*.json"))
value = {{"n": 0}}
if "plain" not in sys.argv:
    from lattice_addons import StateManagerGroup
    group = StateManagerGroup()
    group.register("value")
    if "read" in sys.argv:
        print(group.get("value"))
        os._exit(0)
    group.update("value", value)
value["n"] = 7
{body}
"""
# The beginning of a body: a slot whose value takes a lock that the program itself takes, too.
LOCKED = """\
from lattice_addons.state import StateClosureManager
lock = threading.Lock()
def capture():
    with lock:
        return 1
group.register("locked", StateClosureManager)
group.update("locked", capture)
"""


def ending(folder: Path, body: str, before: str = "") -> Program:
    """Make a program whose value is ``{"n": 7}`` and which then ends as the body says."""
    body, before = textwrap.dedent(body), textwrap.dedent(before)
    # What is dear to import is there for who needs it.
    dear = {"asyncio": "asyncio.", "glob": "saves()", "hashlib": "hashlib."}
    needed = [name for name, use in dear.items() if use in before + body]
    modules = ", ".join(["os", "signal", "sys", "threading", "time", *needed])
    return Program(folder, SOURCE.format(modules=modules, body=body, before=before))


def manifests(program: Program) -> list[dict[str, Any]]:
    """Read all the manifests, oldest first."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in program.checkpoints()]


def reasons(program: Program) -> list[str]:
    """Say why each checkpoint was made."""
    return [manifest["reason"] for manifest in manifests(program)]


def restored(program: Program) -> str:
    """Start the program again, have it print what it finds."""
    return program.run("read", config="signals=none").stdout.strip()


def kept(program: Program) -> str:
    """Read the value in the newest checkpoint: what `restored` would find, without a start."""
    return str(manifests(program)[-1]["slots"]["value"]["value"])


def same_as_without(program: Program, **start: Any) -> subprocess.CompletedProcess[str]:
    """Run the program to its end with Lattice and without; nothing to be seen from outside may differ."""
    plain = program.run("plain", **start)
    ours = program.run("ours", **start)
    assert ours.returncode == plain.returncode, ours.stderr
    assert ours.stdout == plain.stdout
    # On 3.10 the one frame through which a handler's exception passes cannot be taken out of its traceback.
    hidden = (
        r'  File ".*lattice_addons/lifecycle/_signals.py", .*\n    .*\n'
        if sys.version_info < (3, 11)
        else "$^"
    )
    assert re.sub(hidden, "", ours.stderr) == plain.stderr
    return ours


def start_command(program: Program, command: list[str], **environ: str) -> subprocess.Popen[str]:
    """Start a command in the program's folder."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        cwd=program.folder,
        env=clean_environ(**environ),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )


def python_as_first_process() -> list[str]:
    """Give the command that runs Python as process 1 of a namespace of its own; empty where that is not allowed."""
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable]
    tried = subprocess.run(
        [*command, "-c", "import os; print(os.getpid())"], capture_output=True, check=False
    )
    return command if tried.stdout.strip() == b"1" else []
