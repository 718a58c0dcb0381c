"""What a loop has left in plain variables is told from what was there before."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from typing import Any

import pytest

from lattice_addons.autopatch._variables import Variables, put_back


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


def test_a_list_that_two_variables_have_is_one_list_still() -> None:
    """What the program adds to it by one name is there by the other."""

    def life(left: Any, loss: float) -> Any:
        history: dict[str, Any] = {"loss": [], "epochs": [], "best": defaults}
        losses = history["loss"]
        before = Variables(sys._getframe())
        put_back(sys._getframe(), left)
        losses.append(loss)
        history["epochs"].append(0)
        history["best"] = [loss]
        return history, before.changed(sys._getframe())

    defaults = [0.0]
    _, left = life({}, 0.5)
    history, _ = life(left, 0.25)
    assert history == {"loss": [0.5, 0.25], "epochs": [0, 0], "best": [0.25]}
    assert defaults == [0.0]


def test_a_dict_with_defaults_within_another_container_has_them_still() -> None:
    """Also one that the program makes in the loop only, as its default."""

    def life(left: Any, name: str) -> Any:
        split: dict[str, Any] = {"train": defaultdict(list)}
        nested: Any = defaultdict(lambda: defaultdict(int))
        before = Variables(sys._getframe())
        put_back(sys._getframe(), left)
        split["train"][name].append(1)
        nested["all"][name] += 1
        return split, nested, before.changed(sys._getframe())

    _, _, left = life({}, "first")
    split, nested, _ = life(left, "second")
    assert split == {"train": {"first": [1], "second": [1]}}
    assert nested == {"all": {"first": 1, "second": 1}}


def test_a_generator_within_a_container_stays_a_generator() -> None:
    """It goes on from where it was."""

    def life(left: Any) -> Any:
        parts: dict[str, Any] = {"draws": random.Random(3), "both": (random.Random(4), 0), "steps": 0}
        before = Variables(sys._getframe())
        put_back(sys._getframe(), left)
        drawn = parts["draws"].random(), parts["both"][0].random()
        parts["steps"] += 1
        return drawn, before.changed(sys._getframe())

    _, left = life({})
    drawn, _ = life(left)
    assert drawn == tuple([one.random(), one.random()][1] for one in (random.Random(3), random.Random(4)))


def test_a_dict_with_defaults_that_became_something_else() -> None:
    """What the loop has put in its place is there."""

    def life(left: Any) -> Any:
        counts: Any = defaultdict(int, {"a": 2})
        before = Variables(sys._getframe())
        put_back(sys._getframe(), left)
        found, counts = counts, 2.5
        return found, before.changed(sys._getframe())

    _, left = life({})
    assert life(left)[0] == 2.5
