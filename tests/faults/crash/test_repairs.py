"""Repairs that are killed, or fail: what was good stays good, and the next repair does the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.crash.repairs import Repairs
from tests.faults.injection import no_strace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.crash.disks import Disk
    from tests.faults.crash.zygote import Zygote

pytestmark = [
    pytest.mark.skipif(bool(no_strace()), reason=no_strace() or "strace works"),
]

CHANGES = "p?write.*|f.*sync|ftruncate|fallocate|(rename|link|unlink|mkdir)(at2?)?"
NEEDED = ["p?write.*", "f.*sync", "rename.*", "link.*", "mkdir.*", "unlink.*"]


def test_a_kill_at_any_call_of_a_repair_makes_nothing_worse(zygote: Zygote, folder: Path) -> None:
    """Killed before any call that changes something, it leaves what is good as it was; the next does the rest."""
    Repairs(zygote, folder).kill(CHANGES).check(*NEEDED)


def test_an_error_at_any_call_of_a_repair_is_told_and_makes_nothing_worse(
    zygote: Zygote, folder: Path
) -> None:
    """EIO and ENOSPC are one error of ours, or what was told is done; the next repair does the rest."""
    tally = Repairs(zygote, folder).errors(CHANGES)

    tally.check(*NEEDED)
    assert tally.refused


@pytest.mark.mounts
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_a_power_cut_at_any_call_of_a_repair_makes_nothing_worse(mounting: Zygote, disk: Disk) -> None:
    """The power is cut at each of these calls."""

    def cut() -> None:
        disk.cut()
        disk.restart()

    repairs = Repairs(mounting, disk.place)
    repairs.after_kill = cut

    repairs.kill(CHANGES).check(*NEEDED)
