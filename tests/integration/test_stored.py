"""What every released version has stored is read by this one, and by those that come after it."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main
from tests import stored
from tests.stored.writing import KEY, SECRET, many, some, typed, values

VERSIONS = sorted(path for path in Path(stored.__file__).parent.iterdir() if path.name[0].isdigit())
pytestmark = pytest.mark.every_python


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Give a copy of what a version has stored."""
    return Path(shutil.copytree(request.param, tmp_path / "store"))


@pytest.mark.parametrize(
    ("job", "held", "more"),
    [
        ("values", values(), {}),
        ("many", many(), {}),
        ("signed", some(), {"key": KEY}),
        ("encrypted", some(), {"encryption_key": SECRET}),
    ],
    ids=["values", "many", "signed", "encrypted"],
)
def test_slots(store: Path, job: str, held: dict[str, Any], more: dict[str, Any]) -> None:
    """Each value is what it was, and is so again when this version has carried it on."""
    for _ in range(2):
        group = StateManagerGroup(Settings(root=str(store), job_id=job, signals=(), **more))
        for name, value in (held | {"second": 2}).items():
            group.register(name)
            assert_same(group.get(name), value)
        group.register("third")
        group.update("third", 3)
        group.save()
        group.close()


def test_a_typed_config_and_state(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job goes on with the step it was at."""
    monkeypatch.setenv("LATTICE_JOB_ID", "typed")
    with closing(typed(store)) as job:
        assert (job.config.rate, job.config.names) == (0.5, ["one", "two"])
        assert (job.state.step, job.state.weights) == (3, {"w": 1.0})


def test_an_exported_checkpoint(store: Path, tmp_path: Path) -> None:
    """The file that a colleague has sent is a job, and each byte of the store is as it was."""
    other = str(tmp_path / "other")
    assert main(["import", str(store / "values.tar"), "--root", other]) == 0
    group = StateManagerGroup(Settings(root=other, job_id="values", signals=()))
    for name, value in values().items():
        group.register(name)
        assert_same(group.get(name), value)
    group.close()
    for job in ("values", "many"):
        assert main(["verify", job, "--root", str(store)]) == 0


def assert_same(found: Any, value: Any) -> None:
    """See that two values are equal, and arrays of the same kind."""
    if isinstance(value, np.ndarray):
        assert (found.dtype, found.shape, found.flags.f_contiguous) == (
            value.dtype,
            value.shape,
            value.flags.f_contiguous,
        )
        assert (found == value).all()
        return
    assert type(found) is type(value)
    assert found == value
    if isinstance(value, dict) and 1 in value:
        assert found["a"] is found[1], "an object that stands at two places"
