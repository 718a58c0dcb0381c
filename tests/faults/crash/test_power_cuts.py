"""Power cuts: every acknowledged save is there when the machine starts again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.crash.disks import DISKS
from tests.faults.crash.matrix import Matrix
from tests.faults.injection import no_strace

if TYPE_CHECKING:
    from tests.faults.crash.disks import Disk
    from tests.faults.crash.zygote import Zygote

pytestmark = [pytest.mark.mounts, pytest.mark.timeout(600)]

CUTS, FEWER = 20, 5


def cut_at_random(zygote: Zygote, disk: Disk, keeper: str, cuts: int) -> tuple[int, list[str]]:
    """Cut the power while a program saves in a loop; give the saves it was told of, and what was lost."""
    chance, place = random.Random(cuts), str(disk.place)
    violations: list[str] = []
    number, acknowledged, saves = 0, 0, 0
    for cut in range(cuts):
        if violations:
            break
        with zygote.start() as life:
            life.do("open", keeper, place)
            life.tell("loop", number + 1)
            before = life.hear(chance, 8)
            if disk.kind.cut == "image":
                life.kill()  # an image can be copied whole only while nobody writes
            # What is said after the cut does not count: XFS lets an fsync of a folder succeed when it is down,
            # and no program lives on without power to hear of it.
            before += life.heard()
            disk.cut()
            life.kill()
            said = before + list(life.answers())
        kept = [answer["done"] for answer in before if "done" in answer]
        begun = [answer["done"] for answer in said if "done" in answer]
        saves += len(kept)
        acknowledged, number = max([acknowledged, *kept]), max([number, *begun]) + 1
        violations += [f"cut {cut}: {each}" for each in said if "error" in each and not each["ours"]]
        disk.restart()
        try:
            found = zygote.restart(keeper, place, number + 1)
        except AssertionError as error:
            return saves, [*violations, f"cut {cut}: acknowledged {acknowledged}: {error}"]
        if not acknowledged <= (found or 0) <= number:
            violations.append(f"cut {cut}: found {found}, acknowledged {acknowledged}, begun {number}")
        number = acknowledged = number + 1
    return saves, violations


@pytest.mark.parametrize("disk", DISKS, indirect=True)
def test_a_power_cut_loses_no_acknowledged_save(mounting: Zygote, disk: Disk) -> None:
    """Wherever the power is cut, what save() returned from is there, whole, and the next save succeeds."""
    saves, violations = cut_at_random(mounting, disk, "group", CUTS)

    assert not violations
    assert saves > CUTS


@pytest.mark.parametrize(
    ("disk", "keeper"),
    [("xfs", "large"), ("ext4", "in the background"), ("ext4", "rewriting"), ("xfs", "beside")],
    indirect=["disk"],
)
def test_a_power_cut_loses_nothing_however_it_is_saved(mounting: Zygote, disk: Disk, keeper: str) -> None:
    """Also of what threads write directly to the disk, of copies saved meanwhile, and of packs being rewritten."""
    saves, violations = cut_at_random(mounting, disk, keeper, FEWER)

    assert not violations
    assert saves > FEWER


@pytest.mark.skipif(bool(no_strace()), reason=no_strace() or "strace works")
@pytest.mark.parametrize("fresh", [False, True], ids=["later save", "first save"])
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_a_power_cut_at_any_step_leaves_old_or_new(mounting: Zygote, disk: Disk, fresh: bool) -> None:
    """The power is cut at each call that changes something on the disk; the restart finds old or new."""

    def cut() -> None:
        disk.cut()
        disk.restart()

    matrix = Matrix(mounting, disk.place, "group", step="save", fresh=fresh)
    matrix.after_kill = cut

    tally = matrix.kill("p?write.*|f.*sync|f.*chmod.*|rename.*|link.*|mkdir.*|unlink.*|ftruncate|fallocate")

    tally.check("p?write.*", "f.*sync", "(rename|link).*")


@pytest.mark.skipif(bool(no_strace()), reason=no_strace() or "strace works")
@pytest.mark.parametrize(
    ("disk", "keeper"),
    [("ext4", "large"), ("xfs", "in the background"), ("ext4", "rewriting"), ("xfs", "rewriting")],
    indirect=["disk"],
)
def test_a_power_cut_at_any_step_of_other_saves_leaves_old_or_new(
    mounting: Zygote, disk: Disk, keeper: str
) -> None:
    """The power is cut at each call by which something is written, moved or made durable; rewriting also deletes."""

    def cut() -> None:
        disk.cut()
        disk.restart()

    matrix = Matrix(mounting, disk.place, keeper, step="save")
    matrix.after_kill = cut

    # Deleting is the same for all of them, and the large ones take their time.
    deletes = "unlink.*" if keeper == "rewriting" else "rename.*"
    tally = matrix.kill(f"p?write.*|f.*sync|rename.*|link.*|ftruncate|fallocate|{deletes}")

    tally.check("p?write.*", "f.*sync", "(rename|link).*")


@pytest.mark.parametrize("keeper", ["no sync", "no folder sync"])
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_power_cuts_find_a_program_that_does_not_sync(mounting: Zygote, disk: Disk, keeper: str) -> None:
    """The cuts are real: a program that leaves out an fsync is found, unless another one synchronises each time."""
    # The first one that it is found by is the last one.
    assert cut_at_random(mounting, disk, keeper, 100)[1]


@pytest.mark.parametrize("disk", DISKS, indirect=True)
def test_power_cuts_leave_a_safe_program_alone(mounting: Zygote, disk: Disk) -> None:
    """The driver finds nothing in a program that does all that is right."""
    saves, violations = cut_at_random(mounting, disk, "safe", 10)

    assert not violations
    assert saves > 10
