"""The drivers find what is wrong with a program that breaks one rule, and nothing wrong with one that breaks none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.crash.matrix import Matrix
from tests.faults.injection import no_strace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.crash.zygote import Zygote

needs_strace = pytest.mark.skipif(bool(no_strace()), reason=no_strace() or "strace works")


@needs_strace
def test_kills_leave_a_safe_program_alone(zygote: Zygote, folder: Path) -> None:
    """A program that replaces its file in the safe way survives a kill at every call."""
    Matrix(zygote, folder, "safe", step="save").kill().check("openat", "write", "fsync", "rename", "close")


@needs_strace
@pytest.mark.parametrize("keeper", ["in place", "leaves temporary"])
def test_kills_find_an_unsafe_program(zygote: Zygote, folder: Path, keeper: str) -> None:
    """A program that writes over its only copy, or trips over its own leftovers, is found by kills."""
    assert Matrix(zygote, folder, keeper, step="save").kill().violations


@needs_strace
def test_errors_leave_a_safe_program_alone(zygote: Zygote, folder: Path) -> None:
    """A program that tells of its errors in the right way survives one at every call."""
    tally = Matrix(zygote, folder, "safe", step="save").errors("openat|write|fsync|rename")

    tally.check("openat", "write", "fsync", "rename")
    assert tally.refused


@needs_strace
def test_errors_find_a_program_that_hides_them(zygote: Zygote, folder: Path) -> None:
    """A program that takes a failed save for a good one is found by errors, at the fsync and at the rename."""
    violations = Matrix(zygote, folder, "hides errors", step="save").errors().violations

    assert any("at fsync" in each and "taken for saved" in each for each in violations)
    assert any("at rename" in each and "found" in each for each in violations)


@needs_strace
def test_errors_find_a_program_whose_errors_are_not_ours(zygote: Zygote, folder: Path) -> None:
    """An error of the system that gets through to the program is a violation, and names the call it came from."""
    violations = Matrix(zygote, folder, "raises raw errors", step="save").errors("fsync").violations

    assert any("EIO at fsync 1" in each and "OSError" in each for each in violations)
