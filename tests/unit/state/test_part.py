"""One part of a stored state: read by itself, and nothing else with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch", reason="states with tensors are what this is about")

import torch

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import DamagedError, UnknownSlotError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.frameworks


def start(folder: Path) -> StateManagerGroup:
    """Open the job."""
    return StateManagerGroup(Settings(root=str(folder), job_id="job", signals=(), atexit_saving=False))


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, Any]:
    """Store a state of large and small tensors, and things within things."""
    both = [torch.full((3,), 4.0)]
    state: dict[str, Any] = {
        "large": torch.arange(100_000.0),
        "other": torch.arange(100_000.0) * 3,
        "small": torch.ones(3, dtype=torch.bfloat16),
        "sparse": torch.eye(3).to_sparse(),
        "tensor": {7: (torch.zeros(2), [torch.full((40_000,), 2.0), "text"])},
        "number": 5,
        "first": torch.empty(2, device="meta"),
        "second": torch.empty(3, device="meta"),
        "both": both,
        "again": {"x": both},
    }
    group = start(tmp_path)
    group.register("model")
    group.update("model", state)
    group.save()
    group.close()
    return state


PATHS: list[tuple[object, ...]] = [
    ("large",),
    ("other",),
    ("small",),
    ("sparse",),
    ("number",),
    ("first",),
    ("second",),
    ("both", 0),
    ("again", "x", 0),
    ("tensor", 7, 0),
    ("tensor", 7, 1, 0),
    ("tensor", 7, 1, 1),
]


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_part_is_what_it_is_in_the_whole(
    stored: dict[str, Any], tmp_path: Path, path: tuple[object, ...]
) -> None:
    """The same bits, from the store and from the value that was asked for."""
    wanted: Any = stored
    for key in path:
        wanted = wanted[key]
    group = start(tmp_path)
    group.register("model")
    for _ in range(2):
        found = group.get_part("model", *path)
        if isinstance(wanted, torch.Tensor):
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
            assert wanted.is_meta or torch.equal(found.to_dense(), wanted.to_dense())
        else:
            assert found == wanted
        group.get("model")
    group.close()


def test_no_more_is_read_than_the_part(stored: dict[str, Any], tmp_path: Path) -> None:
    """Damage elsewhere in the slot is no concern of the part; damage in it is told."""
    [pack] = tmp_path.rglob("*.pack")
    data = bytearray(pack.read_bytes())
    at = data.find(stored["other"].numpy().tobytes()[4000:8000])
    data[at] ^= 1
    pack.write_bytes(data)
    group = start(tmp_path)
    group.register("model")
    assert torch.equal(group.get_part("model", "large"), stored["large"])
    with pytest.raises(DamagedError):
        group.get_part("model", "other")
    group.close()


@pytest.mark.parametrize("path", [("nowhere",), ("large", "x"), ("tensor", 8), ("tensor", 7, 2)], ids=str)
@pytest.mark.usefixtures("stored")
def test_a_part_that_is_not_there_is_told(tmp_path: Path, path: tuple[object, ...]) -> None:
    """The error names the slot and the part."""
    group = start(tmp_path)
    group.register("model")
    with pytest.raises(UnknownSlotError, match="'model' has no"):
        group.get_part("model", *path)
    with pytest.raises(UnknownSlotError):
        group.get_part("nothing", "large")
    group.register("empty")
    with pytest.raises(UnknownSlotError, match="'empty' has no value"):
        group.get_part("empty", "large")
    group.close()


def test_the_slot_is_still_what_was_stored(stored: dict[str, Any], tmp_path: Path) -> None:
    """To look at a part takes nothing from the next checkpoint."""
    for _ in range(2):
        group = start(tmp_path)
        group.register("model")
        group.get_part("model", "number")
        group.save()
        group.close()
    group = start(tmp_path)
    group.register("model")
    assert torch.equal(group.get("model")["large"], stored["large"])
    group.close()
