"""An experiment that is interrupted at any instant has lost nothing that it counted, and runs none of it twice."""

from __future__ import annotations

import os
import random
import signal
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.faults.injection import mounted
from tests.program import Program, finish, next_line

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytest.importorskip("loky", reason="workers are loky's processes")

# Every call with which something is written is one step; the child is killed before the step of its number.
STEPS = """
    import os, random, signal, sys
    import pyarrow, pyarrow.parquet
    import exp
    from lattice_addons.experiments import Place
    from lattice_addons.experiments import _results, _run_all
    from lattice_addons.experiments._display import Nothing

    NAMES = ("open", "write", "pwrite", "fsync", "fdatasync", "rename", "unlink", "link", "mkdir", "rmdir", "ftruncate")
    left = -1

    def stepping(call):
        def step(*args, **options):
            global left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)
        return step

    class Counted(Nothing):
        def ended(self, record):
            exp.note("counted", record.values["i"])

    def life(root, steps):
        global left
        pid = os.fork()
        if pid:
            return os.waitpid(pid, 0)[1] == 0
        try:
            if steps:
                for name in NAMES:
                    setattr(os, name, stepping(getattr(os, name)))
            left = steps
            summary = exp.E().run_all(0, root=root, display=Counted())
            left = -1
            code = 0 if summary.failed + summary.killed + summary.waiting == 0 else 3
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 1
        finally:
            os._exit(code)

    _run_all.provenance = lambda *_, **__: {}
    # Every third one: it begins elsewhere each time, and so comes to all of them.
    steps, whole = -random.randrange(3), False
    while not whole:
        steps += 3
        root = f"{sys.argv[1]}/{steps}"
        os.makedirs(root)
        exp.WHERE = root
        whole = life(root, steps)
        first = exp.noted("ran"), exp.noted("counted")
        assert life(root, 0), f"step {steps}: the second start failed"
        second = exp.noted("ran")[len(first[0]):]
        place = Place(exp.E, root)
        records = place.journal().records().values()
        rows = {each.values["i"]: each.rows[0]["square"] for each in records}
        assert rows == {1: 1, 2: 4, 3: 9}, (steps, rows)
        assert not set(first[1]) & set(second), (steps, first, second)
        # The one that was at work when it was killed, and no other.
        twice = set(first[0]) & set(second)
        assert twice <= set(first[0][-1:]), (steps, first, second)
        assert place.store.folders("states") == [], steps
        table = _results.results(exp.E, "arrow", root)
        assert sorted(table.column("square").to_pylist()) == [1, 4, 9], steps
    print(steps)
"""

EXPERIMENT = """
    import os, signal, time
    from lattice_addons.experiments import Experiment, search

    WHERE = os.environ.get("WHERE", "")
    WRITE, OPEN, CLOSE = os.write, os.open, os.close

    def note(name, what):
        file = OPEN(f"{WHERE}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        WRITE(file, f"{what}\\n".encode())
        CLOSE(file)

    def noted(name):
        try:
            with open(f"{WHERE}/{name}") as file:
                return [int(line) for line in file]
        except FileNotFoundError:
            return []

    class E(Experiment):
        i: int = search(1, 2, 3)

        def run(self):
            note("ran", self.i)
            if self.i == 2:
                self.state.register("n")
                self.state.update("n", 1)
                self.state.save()
            return {"square": self.i ** 2}

    class Many(Experiment):
        i: int = search(*range(40))

        def run(self):
            note("began", f"{self.i} {os.getpid()}")
            time.sleep(0.02)
            return {"square": self.i ** 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an experiment in it."""
    Program(tmp_path, EXPERIMENT, "exp.py")
    return tmp_path


def test_killed_at_any_step(folder: Path) -> None:
    """What was counted is there and is not run again; of the others at most the one at work is."""
    # In memory, if that can be: a thousand fsyncs of a disk take long, and change nothing here.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(folder)  # noqa: S108 - a folder of its own in it
    with tempfile.TemporaryDirectory(dir=memory) as roots:
        ended = Program(folder, STEPS).run(roots, timeout=240)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 50


LIVES = """
    import os, sys
    import exp
    from lattice_addons.experiments._display import Nothing

    class Tells(Nothing):
        def ended(self, record):
            # In one piece: the runner is killed at any instant.
            os.write(1, f"{record.status} {record.values['i']}\\n".encode())

    if __name__ == "__main__":
        print("summary", exp.Many().run_all(2, display=Tells()).done)
"""


def test_runner_and_workers_killed_at_random(folder: Path) -> None:
    """Workers end with their runner before the next one begins; one that is killed costs its setting one more run."""
    program = Program(folder, LIVES)
    environ = {"WHERE": str(folder)}
    chance = random.Random(os.urandom(8))
    counted: list[int] = []
    before: list[tuple[int, int]] = []
    for life in range(2):
        process = program.start(environ=environ)
        counted += _some(process, chance.randrange(1, 8))
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=150)
        counted += [int(line.split()[1]) for line in output.splitlines() if line.startswith("done")]
        before = _began(folder)
        if life == 1:
            break
    # The last life loses workers instead.
    process = program.start(environ=environ)
    late = _some(process, 1)
    pids = {pid for _, pid in before}
    for pid in {pid for _, pid in _began(folder)[-2:]} - pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    ended = finish(process)
    assert ended.returncode == 0, ended.stderr
    late += [int(line.split()[1]) for line in ended.stdout.splitlines() if line.startswith("done")]
    assert ended.stdout.splitlines()[-1] == f"summary {len(late)}"
    assert len(counted) == len(set(counted))
    assert not set(counted) & set(late), "something that was counted was run again"
    new = [pid not in pids for _, pid in _began(folder)]
    assert new == sorted(new), "a worker of a dead runner began with something beside those of the next"
    # Two workers: each kill of the runner costs two runs at most, each kill of a worker one.
    assert len(_began(folder)) <= 40 + 2 * 2 + 2
    lines = program.path.parent / "experiments" / "progress" / "exp" / "Many" / "journal"
    assert lines.is_dir()


def _some(process: subprocess.Popen[str], count: int) -> list[int]:
    """Read until so many settings are told as done."""
    found: list[int] = []
    while len(found) < count and (line := next_line(process)):
        if line.startswith("done"):
            found.append(int(line.split()[1]))
    return found


def _began(folder: Path) -> list[tuple[int, int]]:
    lines = [line.split() for line in (folder / "began").read_text().splitlines()]
    return [(int(number), int(pid)) for number, pid in lines]


@pytest.mark.mounts
def test_a_full_disk(folder: Path, tmp_path: Path) -> None:
    """It ends with an error that says so; when there is room again, what was recorded is not run again."""
    source = """
import errno, logging, sys, pathlib
logging.disable()
from lattice_addons.experiments import Experiment, search
from lattice_addons.experiments._display import Nothing
from lattice_addons.experiments import _run_all
_run_all.provenance = lambda *_, **__: {}
place = sys.argv[1]

class Fills(Experiment):
    i: int = search(*range(20))
    where: str = ""

    def run(self):
        with open(self.where + "/ran", "a") as file:
            file.write(f"{self.i}\\n")
        return {"text": str(self.i) * 20_000}

counted = []
class Counts(Nothing):
    def ended(self, record):
        counted.append((record.values["i"], record.status))

for num_proc in (0, 1):
    ran = pathlib.Path(sys.argv[2], f"{num_proc}")
    ran.mkdir()
    options = dict(root=f"{place}/{num_proc}", display=Counts())
    filler = open(place + "/filler", "wb", buffering=0)
    room = os.statvfs(place)
    filler.write(bytes(room.f_bavail * room.f_bsize - 200_000))
    try:
        Fills(where=str(ran)).run_all(num_proc, **options)
    except OSError as error:
        print(errno.errorcode[error.errno], str(error).count("run again to carry on"))
    first = list(counted)
    before = (ran / "ran").read_text().split()
    filler.truncate(0)
    summary = Fills(where=str(ran)).run_all(num_proc, **options)
    after = (ran / "ran").read_text().split()[len(before):]
    done = [f"{i}" for i, status in first if status == "done"]
    print(len(done) > 0, len(set(done) & set(after)), summary.done + summary.skipped + summary.waiting)
    counted.clear()
"""
    (tmp_path / "disk").mkdir()
    lines = mounted("size=4m", source.replace("sys.argv[2]", repr(str(folder))), tmp_path / "disk")
    assert lines == ["ENOSPC 1", "True 0 20"] * 2
