"""Programs with a store at hand, on disks that fail: by strace, or on a small file system of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.storage import LocalStore

HEAD = """
import os, sys, time
from lattice_addons.errors import LatticeError
from lattice_addons.storage import LocalStore

def attempt(use):
    try:
        use()
    except LatticeError as error:
        print(error.errno, error, flush=True)
    else:
        print("done", flush=True)

def stream(key, data):
    with store.create(key) as writer:
        writer.write(data)

def below(root):
    return sorted(os.path.relpath(os.path.join(at, name), root) for at, _, names in os.walk(root) for name in names)
"""


@cache
def no_strace() -> str:
    """Say why faults cannot be injected here; nothing where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = ["strace", "-qq", "-e", "inject=getppid:error=EIO", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"strace cannot trace here: {done.stderr.strip()}" if done.returncode else ""


@cache
def no_mounts() -> str:
    """Say why nothing can be mounted here; nothing where it can."""
    if os.geteuid() != 0:
        return "mounting a file system needs root"
    script = 'folder=$(mktemp -d) && mount -t tmpfs tmpfs "$folder" && umount "$folder" && rmdir "$folder"'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    return f"nothing can be mounted here: {done.stderr.strip()}" if done.returncode else ""


def run(command: list[str], source: str, *args: str) -> list[str]:
    """Run a program under a command; give the lines that it prints."""
    full = [*command, sys.executable, "-c", HEAD + source, *args]
    done = subprocess.run(full, capture_output=True, text=True, check=False, timeout=120, env=clean_environ())
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def mounted(options: str, source: str, folder: Path) -> list[str]:
    """Run a program with a file system of its own mounted at the folder of its first argument."""
    if why := no_mounts():
        pytest.skip(why)
    script = 'mount -t tmpfs -o "$1" tmpfs "$2"; shift 2; exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", options, str(folder)]
    return run(command, source, str(folder))


def injected(fault: str, source: str, folder: Path, meanwhile: Callable[[], None] | None = None) -> list[str]:
    """Run a program; strace puts a fault into a call that it makes after the line ``# fault``.

    strace is attached only then: so that the fault hits the call that is meant, not one of the interpreter's start.
    Where the fault is a ``signal=STOP``, the program goes on when what is to be done ``meanwhile`` is done.
    """
    if why := no_strace():
        pytest.skip(why)
    waits = "print('ready', flush=True); sys.stdin.readline()\n"
    head, tail = source.split("# fault\n")
    program = [sys.executable, "-c", HEAD + head + waits + tail, str(folder)]
    process = subprocess.Popen(
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environ(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    log = folder / "strace.log"
    command = ["strace", "-f", "-qq", "-o", str(log), "-e", f"inject={fault}", "-p", str(process.pid)]
    tracer = subprocess.Popen(command)
    try:
        while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{process.pid}/status").read_text():
            assert tracer.poll() is None, "strace did not attach"
            time.sleep(0.001)
        process.stdin.write("go\n")
        process.stdin.flush()
        if meanwhile is not None:
            _wait_until_stopped(process, log)
            meanwhile()
            process.send_signal(signal.SIGCONT)
        output, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        tracer.wait(timeout=120)
    assert (process.returncode, errors) == (0, "")
    return output.splitlines()


def _wait_until_stopped(process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + 120
    while "stopped by SIGSTOP" not in log.read_text(errors="replace"):
        assert process.poll() is None, "it was not stopped"
        assert time.monotonic() < deadline, "it was not stopped in time"
        time.sleep(0.002)


def names(store: LocalStore) -> list[str]:
    """Give the files in the store's folder, temporaries too."""
    return sorted(
        path.name for path in Path(store.root).rglob("*") if path.is_file() and path.name != ".gitignore"
    )
