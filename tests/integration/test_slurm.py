"""``lattice run`` under a real SLURM: at its warning a program saves, the job is requeued, and goes on where it was."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from .slurm import Cluster, wait_until, why_not

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

STEPS = 40
RUN = f"exec {sys.executable} -m lattice_addons.cli run --"
# In its first start it waits for the warning in the middle, wherever the machine is slow.
PROGRAM = f"""
import os, time
from lattice_addons import StateManagerGroup

rank = os.environ.get("SLURM_PROCID", "0")
group = StateManagerGroup()
group.register("done")
done = group.get("done") or []
for step in group.resume(range({STEPS}), "steps"):
    if step == 20 and not os.environ.get("SLURM_RESTART_COUNT"):
        print("half", rank, flush=True)
        while True:
            group.safe_point()
            time.sleep(0.01)
    done.append(step)
    group.update("done", done)
# In one piece: ranks that print to one file at a time must not do so within each other's lines.
os.write(1, f"result {{rank}} {{len(done)}} {{done[-1]}}\\n".encode())
"""


def output(folder: Path) -> str:
    """Give what the job has printed in all of its starts."""
    path = folder / "out.txt"
    return path.read_text() if path.exists() else ""


def start_again(slurm: Cluster, job: str) -> bool:
    """Have a job that was put back start, which else would wait two minutes; say whether it does."""
    told = slurm("scontrol", "show", "job", job)
    if "JobState=PENDING" not in told:
        return "Restarts=1" in told and "JobState=COMPLETING" not in told
    # Within two seconds SLURM would take it for the start that it has just revoked; and each update puts it off anew.
    time.sleep(2.5)
    if "Reason=BeginTime" in told:
        slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    return False


@pytest.mark.parametrize("tasks", [1, 2], ids=["one process", "ranks of srun"])
def test_the_warning(slurm: Cluster, tasks: int, tmp_path: Path) -> None:
    """SLURM's signal to the batch script is the end of this start and of no work."""
    (tmp_path / "program.py").write_text(PROGRAM)
    launcher = f"srun --overlap -n{tasks} " if tasks > 1 else ""
    script = f'export LATTICE_CHECKPOINT_CONFIG="root={tmp_path}/store"\n{RUN} {launcher}{sys.executable} program.py\n'
    job = slurm.submit(tmp_path, script, f"--ntasks={tasks}")
    wait_until(lambda: output(tmp_path).count("half") == tasks, lambda: output(tmp_path))
    slurm("scancel", "--batch", "--signal=USR1", job)
    wait_until(
        lambda: "Restarts=1" in slurm("scontrol", "show", "job", job) or "NOT put back" in output(tmp_path),
        lambda: output(tmp_path),
    )
    wait_until(lambda: start_again(slurm, job), lambda: output(tmp_path))
    wait_until(lambda: output(tmp_path).count("result") == tasks, lambda: output(tmp_path))

    told = output(tmp_path)
    assert told.count("half") == tasks, told
    assert f"job {job} is put back into the queue" in told
    assert "nothing is lost" in told
    for rank in range(tasks):
        assert f"result {rank} {STEPS} {STEPS - 1}" in told


def test_who_cancels_it_does_not_want_it_back(slurm: Cluster, tmp_path: Path) -> None:
    """It saves all the same."""
    (tmp_path / "program.py").write_text(PROGRAM)
    job = slurm.submit(tmp_path, f"{RUN} {sys.executable} program.py\n")
    wait_until(lambda: "half" in output(tmp_path), lambda: output(tmp_path))
    slurm("scancel", "--batch", "--signal=TERM", job)
    wait_until(
        lambda: "JobState=RUNNING" not in slurm("scontrol", "show", "job", job), lambda: output(tmp_path)
    )
    assert "nothing is lost" in output(tmp_path)
    assert "Restarts=0" in slurm("scontrol", "show", "job", job)


def test_a_task_of_an_array_is_put_back_alone(slurm: Cluster, tmp_path: Path) -> None:
    """One of them has the number of the whole array; its warning is not the end of the others."""
    (tmp_path / "program.py").write_text(PROGRAM)
    array = slurm.submit(tmp_path, f"{RUN} {sys.executable} program.py\n", "--array=0-1")
    wait_until(lambda: output(tmp_path).count("half") == 2, lambda: output(tmp_path))
    tasks = (f"{array}_0", f"{array}_1")
    states = {task: slurm("scontrol", "show", "job", task) for task in tasks}
    (warned,) = (task for task, told in states.items() if told.startswith(f"JobId={array} "))
    (other,) = {*tasks} - {warned}
    slurm("scancel", "--batch", "--signal=USR1", warned)
    wait_until(lambda: f"job {warned} is put back" in output(tmp_path), lambda: output(tmp_path))
    told = slurm("scontrol", "show", "job", other)
    slurm("scancel", array)
    assert "JobState=RUNNING" in told
    assert "Restarts=0" in told
