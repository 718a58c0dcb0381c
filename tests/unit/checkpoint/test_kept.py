"""Blocks that are kept and used again."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._kept import _LARGE, Kept

if TYPE_CHECKING:
    from lattice_addons.checkpoint._kept import Block

pytestmark = pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").is_dir(), reason="this system has no large pages"
)


def test_the_first_blocks_may_lie_in_large_pages() -> None:
    """Scattered pages halve the speed of a disk; but the system takes its time to find many large ones."""
    kept = Kept()
    blocks = [kept.block() for _ in range(_LARGE + 1)]
    assert [may_be_large(block) for block in blocks] == [True] * _LARGE + [False]


def test_blocks_in_large_pages_are_used_first_and_go_last() -> None:
    """What waits for the disk gets them, also after a save that took many others; and a smaller memory keeps them."""
    kept = Kept()
    blocks = [kept.block() for _ in range(_LARGE + 2)]
    while blocks:
        del blocks[0]
    first = [kept.block() for _ in range(_LARGE)]
    assert all(map(may_be_large, first))
    assert not may_be_large(kept.block())
    del first
    kept.trim(_LARGE * 4 * 1024 * 1024)
    assert all(may_be_large(block) for block in [kept.block() for _ in range(_LARGE)])
    kept.trim(0)
    assert may_be_large(kept.block())


def may_be_large(block: Block) -> bool:
    """Tell whether the system was asked for large pages."""
    at = ctypes.addressof(ctypes.c_char.from_buffer(block.view))
    inside = False
    for line in Path("/proc/self/smaps").read_text(encoding="ascii", errors="replace").splitlines():
        first, _, rest = line.partition(" ")
        if not first.endswith(":"):
            start, end = (int(each, 16) for each in first.split("-"))
            inside = start <= at < end
        elif inside and first == "VmFlags:":
            return "hg" in rest.split()
    raise AssertionError("the block lies nowhere")
