"""What the README's table says of other libraries is what they do: killed within a save, or saving a change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

# A limit for the size of files kills a process in the middle of its write, always at the same byte.
KILLED = """
import os, resource, signal

def killed_in(save):
    "Save in a child that is killed when a file has become as large as it may."
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
        try:
            save()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGXFSZ, save

def found(load):
    "Tell what there is afterwards."
    try:
        value = load()
    except BaseException as error:  # that of torch's is no Exception
        return type(error).__name__
    return "old" if value == OLD else "new" if value == NEW else "neither"

def written(save):
    "Count the bytes that this process writes."
    def count():
        with open("/proc/self/io") as file:
            return int(dict(line.split(": ") for line in file)["wchar"])
    before = count()
    save()
    return count() - before
"""
PLAIN = (
    KILLED
    + """
import dbm.dumb, json, random, shelve
import dill
from lattice_addons import Settings, StateManagerGroup

LIMIT = 500_000
OLD, NEW = random.Random(1).randbytes(1_000_000), random.Random(2).randbytes(1_000_000)
shelf = lambda name: shelve.Shelf(dbm.dumb.open(name, "c"))

def store(job, value):
    group = StateManagerGroup(Settings(root="store", job_id=job))
    group.register("value")
    group.update("value", value)
    group.save()
    group.close()

def stored(job):
    group = StateManagerGroup(Settings(root="store", job_id=job))
    group.register("value")
    value = group.get("value")
    group.close()
    return value

def shelved(name, value):
    with shelf(name) as there:
        there["value"] = value

def dumped(value):
    kept.value = value
    dill.dump_module("session", kept)

def undumped():
    return dill.load_module_asdict("session")["value"]

open("kept.py", "w").close()
import kept
outcome = {}
store("killed", OLD)
killed_in(lambda: store("killed", NEW))
outcome["lattice"] = found(lambda: stored("killed"))
shelved("killed", OLD)
killed_in(lambda: shelved("killed", NEW))
outcome["shelve"] = found(lambda: shelf("killed")["value"])
dumped(OLD)
assert found(undumped) == "old"
killed_in(lambda: dumped(NEW))
outcome["dill"] = found(undumped)

# One of a hundred parts changes.
parts = [random.Random(at).randbytes(40_000) for at in range(100)]
group = StateManagerGroup(Settings(root="store", job_id="changed"))
group.register("parts")
group.update("parts", parts)
group.save()
shelved("changed", parts)
parts[50] = random.Random(-1).randbytes(40_000)
outcome["share"] = {
    "lattice": written(group.save) / 4_000_000,
    "shelve": written(lambda: shelved("changed", parts)) / 4_000_000,
    "dill": written(lambda: dumped(parts)) / 4_000_000,
}
group.close()
print(json.dumps(outcome))
"""
)
TORCH = (
    KILLED
    + """
import json, logging, warnings
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
import torch
import torch.distributed.checkpoint as dcp
torch.set_num_threads(1)

LIMIT = 500_000
OLD, NEW = 1.0, 2.0

def state(value):
    return {"value": torch.full((400_000,), value)}

def one(loaded):
    return loaded["value"].unique().item()

def loaded(path):
    into = state(0.0)
    dcp.load(into, checkpoint_id=path, no_dist=True)
    return one(into)

outcome = {}
torch.save(state(OLD), "file")
killed_in(lambda: torch.save(state(NEW), "file"))
outcome["torch.save"] = found(lambda: one(torch.load("file")))
dcp.save(state(OLD), checkpoint_id="folder-1", no_dist=True)
killed_in(lambda: dcp.save(state(NEW), checkpoint_id="folder-2", no_dist=True))
outcome["dcp"] = found(lambda: loaded("folder-1"))
outcome["dcp, the other folder"] = found(lambda: loaded("folder-2"))
print(json.dumps(outcome))
"""
)


def outcome(folder: Path, source: str) -> Any:
    """Run a program that tells what came of its saves."""
    done = Program(folder, source).run(environ=clean_environ(OMP_NUM_THREADS="1"), timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_kept_beside_shelve_and_dill(tmp_path: Path) -> None:
    """Only ours leaves the old value when it is killed, and writes what has changed instead of everything."""
    told = outcome(tmp_path, PLAIN)
    share = told.pop("share")
    assert told.pop("dill") not in ("old", "new")
    assert told == {"lattice": "old", "shelve": "neither"}
    assert share["lattice"] < 0.05
    assert share["shelve"] > 1
    assert share["dill"] > 1


@pytest.mark.frameworks
def test_kept_beside_torch(tmp_path: Path) -> None:
    """What they leave when they are killed: a broken file, and a folder that cannot be loaded."""
    pytest.importorskip("torch", reason="not installed: torch")
    told = outcome(tmp_path, TORCH)
    assert told.pop("torch.save") not in ("old", "new")
    assert told == {"dcp": "old", "dcp, the other folder": "CheckpointException"}
