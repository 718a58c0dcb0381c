"""Blocks that are kept and used again."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from lattice_addons.checkpoint._kept import Kept


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").is_dir(), reason="this system has no large pages"
)
def test_a_block_may_lie_in_large_pages() -> None:
    """Pages that are scattered in memory halve the speed of a disk: the system is asked for large ones."""
    block = Kept().block()
    at = ctypes.addressof(ctypes.c_char.from_buffer(block.view))
    inside = False
    for line in Path("/proc/self/smaps").read_text(encoding="ascii", errors="replace").splitlines():
        first, _, rest = line.partition(" ")
        if not first.endswith(":"):
            start, end = (int(each, 16) for each in first.split("-"))
            inside = start <= at < end
        elif inside and first == "VmFlags:":
            assert "hg" in rest.split()
            return
    pytest.fail("the block lies nowhere")
