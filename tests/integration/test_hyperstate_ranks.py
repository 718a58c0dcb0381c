"""Two real processes that train together carry on at one step after one of them was killed."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

PROGRAM = """
    import datetime, hashlib
    from dataclasses import dataclass
    from typing import Any

    import torch
    import torch.distributed as dist
    from lattice_addons.hyperstate import Blob, HyperState, lazy

    torch.set_num_threads(1)

    @dataclass
    class Config:
        lr: float = 0.1
        steps: int = 40

    @dataclass
    class State:
        step: int
        data: Blob[Any]
        policy: Any = lazy(lambda config, state: torch.nn.Linear(3, 1))
        optimizer: Any = lazy(lambda config, state: torch.optim.Adam(state.policy.parameters(), lr=config.lr))

    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))
    torch.manual_seed(0)
    run = HyperState.load(
        Config, State, lambda config: State(0, Blob(torch.Generator().manual_seed(dist.get_rank()).get_state())),
        "config.yaml", "checkpoints", "step")
    state, policy, optimizer = run.state, run.state.policy, run.state.optimizer
    data = torch.Generator()
    data.set_state(state.data.get())
    print("loaded", state.step, flush=True)
    while state.step < run.config.steps:
        x = torch.randn(8, 3, generator=data)
        optimizer.zero_grad()
        policy(x).square().mean().backward()
        for each in policy.parameters():
            dist.all_reduce(each.grad)
        optimizer.step()
        state.step += 1
        state.data.set(data.get_state())
        run.step()
        print("step", state.step, flush=True)
    print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in policy.parameters())).hexdigest())
"""


def start(folder: Path, name: str) -> list[subprocess.Popen[str]]:
    """Start both ranks."""
    (folder / "config.yaml").write_text("lr: 0.1\n")
    program = Program(folder, PROGRAM, "train.py")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LATTICE_RUN_ID": name}
    return [
        program.start(environ=common | {"RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo"}) for rank in range(2)
    ]


@pytest.mark.frameworks
def test_one_of_two_is_killed(tmp_path: Path) -> None:
    """Both go on from one instant, each with its own part, and end with the bits of a run that was left alone."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    for name in ("alone", "killed"):
        (tmp_path / name).mkdir()
    alone = [finish(each, timeout=200) for each in start(tmp_path / "alone", "one")]
    expected = {each.stdout.splitlines()[-1] for each in alone}
    assert len(expected) == 1, [each.stderr for each in alone]

    first = start(tmp_path / "killed", "one")
    wait_for(first[1], "step 15")
    first[1].send_signal(signal.SIGKILL)
    assert finish(first[1], timeout=200).returncode == -signal.SIGKILL
    first[0].kill()  # it waits for a peer that is gone
    finish(first[0])
    ended = [finish(each, timeout=200).stdout.splitlines() for each in start(tmp_path / "killed", "two")]

    assert ended[0][0] == ended[1][0]
    assert ended[0][0] in {f"loaded {step}" for step in range(13, 40)}
    assert {lines[-1] for lines in ended} == expected
