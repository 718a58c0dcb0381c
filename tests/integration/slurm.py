"""A SLURM of one node on this machine, with real daemons, which is started for the first test that asks for `slurm`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.integration.ports import free_port
from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_DAEMONS = ("munged", "slurmctld", "slurmd")
_PATIENCE = 120.0
_CONFIG = """\
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/node.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=65536 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Say why there can be no SLURM here, or give None."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    missing = [name for name in (*_DAEMONS, "sbatch", "srun") if shutil.which(name, path=path) is None]
    if missing:
        return f"SLURM is not installed: no {', '.join(missing)}"
    return None if os.geteuid() == 0 else "the daemons of SLURM run as root"


class Cluster:
    """The cluster, and what its commands say."""

    def __init__(self, config: Path) -> None:
        self.environ = clean_environ(SLURM_CONF=str(config))

    def __call__(self, *command: str, cwd: Path | None = None) -> str:
        """Run one of SLURM's commands; give what it prints."""
        done = subprocess.run(
            command, cwd=cwd, env=self.environ, capture_output=True, text=True, timeout=150, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, folder: Path, script: str, *options: str) -> str:
        """Submit a batch script, whose output goes to ``out.txt``; give the job's number."""
        path = folder / "batch.sh"
        path.write_text("#!/bin/bash\n" + script)
        common = ("--parsable", "--requeue", "--open-mode=append", "--output=out.txt")
        return self("sbatch", *common, *options, str(path), cwd=folder)


def wait_until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait for something; fail, with what is there instead, if it does not come."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run the daemons in a folder."""
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    config = folder / "slurm.conf"
    # It says that it has more than this machine, which nothing looks at: a device, and memory.
    (folder / "gres.conf").write_text("AutoDetect=off\nName=gpu File=/dev/null\n")
    controller, node = free_port(), free_port()
    config.write_text(_CONFIG.format(folder=folder, controller=controller, node=node))
    munge = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket"]
    munge += [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")]
    running: list[subprocess.Popen[bytes]] = []
    made = Cluster(config)
    environ = made.environ | {"PATH": made.environ.get("PATH", "") + os.pathsep + "/usr/sbin"}
    try:
        for command in (munge, ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", "localhost"]):
            with open(folder / f"{command[0]}.txt", "wb") as log:
                running.append(
                    subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True)
                )
            if command is munge:
                wait_until((folder / "munge.socket").exists, (folder / "munged.txt").read_text)
        wait_until(lambda: _is_idle(made), lambda: _logs(folder))
        yield made
    finally:
        for process in reversed(running):
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give the cluster that tests share."""
    lacking = why_not()
    if lacking is not None:
        pytest.skip(lacking)
    with cluster(tmp_path_factory.mktemp("slurm")) as made:
        yield made


def _is_idle(made: Cluster) -> bool:
    command = ["sinfo", "--noheader", "--format=%t"]
    done = subprocess.run(command, env=made.environ, capture_output=True, text=True, timeout=150, check=False)
    return done.stdout.strip() == "idle"


def _logs(folder: Path) -> str:
    return "\n".join((folder / f"{name}.txt").read_text() for name in _DAEMONS)
