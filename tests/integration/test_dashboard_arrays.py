"""What a program said of its arrays is on the pages, drawn by the server, and nothing of it is taken for HTML."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="pages are made with it")
pytest.importorskip("starlette", reason="pages are served with it")

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.service import make_app
from tests.integration.asking import asked

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a store whose newest checkpoint has arrays, and one before it with none."""
    folder = tmp_path / "store"
    group = StateManagerGroup(Settings(root=str(folder), job_id="job", signals=()))
    group.register("held")
    group.update("held", None)
    group.save()
    spread = np.concatenate([np.linspace(-1, 3, 9000), [np.nan] * 1000])
    group.update("held", {EVIL: spread, "zeros": np.zeros((70, 60)), "odd": {1}})
    group.save()
    group.close()
    return folder


def page(root: Path, path: str) -> str:
    """Ask for a page."""
    status, body = asyncio.run(asked(make_app(str(root)), "GET", path))
    assert status == 200
    return body.decode()


def test_the_page_of_a_slot(root: Path) -> None:
    """Each array has its row and its histogram; the pickle is not opened for it."""
    told = page(root, "/jobs/job/slot?name=held")
    assert "it is not opened here" in told
    assert told.count('<svg class="histogram"') == 2
    assert told.count("<rect") >= 20
    assert "70 × 60" in told
    assert "10% not finite" in told
    assert EVIL not in told
    assert "&lt;script&gt;alert(1)" in told
    assert "style=" not in told  # the pages' own policy would not have it


def test_the_page_of_a_checkpoint(root: Path) -> None:
    """The largest array stands for its slot; a checkpoint without any has no picture."""
    last = len(list((root / "job" / "rank-00000" / "checkpoints").iterdir()))
    told = page(root, f"/jobs/job/checkpoints/{last}")
    assert '<svg class="histogram"' in told
    assert "float64, 10000; -" in told
    assert '<svg class="histogram"' not in page(root, "/jobs/job/checkpoints/1")


def test_the_same_as_json(root: Path) -> None:
    """For programs."""
    arrays = json.loads(page(root, "/v1/view/jobs/job/slot?name=held"))["arrays"]
    assert [array["shape"] for array in arrays] == [[10000], [70, 60]]
    assert sum(arrays[0]["histogram"]) == arrays[0]["sampled"] - arrays[0]["nonfinite"]
