"""What a program has on its GPUs is saved and carried on; here they are imitated, and as unkind as they may be."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.gpus import gpus
from tests.integration.lives import TORCH, Ended, Life, lives

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch", reason="torch is not installed")

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]

HEAD = """
import hashlib, json, os, signal
import torch
from lattice_addons import Settings, StateManagerGroup
from tests.integration.gpus import counted

def told(**what):
    print("#", json.dumps(what))

def bits(*modules):
    tensors = [tensor.cpu() for module in modules for tensor in module.state_dict().values()]
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()
"""


def run(folder: Path, source: str, *wanted: Life, **environ: str) -> list[Ended]:
    """Run a program for each life, on the imitated GPUs."""
    frameworks = (*TORCH, "tests.integration.gpu_kernels")
    return lives(folder, HEAD + source, frameworks, wanted, **gpus(), **environ)


TENSORS = """
from lattice_addons.encoding import encode, tensors_on
from lattice_addons.testing._encoders import restored

host = torch.arange(100_000.0).pin_memory()
first = host.to("cuda:0", non_blocking=True)
with torch.cuda.stream(torch.cuda.Stream("cuda:1")):
    second = (host * 2).pin_memory().to("cuda:1", non_blocking=True)  # by a stream that nobody has waited for
indices = torch.tensor([[0, 2]]).cuda()
state = {
    "first": first, "part": first[5:], "turned": first.view(100, 1000).t(), "second": torch.nn.Parameter(second),
    "half": first.half(), "bfloat16": first.bfloat16(), "bool": first > 3, "complex": torch.complex(first, first),
    "small": torch.arange(3, device="cuda:1"), "empty": torch.empty(0, device="cuda"), "host": torch.ones(2),
    "sparse": torch.sparse_coo_tensor(indices, first[:2], (3,), check_invariants=False),
}
os.environ.update(json.loads(os.environ["LIMIT"]))
before = counted()
encoded = encode(state)
after = counted()

def decoded(device=None):
    with tensors_on(device):
        return restored(encoded, trust="safe")

def same(one, other):
    if one.is_sparse:
        parts = (one._indices(), other._indices()), (one._values(), other._values())
        return all(same(*pair) for pair in parts)
    kind = one.dtype, one.shape, one.stride()
    return kind == (other.dtype, other.shape, other.stride()) and torch.equal(one.cpu(), other.cpu())

back = decoded()
places = {one: back[one].untyped_storage().data_ptr() for one in ("first", "part", "turned")}
told(
    copied={name: after[name] - before[name] for name in ("to_pinned", "to_pageable")},
    differ=[name for name in state if not same(state[name], back[name])],
    moved=[name for name in state if state[name].device != back[name].device],
    apart=len(set(places.values())) - 1,
    kind=type(back["second"]).__name__,
    asked={
        device: sorted({str(one.device) for one in decoded(device).values()}) for device in ("cpu", "cuda:1", "cuda:7")
    },
)
"""


@pytest.mark.parametrize("pinned", [None, "1600000", "0"], ids=["all", "some", "none"])
def test_tensors_come_from_gpus_and_go_back(tmp_path: Path, pinned: str | None) -> None:
    """Each as it is once all that was asked of the devices is done; by pinned memory, where that can be had."""
    limit = {} if pinned is None else {"GPUS_PINNED": pinned}
    told = run(tmp_path, TENSORS, Life(environ={"LIMIT": json.dumps(limit)}))[0].result
    copied = told.pop("copied")
    assert told == {
        "differ": [],
        "moved": [],
        "apart": 0,
        "kind": "Parameter",
        "asked": {"cpu": ["cpu"], "cuda:1": ["cuda:1"], "cuda:7": ["cpu"]},
    }
    # Storages that tensors share are copied once.
    whole = 100_000 * (4 + 4 + 2 + 2 + 1 + 8) + 3 * 8 + 2 * 8
    assert sum(copied.values()) == whole
    assert (copied["to_pageable"] > 0) == (pinned is not None)


AT_ONCE = """
model = torch.nn.Linear(300, 300).cuda()
group = StateManagerGroup()
group.track(model=model)
expected = []
for value in range(5):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.full_like(parameter, value, device="cpu").pin_memory(), non_blocking=True)
    saved = group.async_save()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.full_like(parameter, -1, device="cpu").pin_memory(), non_blocking=True)
    saved.result()
    expected.append(counted()["pinned"])
told(pinned=expected)
os._exit(0)
"""

READ = """
model = torch.nn.Linear(300, 300).cuda()
StateManagerGroup().track(model=model)
told(values=[sorted(set(one.flatten().tolist())) for one in model.parameters()], device=str(model.weight.device))
os._exit(0)
"""


def test_what_follows_a_save_does_not_change_it(tmp_path: Path) -> None:
    """An asynchronous save returns when the values may be changed; the next takes the pinned memory of the last."""
    pinned = run(tmp_path, AT_ONCE, Life())[0].result["pinned"]
    assert run(tmp_path, READ, Life())[0].result == {"values": [[4.0], [4.0]], "device": "cuda:0"}
    assert pinned[2:] == pinned[2:3] * 3


LOOP = """
torch.manual_seed(0)
data = torch.utils.data.TensorDataset(torch.randn(64, 4), torch.randn(64, 1))
loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True, pin_memory=True)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 1)).to("cuda")
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cuda")
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
"""

TRACKED = """
group = StateManagerGroup()
group.track(model=model, optimizer=optimizer, scaler=scaler, scheduler=scheduler, loader=loader)
group.track_randomness()
epochs = group.resume(range(3), "epochs")
"""

UNTRACKED = """
epochs = range(3)
"""

STEPS = """
steps = 0
for epoch in epochs:
    for x, y in loader:
        steps += 1
        if steps == int(os.environ.get("KILL_AT", 0)):
            os.kill(os.getpid(), signal.SIGTERM)
        loss = torch.nn.functional.mse_loss(model(x.cuda(non_blocking=True)), y.cuda(non_blocking=True))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
told(bits=bits(model), loss=loss.item(), drawn=torch.rand(2, device="cuda:1").tolist())
"""


@pytest.mark.parametrize("how", ["tracked", "patched"])
def test_training_on_a_gpu_ends_with_the_same_bits(tmp_path: Path, how: str) -> None:
    """Weights, moments, scale and the devices' generators go on where a signal ended the program, twice."""
    source = LOOP + (TRACKED if how == "tracked" else UNTRACKED) + STEPS
    patched = {} if how == "tracked" else {"LATTICE_AUTOPATCH": "torch"}
    whole, *broken = run(
        tmp_path,
        source,
        Life(store="whole", environ=patched),
        *(Life(environ=patched | {"KILL_AT": at}) for at in ("3", "9", "0")),
    )
    assert [each.status for each in broken[:-1]] == [-signal.SIGTERM] * 2, broken
    assert broken[-1].result == whole.result


GENERATORS = """
group = StateManagerGroup()
torch.manual_seed(1)
group.track_randomness()
numbers = range(torch.cuda.device_count())
told(drawn=[[torch.rand(3, device=f"cuda:{number}").tolist() for _ in range(number + 1)] for number in numbers])
"""


def test_each_gpu_draws_on_where_it_was(tmp_path: Path) -> None:
    """Also where there are fewer of them than before."""
    lived = run(tmp_path, GENERATORS, *(Life(store="all") for _ in range(3)))
    drawn = [each.result["drawn"] for each in lived]
    # Torch gives each device the same seed, and the second is asked twice as often.
    first, second = ([numbers for life in drawn for numbers in life[device]] for device in range(2))
    assert (len(first), len(second)) == (3, 6)
    assert first == second[:3]
    assert len(set(map(str, second))) == 6
    fewer = run(tmp_path, GENERATORS, Life(store="fewer"), Life(store="fewer", environ={"GPUS": "1"}))
    assert [each.result["drawn"] for each in fewer] == [drawn[0], drawn[1][:1]]


ELSEWHERE = """
state = torch.nn.Linear(3, 3)
device = "cuda" if torch.cuda.is_available() else "cpu"
group = StateManagerGroup()
group.register("tensor")
group.track(model=state.to(device))
group.track_randomness()
before = group.get("tensor")
if before is None:
    group.update("tensor", torch.arange(5.0).to(device) + torch.arange(5.0).to(device))
told(bits=bits(state), tensor=before is not None and [before.tolist(), before.device.type])
"""


def test_what_was_on_a_gpu_comes_to_the_host_where_there_is_none(tmp_path: Path) -> None:
    """A job may go on on a machine without; a module is put where its program wants it, also back on a device."""
    environs: Any = [{}, {"GPUS": "0"}, {}]
    first, *later = [
        each.result for each in run(tmp_path, ELSEWHERE, *(Life(environ=each) for each in environs))
    ]
    values = [0.0, 2.0, 4.0, 6.0, 8.0]
    assert [each["tensor"] for each in later] == [[values, "cpu"]] * 2
    assert {each["bits"] for each in later} == {first["bits"]}


STATE = """
from lattice_addons.training import Metadata, State

def parts(device):
    model = torch.nn.Linear(300, 3).to(device)
    return {"model": model, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)}

state = State(**parts("cuda"), vocabulary=torch.arange(3, device="cuda"))
state.model(torch.ones(2, 300).cuda()).sum().backward()
state.optimizer.step()
state.save_snapshots("state")
found, weights = {}, bits(state.model)
for asked, place in (("cpu", "cuda:1"), ("cuda:1", "cpu"), ("cuda:7", "cuda:0"), ("cuda:0", "cuda:0")):
    back = State.load_snapshots("state", asked, **parts(place))
    momentum = next(iter(back.optimizer.state.values()))["momentum_buffer"]
    places = [str(one.device) for one in (back.model.weight, momentum, back.vocabulary)]
    found[asked] = [*places, bits(back.model) == weights]
metadata = Metadata()
metadata.measure()
told(found=found, equal=back == state, usage=metadata.gpu_usage)
"""


def test_a_training_state_is_loaded_onto_the_gpu_asked_for(tmp_path: Path) -> None:
    """Its objects stay where they are; the metadata tells how much each device had to hold."""
    told = run(tmp_path, STATE, Life())[0].result
    assert told["found"] == {
        "cpu": ["cuda:1", "cuda:1", "cpu", True],
        "cuda:1": ["cpu", "cpu", "cuda:1", True],
        "cuda:7": ["cuda:0", "cuda:0", "cpu", True],
        "cuda:0": ["cuda:0", "cuda:0", "cuda:0", True],
    }
    assert told["equal"]
    assert len(told["usage"].split(", ")) == 2
