"""In a real kernel: what a notebook keeps is there again, however the kernel ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("ipykernel", reason="not installed: ipykernel")

from tests.integration.kernels import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
GROUP = """
from lattice_addons import StateClosureManager, StateManagerGroup, StateSymbolicManager
group = StateManagerGroup()
group.register("points")
group.register("loss", StateSymbolicManager)
group.register("total", StateClosureManager)
"""
CLASSES = """
import enum
from dataclasses import dataclass

class Colour(enum.Enum):
    RED = 1

@dataclass
class Point:
    x: int
    colour: Colour = Colour.RED

    def shown(self):
        return f"first {self.x}"
"""
USE = """
points = group.get("points") or []
loss = group.get("loss") or 1.0

def total():
    return sum(point.x for point in points)

group.update("points", points)
group.update("loss", loss)
group.update("total", total)
"""


def test_a_kernel_that_is_killed_carries_on(tmp_path: Path) -> None:
    """Objects of classes from cells are of the class that its cell made in the new kernel, with its new methods."""
    named = {"JPY_SESSION_NAME": str(tmp_path / "analysis.ipynb")}
    with kernel(tmp_path, **named) as first:
        for cell in (CLASSES, GROUP, USE, "points.append(Point(3)); points.append(Point(4)); loss = 0.25"):
            first.good(cell)
        assert first.good("group.save().number").text == "1\n"
        first.good("loss = 0.125  # lost")
        first.kill()
    with kernel(tmp_path, **named) as second:
        second.good(CLASSES.replace("first", "second"))
        assert second.good(GROUP + "print(group.get('total'))").printed == "7\n"
        second.good(USE)
        told = "isinstance(points[0], Point), points == [Point(3), Point(4)], points[0].colour is Colour.RED, loss"
        assert second.good(told).text == "(True, True, True, 0.25)\n"
        assert second.good("points[0].shown()").text == "'second 3'\n"
    # Named after the notebook; and the end of the second kernel was a save, too.
    assert [path.name for path in (tmp_path / ".lattice").iterdir() if path.is_dir()] == ["analysis"]
    assert newest(tmp_path / ".lattice" / "analysis")["reason"] == "exit"


def test_cells_run_again_and_again(tmp_path: Path) -> None:
    """In any order, edited, and interrupted in the middle of a save: the session goes on, and the next one."""
    with kernel(tmp_path) as one:
        for cell in (CLASSES, GROUP, USE, GROUP, USE, "points.append(Point(5))", CLASSES, GROUP, USE):
            one.good(cell)
        assert one.good("group.get('points') is points, len(points)").text == "(True, 1)\n"
        # A function that is defined anew counts from the next update on.
        one.good("def total():\n    return -1\n\ngroup.update('total', total)")
        assert one.good("group.get('total')").text == "-1\n"
        ran = one.interrupted("print('begun', flush=True)\nwhile True:\n    loss += 1\n    group.save()")
        assert ran.error == "KeyboardInterrupt"
        assert one.good("group.save().slots.keys() >= {'points', 'loss'}").text == "True\n"
        ran = one.interrupted(
            "import time\nfor i in group.resume(range(10), key='steps'):\n    if i == 3:\n"
            "        print('begun', flush=True)\n        time.sleep(100)"
        )
        assert ran.error == "KeyboardInterrupt"
        one.good("loss = 0.5")
        one.restart()
        one.good(CLASSES + GROUP + USE)
        assert one.good("loss, [i for i in group.resume(range(10), key='steps')][0]").text == "(0.5, 3)\n"
        # Settings of one's own: the same group at every run of the cell, and another where they are edited.
        own = "from lattice_addons import Settings\n"
        own += "mine = StateManagerGroup(Settings(job_id='own'))\nmine.register('a')"
        one.good(own + "\nmine.update('a', 1)")
        assert one.good(own + "\nmine.get('a')").text == "1\n"
        ran = one.good(own.replace("'own'", "'own', keep=5") + "\nmine.get('a')")
        assert ran.shown[-1]["text/plain"] == "1"
        assert "saved and closed" in ran.printed
        one.good("loss = 0.75")
        one.signal(signal.SIGTERM)
    told = newest(tmp_path / ".lattice" / "interactive")
    assert (told["reason"], told["slots"]["loss"]["value"]) == ("signal:SIGTERM", 0.75)


def test_the_magic_saves_restores_and_shows(tmp_path: Path) -> None:
    """Variables by their names, in a hosted notebook: its machine is gone with all its files, and the store is left."""
    store = tmp_path / "store"
    for machine in ("first", "second"):
        (tmp_path / machine).mkdir()

    def environ(machine: str) -> dict[str, str]:
        config = f"root=file://{store},spool={tmp_path / machine / 'spool'},job_id=study"
        return {"LATTICE_CHECKPOINT_TYPE": "fsspec", "LATTICE_CHECKPOINT_CONFIG": config}

    with kernel(tmp_path / "first", **environ("first")) as first:
        first.good("%load_ext lattice_addons")
        assert "no checkpoint yet" in first.good("%lattice").html
        first.good("rows = [1, 2]\nbest = {'<b>': 0.5}")
        assert first.good("%lattice save rows, best").printed.startswith("saved checkpoint 1: 2 values, ")
        first.good("rows.append(3)")
        assert "checkpoint 2" in first.good("%lattice save").printed
        first.good("rows = ['lost']")
        assert "back at checkpoint 2 (manual): rows, best" in first.good("%lattice restore").printed
        assert first.good("rows").text == "[1, 2, 3]\n"
        assert "if killed now, you lose" in first.good("%lattice stats").html
        # What is wrong is told in a line, and the session goes on.
        assert "has no 'nothing'; it has rows, best" in first.run("%lattice restore nothing").printed
        assert "there are status, save" in first.run("%lattice sav").printed
        first.good("rows.append(4)\ngenerator = (i for i in rows)")
        assert "cannot pickle 'generator' object" in first.run("%lattice save rows generator").printed
        first.good("%lattice save")
        first.good("rows = 'lost, too'")
        until(lambda: any(store.rglob("checkpoints/*4.json")))
        first.kill()
    # By what passes over folders that go while it looks.
    until(lambda: not any(files for folder, _, files in os.walk(store) if folder.endswith("claims")))
    # What is left of the uploader may still write there.
    shutil.rmtree(tmp_path / "first", ignore_errors=True)
    with kernel(tmp_path / "second", **environ("second")) as second:
        second.good("%load_ext lattice_addons")
        assert second.good("%lattice restore").printed.endswith(": rows, best\n")
        assert second.good("rows, best").text == "([1, 2, 3, 4], {'<b>': 0.5})\n"
        html = second.good("%lattice status").html
        assert "&lt;b&gt;" in html
        assert "<b>" not in html
        second.good("%unload_ext lattice_addons")


def test_the_example_runs_and_carries_on(tmp_path: Path) -> None:
    """Each cell of ``examples/notebook.ipynb``, in a kernel that is killed half-way, and in the one after it."""
    cells = code_cells(ROOT / "examples" / "notebook.ipynb")
    half = next(number for number, cell in enumerate(cells) if "group.save()" in cell) + 1
    with kernel(tmp_path) as first:
        for cell in cells[:half]:
            first.good(cell)
        first.kill()
    with kernel(tmp_path) as second:
        ran = [second.good(cell) for cell in cells]
    assert ran[-1].printed == "20 rounds, 10 of them before this kernel\n"


def newest(job: Path) -> dict[str, Any]:
    """Give the newest manifest of a job."""
    found: dict[str, Any] = json.loads(max(job.rglob("checkpoints/*.json")).read_text(encoding="utf-8"))
    return found


def code_cells(path: Path) -> list[str]:
    """Give the code of a notebook."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
