"""Mappings whose keys are no texts: files, checkpoints and requests say them as texts, and the program has its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import ConfigError
from lattice_addons.hyperstate import HyperState, Requests, fixed, load_config
from lattice_addons.storage import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "job/rank-00000/"


@dataclass
class Layer:
    """A value of a mapping; its seed stays."""

    width: int = 8
    seed: int = fixed(1)


@dataclass
class Config:
    """A config with numbers for keys."""

    names: dict[int, str] = field(default_factory=dict)
    layers: dict[int, Layer] = field(default_factory=lambda: {1: Layer()})


@dataclass
class State:
    """A state with a mapping of which nothing is said."""

    step: int = 0
    seen: dict[Any, int] = field(default_factory=dict)


def load(folder: Path) -> HyperState[Config, State]:
    """Load a run."""
    given = {"checkpoint_dir": folder / "store", "checkpoint_key": "step"}
    return HyperState.load(Config, State, lambda _: State(), folder / "config.yaml", **given)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICE_JOB_ID", "job")
    (tmp_path / "config.yaml").write_text("names: {1: one}\n")


@pytest.mark.parametrize("names", ["{1: a, '1': b}", "{'1': a, '01': b}"])
def test_two_keys_that_are_one(tmp_path: Path, names: str) -> None:
    """Neither is left out in silence."""
    (tmp_path / "config.yaml").write_text(f"names: {names}\n")
    with pytest.raises(ConfigError, match=r"yaml:1: names\..*: expected every key once, found 1 once more"):
        load_config(Config, tmp_path / "config.yaml")


def test_an_edit_of_the_file_while_the_program_runs(tmp_path: Path) -> None:
    """The value of the key that is there is another one: no key comes beside it."""
    run = load(tmp_path)
    (tmp_path / "config.yaml").write_text("names: {1: another, 2: two}\n")
    made = run.step()
    run.close()
    assert run.config.names == {1: "another", 2: "two"}
    assert made is not None
    assert len(made.notes) == 2


def test_what_is_fixed_in_a_mapping_stays(tmp_path: Path) -> None:
    """What is not, is set."""
    run = load(tmp_path)
    requests = Requests(LocalStore(tmp_path / "store"), FOLDER)
    names = [requests.ask([override]) for override in ("layers[1].seed=2", "layers[1].width=4")]
    run.step()
    run.close()
    answers = [requests.answer_to(name) for name in names]
    assert [answer[0] for answer in answers if answer is not None] == [False, True]
    assert run.config.layers == {1: Layer(4, 1)}


def test_keys_that_look_like_more_than_a_text_come_back(tmp_path: Path) -> None:
    """After a restart they are the texts that they were, also where nothing says that they are texts."""
    seen = {"loss: train": 1, "[0]": 2, "{a": 3, "plain": 4}
    run = load(tmp_path)
    run.state.seen = dict(seen)
    run.step()
    run.close()
    again = load(tmp_path)
    again.close()
    assert again.state.seen == seen
