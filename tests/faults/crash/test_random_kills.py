"""Kills at instants that nobody chose."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.crash.zygote import Zygote

# Four times a hundred: so that several workers share them.
ROUNDS = [11, 12, 13, 14]
KILLS = 100


def kill_at_random(zygote: Zygote, folder: Path, keeper: str, kills: int, seed: int) -> tuple[int, list[str]]:
    """Let programs save in a loop, each going on where the last was killed; give saves and violations."""
    chance, violations = random.Random(seed), []
    number, acknowledged, saves = 0, 0, 0
    for kill in range(kills):
        with zygote.start() as life:
            life.tell("open", keeper, str(folder))
            life.tell("load")
            life.tell("loop", number + 1)
            # From before the start to some saves later.
            said = life.hear(chance, 8)
            life.kill()
            said += life.answers()
        found = said[1].get("done") if len(said) > 1 else None
        if any("error" in answer for answer in said):
            violations.append(f"kill {kill}: {[answer for answer in said if 'error' in answer]}")
        # All numbers up to one that had been begun when the program was killed may be there.
        if len(said) > 1 and not acknowledged <= (found or 0) <= number:
            violations.append(f"kill {kill}: found {found}, acknowledged {acknowledged}, begun {number}")
        done = [answer["done"] for answer in said[2:] if "done" in answer]
        saves += len(done)
        acknowledged = max([acknowledged, *done])
        number = max([number, *done]) + 1
        if violations:
            break
    return saves, violations


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_kill_at_any_instant_loses_nothing(zygote: Zygote, folder: Path, seed: int) -> None:
    """Killed at a random instant, every acknowledged save is there, whole, and the next program saves on."""
    saves, violations = kill_at_random(zygote, folder, "group", KILLS, seed)

    assert not violations
    assert saves > KILLS  # else the kills came before there was anything to tear


@pytest.mark.parametrize("seed", ROUNDS[:2])
def test_a_kill_while_a_thread_tidies_up_loses_nothing(zygote: Zygote, folder: Path, seed: int) -> None:
    """Checkpoints and packs are deleted and rewritten while the next ones are saved."""
    saves, violations = kill_at_random(zygote, folder, "beside", KILLS, seed)

    assert not violations
    assert saves > KILLS


def test_random_kills_find_a_program_that_writes_in_place(zygote: Zygote, folder: Path) -> None:
    """The kills are real: a program that writes over its only copy is found."""
    assert kill_at_random(zygote, folder, "in place", KILLS, 1)[1]


def test_random_kills_leave_a_safe_program_alone(zygote: Zygote, folder: Path) -> None:
    """The driver finds nothing in a program that does all that is right."""
    saves, violations = kill_at_random(zygote, folder, "safe", KILLS // 2, 1)

    assert not violations
    assert saves > KILLS
