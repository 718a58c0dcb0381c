"""An export or import that is killed, or gets an error, at any call leaves all of it or nothing."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint import Portable, exported
from lattice_addons.cli import main
from lattice_addons.storage import LocalStore
from tests.faults.crash.strace import Strace
from tests.faults.injection import no_strace
from tests.unit.checkpoint.lines import line_of, save, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.crash.zygote import Zygote

pytestmark = [
    pytest.mark.skipif(bool(no_strace()), reason=no_strace() or "strace works"),
]

# What changes anything on the disk.
CALLS = (
    *("pwrite64", "pwritev", "write", "fsync", "fdatasync", "link", "linkat"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat"),
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a store with a checkpoint."""
    line = line_of(LocalStore(tmp_path / "source"))
    save(line, n=1, array=np.random.default_rng(0).standard_normal(300_000))
    line.release()
    with open(tmp_path / "x.tar", "wb") as file:
        file.writelines(exported(line, line.load(1)))
    return tmp_path / "source"


def hits(
    zygote: Zygote, log: Path, fault: str, prepare: Callable[[], None], arguments: list[str]
) -> Iterator[tuple[str, int]]:
    """Run a command once for each of its calls, which is hit then; give the call, and how the command ended."""

    def run(call: str = "", when: int = 0) -> tuple[Strace, int]:
        prepare()
        with zygote.start() as life:
            with Strace(life, log, call=call, fault=fault, when=when) as traced:
                answer = life.ask("command", *arguments)
            return traced, life.end() if answer is None else answer.get("done", 1)

    traced, status = run()
    assert status == 0
    for call, count in traced.calls().items():
        for when in range(1, count + 1 if call in CALLS else 0):
            yield call, run(call, when)[1]


@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC", "error=EIO"])
def test_an_import(zygote: Zygote, source: Path, tmp_path: Path, fault: str) -> None:
    """The line has one more checkpoint, whole, or is as it was; and the next import is as if nothing had been."""
    target, before = tmp_path / "target", tmp_path / "before"
    line = line_of(LocalStore(before))
    save(line, n=0)
    line.release()
    assert source.exists()

    def prepare() -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(before, target)

    arguments = ["import", str(tmp_path / "x.tar"), "--root", str(target)]
    undone = Counter[str]()
    for call, status in hits(zygote, tmp_path / "log", fault, prepare, arguments):
        there = line_of(LocalStore(target))
        numbers = there.numbers()
        assert numbers in ([1], [1, 2])
        assert all(finding.good for finding in there.verify())
        newest = there.newest()
        assert newest is not None
        assert values(there, newest)["n"] == newest.number - 1
        if numbers == [1]:
            assert status != 0
            undone[call] += 1
            assert fault == "signal=KILL" or not there.store.list("job/rank-00000/packs"), call
        assert main(arguments) == 0
        assert [finding.good for finding in there.verify()] == [True] * (1 + 2 * len(numbers))
    assert undone["pwrite64"] or undone["write"]
    assert undone["fsync"] + undone["fdatasync"] >= 2


@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC", "error=EIO"])
def test_an_export(zygote: Zygote, source: Path, tmp_path: Path, fault: str) -> None:
    """The file is the new one, whole, or the one that was there; and after an error nothing lies beside it."""
    path = tmp_path / "out" / "y.tar"

    def prepare() -> None:
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        path.write_text("before")

    arguments = ["export", "job", str(path), "--force", "--root", str(source)]
    undone = Counter[str]()
    for call, status in hits(zygote, tmp_path / "log", fault, prepare, arguments):
        if path.read_bytes() == b"before":
            assert status != 0
            undone[call] += 1
        else:
            with Portable(str(path), None) as portable:
                assert portable.checkpoint.number == 1
        assert fault == "signal=KILL" or os.listdir(path.parent) == ["y.tar"], call
    assert undone["write"] >= 3
    assert undone["fsync"]
    assert undone["rename"]
