"""What a loop has left in plain variables is told from what was there before."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from lattice_addons.autopatch._variables import Variables


@pytest.mark.frameworks
def test_a_tensor_that_went_to_another_device_has_changed() -> None:
    """It cannot be compared with the one that was there, and the program's loop goes on."""
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def loop() -> Any:
        total, same = torch.zeros(3), torch.ones(3)
        before = Variables(sys._getframe())
        total = torch.zeros(3, device="meta")
        return before.changed(sys._getframe()), total, same

    left = {name: in_place for space in loop()[0].values() for name, (in_place, _) in space.items()}
    assert left == {"total": False}
