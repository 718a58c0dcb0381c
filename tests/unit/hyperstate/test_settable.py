"""What of a config can be set, and by what text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from lattice_addons.errors import OverrideError
from lattice_addons.hyperstate import check_overrides, settable
from lattice_addons.hyperstate._load import typed


@dataclass
class Layer:
    """A part of a list."""

    width: int = 8


@dataclass
class Config:
    """A config with a value of each kind."""

    lr: float = 0.1
    name: str = "a = b"
    fast: bool = False
    limit: int | None = None
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])
    layers: list[Layer] = field(default_factory=lambda: [Layer(), Layer(16)])
    env: dict[str, str] = field(default_factory=lambda: {"a.b": "c", "x=y": "e", "plain": "d"})


PLAIN = {
    "lr": 0.1, "name": "a = b", "fast": False, "limit": None, "betas": [0.9, 0.99],
    "layers": [{"width": 8}, {"width": 16}], "env": {"a.b": "c", "x=y": "e", "plain": "d"},
}  # fmt: skip


def test_each_value_has_a_path_and_a_text_that_set_it() -> None:
    """Put back as overrides they make the config that it was: no path or text means something else."""
    found = list(settable(PLAIN))
    assert [each.path for each in found] == [
        "lr", "name", "fast", "limit", "betas", "layers[0].width", "layers[1].width", 'env["a.b"]', 'env["x=y"]',
        "env.plain",
    ]  # fmt: skip
    overrides = [f"{each.path}={each.text}" for each in found]
    check_overrides(overrides, found)
    emptied: dict[str, Any] = {"layers": [{}, {}], "env": {}}
    assert typed(Config, emptied, overrides, {}, "") == Config()


@pytest.mark.parametrize("override", ["lr", "", "=3", "fast=maybe", "fast=", "a b=3", "name=\udcff"])
def test_what_no_program_could_take_over_is_refused(override: str) -> None:
    """Before any program is asked."""
    with pytest.raises(OverrideError):
        check_overrides([override], list(settable(PLAIN)))
