"""Real ranks of torch that train together: what is stored once, what in pieces, and what outlasts a rank."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from lattice_addons import Settings
from lattice_addons.checkpoint import Line
from lattice_addons.storage import open_store
from tests.integration.lives import TORCH, Life, together
from tests.program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

REPLICATED = """
    import hashlib, os, signal, sys

    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel
    from torch.utils.data import DataLoader, DistributedSampler

    from lattice_addons import StateManagerGroup

    torch.set_num_threads(1)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", os.environ.get("MEETING", "env://"), rank=rank, world_size=world)
    killed_at, stop_at = (int(text) for text in sys.argv[1:])

    class Deadly:
        def __init__(self, step):
            self.step = step

        def __getstate__(self):
            if rank == 1 and self.step == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"step": self.step}

    torch.manual_seed(rank)
    model = DistributedDataParallel(torch.nn.Sequential(
        torch.nn.Linear(4, 256), torch.nn.Dropout(0.2), torch.nn.Linear(256, 1)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    data = torch.arange(24.0).reshape(24, 1).expand(24, 4).contiguous()
    sampler = DistributedSampler(data, shuffle=True, seed=3)
    loader = DataLoader(data, batch_size=2, sampler=sampler)

    group = StateManagerGroup()
    group.track(model=model, optimizer=optimizer, ranks="replicated")
    group.track(loader=loader)
    group.register("mine", ranks="per-rank")
    group.register("step", ranks="replicated")
    group.track_randomness()
    step = group.get("step") or 0
    print("from", step, flush=True)
    while step < stop_at:
        sampler.set_epoch(step // 100)
        for batch in loader:
            optimizer.zero_grad()
            (model(batch / 24) ** 2).mean().backward()
            optimizer.step()
            step += 1
            group.update("step", step)
            group.update("mine", Deadly(step))
            group.save(step=step)
            print("seen", step, *batch[:, 0].int().tolist(), flush=True)
            if step == stop_at:
                break
    bits = b"".join(p.detach().numpy().tobytes() for p in [*model.parameters(), torch.rand(3)])
    print("bits", hashlib.sha256(bits).hexdigest(), flush=True)
    os._exit(0)  # without a last save, and without waiting for the others
"""

SHARDED = """
    import hashlib, os, sys

    import torch
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor, Shard

    from lattice_addons import StateManagerGroup

    torch.set_num_threads(1)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", os.environ.get("MEETING", "env://"), rank=rank, world_size=world)
    stop_at, columns = int(sys.argv[1]), "columns" in sys.argv
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 4))
    if world > 1:
        other = (lambda parameter: Shard(parameter.ndim - 1)) if columns else None
        fully_shard(model, mesh=init_device_mesh("cpu", (world,)), shard_placement_fn=other)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    group = StateManagerGroup()
    group.track(model=model, optimizer=optimizer, ranks="sharded")
    group.register("step", ranks="replicated")
    step = group.get("step") or 0

    def show(what):
        digest = hashlib.sha256()
        state = optimizer.state_dict()
        values = [*model.state_dict().values(), *(v for each in state["state"].values() for v in each.values())]
        for value in values:
            whole = value.full_tensor() if isinstance(value, DTensor) else value
            digest.update(whole.detach().contiguous().numpy().tobytes())
        print(what, step, len(values), digest.hexdigest(), flush=True)

    show("found")
    while step < stop_at:
        optimizer.zero_grad()
        batch = torch.randn(8, 6, generator=torch.Generator().manual_seed(step))
        model(batch).square().mean().backward()
        optimizer.step()
        step += 1
        group.update("step", step)
        group.save(step=step)
    show("left")
    dist.destroy_process_group()
"""


def torchrun(program: Program, world: int, *args: object) -> tuple[int, list[list[str]]]:
    """Run the program's ranks by torch's own launcher; give its status, and the lines of each rank."""
    # With a port that it finds itself, and keeps; what it shows itself of the ranks' files can have torn lines.
    where = ("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1")
    told = ("--nproc-per-node", str(world), "--redirects", "3", "--log-dir", "logs")
    environ = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "LATTICE_JOB_ID": "program"}
    launcher = ("-m", "torch.distributed.run", *where, *told)
    ended = program.run(*map(str, args), timeout=240, environ=environ, python=launcher)
    files = sorted(program.folder.glob("logs/*/attempt_0/*/stdout.log"))
    return ended.returncode, [file.read_text(encoding="utf-8").splitlines() for file in files]


def by_hand(program: Program, world: int, *args: object) -> list[list[str]]:
    """Run the program's ranks without a launcher; give the lines of each."""
    name = uuid4().hex
    environ = {
        "GLOO_SOCKET_IFNAME": "lo",
        "MEETING": f"file://{program.folder}/meeting-{name}",
        "LATTICE_RUN_ID": name,
        "WORLD_SIZE": str(world),
    }
    given = [str(each) for each in args]
    ranks = [Life(given, program.root.name, environ | {"RANK": str(rank)}) for rank in range(world)]
    ended = together(program.folder, program.path.read_text(encoding="utf-8"), TORCH, ranks)
    assert [each.status for each in ended] == [0] * world, [each.errors for each in ended]
    return [each.output.splitlines() for each in ended]


def seen(ranks: Sequence[Sequence[str]], steps: Sequence[int]) -> list[int]:
    """Give the samples that all ranks saw in these steps."""
    told = [line.split()[1:] for lines in ranks for line in lines if line.startswith("seen")]
    return [int(each) for step, *samples in told if int(step) in steps for each in samples]


def packed(program: Program, rank: int) -> int:
    """Count the bytes in a rank's packs."""
    return sum(pack.stat().st_size for pack in (program.job / f"rank-{rank:05d}/packs").glob("*.pack"))


def test_rank_killed_while_it_saves(tmp_path: Path) -> None:
    """The old checkpoint is in force; as many ranks end with the bits of an undisturbed run, others lose no sample."""
    folders = [tmp_path / name for name in ("whole", "killed")]
    for folder in folders:
        folder.mkdir()
    whole, killed = (Program(folder, REPLICATED) for folder in folders)
    expected = by_hand(whole, 2, 0, 8)
    assert sorted(seen(expected, range(1, 7))) == list(range(24))

    status, lines = torchrun(killed, 2, 4, 8)
    assert status != 0
    assert [each[0] for each in lines] == ["from 0"] * 2
    more = tmp_path / "more"
    more.mkdir()
    shutil.copytree(killed.root, Program(more, REPLICATED).root)
    rest = by_hand(Program(more, REPLICATED), 3, 0, 5)
    assert [each[0] for each in rest] == ["from 3"] * 3
    assert sorted(seen(lines, range(1, 4)) + seen(rest, range(4, 6))) == list(range(24))
    again = by_hand(killed, 2, 0, 8)
    assert [each[0] for each in again] == ["from 3"] * 2
    assert [each[-1] for each in again] == [each[-1] for each in expected]
    assert sorted(seen(lines, range(1, 4)) + seen(again, range(4, 7))) == list(range(24))
    # The model's 1,537 numbers, and two more of the optimizer for each, stand on the first rank only.
    assert packed(killed, 0) > 3 * 4 * 1000
    assert packed(killed, 1) < 4 * 1000


def test_sharded_state(tmp_path: Path) -> None:
    """Each rank of FSDP stores its pieces, and more ranks, which split other dimensions, go on from the same state."""
    program = Program(tmp_path, SHARDED)
    left = by_hand(program, 2, 3)[0][-1].replace("left", "found")
    assert left.split()[:3] == ["found", "3", "16"]
    assert packed(program, 1) > 0
    more = by_hand(program, 3, 4, "columns")
    assert [lines[0] for lines in more] == [left] * 3
    assert {lines[-1].split()[1] for lines in more} == {"4"}
    settings = Settings(root=str(program.root), job_id="program")
    for rank in range(3):
        line = Line(open_store(settings), "program", rank, settings=settings)
        assert all(finding.good for finding in line.verify())
