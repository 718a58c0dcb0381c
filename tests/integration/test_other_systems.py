"""On a system that lacks what only Linux has, all of it is imported, and programs are saved and carried on."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from lattice_addons._only_on import only_where
from lattice_addons.errors import UnsupportedError
from tests.program import Program, finish, wait_for

ROOT = Path(__file__).parents[2]
SYSTEMS = ["darwin", "win32"]

HEAD = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.integration.other_systems import pretend
pretend(sys.argv[1])
"""

EVERY_MODULE = (
    HEAD
    + """
import importlib, pkgutil
from tests.integration.other_systems import hide
# They are no part of what is asked here, and take seconds.
hide("torch", "transformers", "lightning", "jax", "keras", "sklearn", "xgboost", "lightgbm", "distributed")
import lattice_addons
for room in pkgutil.walk_packages(lattice_addons.__path__, "lattice_addons."):
    if room.name.endswith(("__main__", ".sitecustomize", ".index_words")):
        continue  # these are programs
    try:
        importlib.import_module(room.name)
    except ImportError as error:
        assert error.name and not error.name.startswith("lattice_addons"), (room.name, error)
        if error.name.partition(".")[0] in ("fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"):
            raise
print("imported")
"""
)

PROGRAM = (
    HEAD
    + """
import lattice_addons

class Point:
    def __init__(self, x):
        self.x = x

group = lattice_addons.StateManagerGroup()
for name in ("count", "point", "notes"):
    group.register(name)
count = group.get("count") or 0
point = group.get("point") or Point(0)
notes = group.get("notes") or open("notes.txt", "a+")
print("found", count, point.x, notes.tell() if count else 0, flush=True)
for count in range(count + 1, count + 4):
    point.x += 10
    notes.write("line\\n")
    group.update("count", count)
    group.update("point", point)
    group.update("notes", notes)
    group.save()
print("saved", flush=True)
if sys.argv[2:] == ["wait"]:
    sys.stdin.read()
"""
)

COMMANDS = (
    HEAD
    + """
from lattice_addons.cli import main

for command in ("list", "show program", "verify", "log program", "prune", "doctor"):
    status = main(command.split())
    assert status == 0, command
"""
)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_module_is_imported(tmp_path: Path, system: str) -> None:
    """No module asks, when it is imported, for what another system lacks."""
    ended = Program(tmp_path, EVERY_MODULE).run(system)
    assert (ended.stdout, ended.returncode) == ("imported\n", 0), ended.stderr


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_program_carries_on(tmp_path: Path, system: str) -> None:
    """After its end, after a kill, and its commands read what it has left."""
    program = Program(tmp_path, PROGRAM)
    ended = program.run(system)
    assert (ended.stdout, ended.stderr) == ("found 0 0 0\nsaved\n", "")
    killed = program.start(system, "wait")
    wait_for(killed, "saved")
    busy = program.run(system)
    assert "LeaseHeldError" in busy.stderr
    killed.send_signal(signal.SIGKILL)
    finish(killed)
    ended = program.run(system)
    assert (ended.stdout, ended.stderr) == ("found 6 60 30\nsaved\n", "")
    assert (tmp_path / "notes.txt").read_text() == "line\n" * 9
    shown = Program(tmp_path, COMMANDS, name="commands.py").run(system)
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_services_log_is_continued_in_another_file(tmp_path: Path, system: str) -> None:
    """Windows gives no other name to a file that is open."""
    source = HEAD + (
        "from lattice_addons.service.access import Audit\n"
        "audit = Audit('audit.jsonl', size=400, files=3)\n"
        "for number in range(6):\n"
        "    audit.note('abc', 'write', 'a' * 100, number=number)\n"
    )
    ended = Program(tmp_path, source).run(system)
    assert (ended.returncode, ended.stderr) == (0, "")
    files = sorted(tmp_path.glob("audit.jsonl*"), reverse=True)
    numbers = [json.loads(line)["number"] for file in files for line in file.read_text().splitlines()]
    assert (len(files), numbers) == (3, [0, 1, 2, 3, 4, 5])


def test_what_a_system_cannot_do_is_told(tmp_path: Path) -> None:
    """In one sentence, before anything is done."""
    source = HEAD + (
        "from lattice_addons.errors import UnsupportedError\n"
        "from lattice_addons.settings import Settings\n"
        "from lattice_addons.storage import open_store\n"
        "from lattice_addons.cli import main\n"
        "try:\n"
        "    open_store(Settings(type='fsspec', root='memory://a'))\n"
        "except UnsupportedError as error:\n"
        "    print(error.what, error.system)\n"
        "sys.exit(main(['run', '--', 'true']))\n"
    )
    ended = Program(tmp_path, source).run("win32")
    assert ended.stdout == "a remote store win32\n"
    assert ended.returncode == 69, ended.stderr
    assert "lattice run: this system (win32) has no" in ended.stderr
    assert "WSL 2" in ended.stderr


def test_what_is_refused_is_refused_by_an_error_of_ours() -> None:
    """Which says what was asked for, what the system lacks, and where it can be had."""
    with pytest.raises(
        UnsupportedError, match=r"run_all: this system \(\w+\) has no .*; run the program on Linux"
    ) as told:
        only_where(False, "run_all", "forks")
    assert (told.value.what, told.value.system) == ("run_all", sys.platform)
    only_where(True, "run_all", "forks")
