"""Real training programs, killed in the middle of an epoch: every sample comes once, and the last bits are the same."""

from __future__ import annotations

import functools
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch", reason="these programs train with torch")

from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.frameworks

# Each batch is written down before the step that it is for: a step that was half done shows as a batch that came twice.
TRAIN = """
    import random, sys, time
    import torch
    from torch.utils.data import DataLoader, Dataset
    from lattice_addons import StateManagerGroup

    class Noisy(Dataset):
        def __len__(self):
            return 40
        def __getitem__(self, index):
            return index, torch.rand(4) + random.random()

    if __name__ == "__main__":
        torch.set_num_threads(1)
        torch.manual_seed(int(sys.argv[1]))
        random.seed(int(sys.argv[1]))
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))
        optimizer = torch.optim.Adam(model.parameters())
        loader = DataLoader(Noisy(), batch_size=4, shuffle=True, {loader})
        group = StateManagerGroup()
        group.track(model=model, optimizer=optimizer, loader=loader)
        group.track_randomness()
        for epoch in group.resume(range(3), "epochs"):
            for number, (indices, x) in enumerate(loader):
                print("batch", epoch, *indices.tolist(), flush=True)
                optimizer.zero_grad()
                loss = model(x).pow(2).mean()
                loss.backward()
                if sys.argv[2:] == [f"{{epoch}}:{{number}}"]:
                    print("in the step", flush=True)
                    deadline = time.monotonic() + 2
                    while time.monotonic() < deadline:
                        time.sleep(0.01)
                optimizer.step()
                {after}
        print("end", sum(p.double().sum().item() for p in model.parameters()), torch.rand(()).item(), flush=True)
"""
LOADERS = {
    "alone": "",
    "workers": "num_workers=2, persistent_workers=True, generator=torch.Generator().manual_seed(3)",
}
ENVIRON = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def train(folder: Path, loader: str, after: str = "pass") -> Program:
    """Write the program."""
    folder.mkdir()
    return Program(folder, TRAIN.format(loader=LOADERS[loader], after=after), name="train.py")


def batches(output: str) -> list[str]:
    """Give the batches of a life."""
    return re.findall(r"^batch (.*)$", output, re.MULTILINE)


@functools.cache
def whole(folder: Path, loader: str) -> str:
    """Give what the program prints that nobody stops."""
    run = train(folder / loader, loader).run("1", environ=ENVIRON)
    assert run.returncode == 0, run.stderr
    assert len(set(batches(run.stdout))) == 30
    return run.stdout


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for the programs that nobody stops."""
    return tmp_path_factory.mktemp("whole")


@pytest.mark.parametrize("loader", LOADERS)
def test_a_signal_in_the_middle_of_a_step(loader: str, wholes: Path, tmp_path: Path) -> None:
    """It waits for the end of the step: also where it goes to the workers, too, which die of it at once."""
    wanted = whole(wholes, loader)
    program = train(tmp_path / "parts", loader)
    process = program.start("1", "1:6", environ=ENVIRON, start_new_session=True)
    printed = until(process, "in the step")
    os.killpg(process.pid, signal.SIGTERM)
    first = finish(process)
    assert first.returncode == -signal.SIGTERM, first.stderr

    second = program.run("99", environ=ENVIRON)

    assert second.returncode == 0, second.stderr
    assert batches(printed + first.stdout) + batches(second.stdout) == batches(wanted)
    assert second.stdout.splitlines()[-1] == wanted.splitlines()[-1]


def test_a_kill_after_a_save(wholes: Path, tmp_path: Path) -> None:
    """What came after the save is done again, and nothing of what came before."""
    wanted = whole(wholes, "workers")
    program = train(tmp_path / "parts", "workers", after="if (epoch, number) == (1, 5): group.save()")
    process = program.start("1", environ=ENVIRON)
    printed = until(process, "batch 2")
    process.kill()
    assert finish(process).returncode == -signal.SIGKILL

    second = program.run("99", environ=ENVIRON)

    assert second.returncode == 0, second.stderr
    assert batches(printed) == batches(wanted)[: len(batches(printed))]
    assert batches(second.stdout) == batches(wanted)[16:]
    assert second.stdout.splitlines()[-1] == wanted.splitlines()[-1]


def test_the_example_ends_with_the_same_bits(tmp_path: Path) -> None:
    """``examples/train_torch.py``, killed twice: once with a save, once without."""
    source = (Path(__file__).parents[2] / "examples" / "train_torch.py").read_text(encoding="utf-8")
    for name in ("alone", "killed"):
        (tmp_path / name).mkdir()
    wanted = Program(tmp_path / "alone", source, "train.py").run(environ=ENVIRON).stdout
    killed = Program(tmp_path / "killed", source, "train.py")
    config = "periodic_saving=enabled,periodic_saving_interval=0.05"
    for line, stop in (("batch 1 12", signal.SIGTERM), ("batch 3 4", signal.SIGKILL)):
        process = killed.start(environ=ENVIRON, config=config)
        until(process, line)
        process.send_signal(stop)
        assert finish(process).returncode == -stop

    ended = killed.run(environ=ENVIRON, config=config).stdout

    assert ended.splitlines()[-2:] == wanted.splitlines()[-2:]
    assert not ended.startswith("batch 0"), "it began from the start"


def until(process: subprocess.Popen[str], beginning: str) -> str:
    """Read a program's output to a line that begins so."""
    read = ""
    for line in process.stdout or ():
        read += line
        if line.startswith(beginning):
            return read
    message = f"the program ended without printing {beginning!r}:\n{read}\n{finish(process).stderr}"
    raise AssertionError(message)


def test_a_loop_of_ones_own_has_safe_points(tmp_path: Path) -> None:
    """Between two calls is a step: a signal waits for its end, and who handles it is told to end."""
    program = Program(
        tmp_path,
        """
        import signal, sys, time
        from lattice_addons import StateManagerGroup
        signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
        group = StateManagerGroup()
        group.register("halves")
        halves = group.get("halves") or 0
        print("from", halves, flush=True)
        group.safe_point()
        while True:
            halves += 1
            group.update("halves", halves)
            print("in the step", flush=True)
            time.sleep(0.5 if len(sys.argv) == 1 else 0)
            halves += 1
            group.update("halves", halves)
            if group.safe_point(last=halves >= 20):
                sys.exit(5)
            if halves >= 20:
                break
        print("end", halves, flush=True)
        """,
    )
    process = program.start(config="atexit_saving=disabled")
    wait_for(process, "in the step")
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.returncode == 5, ended.stderr
    assert ended.stdout.splitlines()[-1] == "told"

    again = program.run("quickly", config="atexit_saving=disabled")

    first = int(again.stdout.split()[1])
    assert first > 0
    assert first % 2 == 0
    assert again.stdout.splitlines()[-1] == "end 20"
