"""Two real processes that train together carry on at one step after one of them was killed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import TORCH, Life, together

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lives import Ended

PROGRAM = """
    import hashlib, os
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

    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", "file://" + os.path.abspath(os.environ["MEETING"]), rank=rank, world_size=world)
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


def start(folder: Path, name: str, death: tuple[str, int] | None = None) -> list[Ended]:
    """Run both ranks to their end, or to the death of the second one."""
    (folder / "config.yaml").write_text("lr: 0.1\n")
    common = {"WORLD_SIZE": "2", "MEETING": name, "LATTICE_RUN_ID": name, "GLOO_SOCKET_IFNAME": "lo"}
    deaths = None, death
    ranks = [Life(environ=common | {"RANK": str(rank)}, death=deaths[rank]) for rank in range(2)]
    return together(folder, PROGRAM, TORCH, ranks)


@pytest.mark.frameworks
def test_one_of_two_is_killed(tmp_path: Path) -> None:
    """Both go on from one instant, each with its own part, and end with the bits of a run that was left alone."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    for name in ("alone", "killed"):
        (tmp_path / name).mkdir()
    alone = start(tmp_path / "alone", "one")
    assert [each.status for each in alone] == [0, 0], [each.errors for each in alone]
    expected = {each.output.splitlines()[-1] for each in alone}
    assert len(expected) == 1

    killed = start(tmp_path / "killed", "one", ("step 15", signal.SIGKILL))
    assert killed[1].status == -signal.SIGKILL
    assert killed[0].status != 0, "its peer is gone"
    again = start(tmp_path / "killed", "two")
    assert [each.status for each in again] == [0, 0], [each.errors for each in again]
    ended = [each.output.splitlines() for each in again]

    assert ended[0][0] == ended[1][0]
    assert ended[0][0] in {f"loaded {step}" for step in range(13, 16)}
    assert {lines[-1] for lines in ended} == expected
