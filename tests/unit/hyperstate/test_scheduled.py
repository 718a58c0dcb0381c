"""Numbers of a config follow their schedules, as deep as they are; dumps have the text."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import ConfigError, ScheduleError
from lattice_addons.hyperstate import HyperState, dump_config, load_config
from lattice_addons.hyperstate._held import HeldConfig
from lattice_addons.hyperstate._scheduled import (
    Schedules,
    is_schedule,
    keep,
    resolve,
    restore,
    schedules_of,
    update,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "step: 1.0@0 lin 0.5@5 cos 0.1@10"


@dataclass
class Rate:
    """Three levels down."""

    lr: float = 0.1


@dataclass
class Group:
    """In a list, with numbers of its own."""

    rate: Rate = field(default_factory=Rate)
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass
class Config:
    """Schedules wherever numbers are."""

    batch: int = 8
    name: str = ""
    groups: list[Group] = field(default_factory=list)
    table: dict[int, float] = field(default_factory=dict)
    either: float | str = 0.0
    maybe: int | None = None
    decay: float = "progress.epoch: 1@0 lin 0@4"  # type: ignore[assignment] # a schedule is a default, too


@dataclass(frozen=True, slots=True)
class Slotted:
    """Nothing but its fields has room in it."""

    lr: float


@dataclass
class Progress:
    """Part of a state."""

    epoch: float = 0


@dataclass
class State:
    """What schedules go by."""

    step: int = 0
    progress: Progress = field(default_factory=Progress)
    label: str = "x"
    table: dict[str, int] = field(default_factory=lambda: {"seen": 3})


def loaded(path: Path, text: str) -> tuple[Config, Schedules]:
    """Load a config that stands in a file."""
    path.write_text(text)
    config = load_config(Config, path)
    return config, schedules_of(config)


YAML = f"""\
batch: 8@0 lin 16@10   # grows
name: 1@0
groups:
- rate:
    lr: "{TEXT}"
  betas: [0.5@0 lin 1@10, 0.9]
table: {{3: "progress.epoch: 0@0 lin 1@2"}}
either: 1@0 lin 2@10
maybe:
  by: table.seen
  knots: [{{at: 0, value: 0}}, {{at: 6, value: 9}}]
"""


def test_numbers_follow_the_state(tmp_path: Path) -> None:
    """Ints are rounded; a text field keeps its text; a default is a schedule as well."""
    config, schedules = loaded(tmp_path / "c.yaml", YAML)
    assert (config.batch, config.name, config.groups[0].rate.lr, config.maybe) == (8, "1@0", 1.0, 0)
    assert type(config.batch) is int
    assert type(config.decay) is float
    state = State(step=5, progress=Progress(1.0))
    update(config, schedules, state, "step")
    assert config.batch == 12
    assert config.groups[0].rate.lr == 0.5
    assert config.groups[0].betas == (0.75, 0.9)
    assert config.table == {3: 0.5}
    assert config.either == 1.5
    assert config.maybe == 4
    assert config.decay == 0.75
    update(config, schedules, State(step=7), "step")
    assert config.batch == 14
    update(config, schedules, State(step=100), "step")
    assert config.groups[0].rate.lr == 0.1
    assert len(schedules) == 7


@pytest.mark.parametrize("ending", ["yaml", "json", "toml", "ron"])
def test_dumps_have_the_text(tmp_path: Path, ending: str) -> None:
    """After updates too; what was set by hand is a number from then on."""
    config, schedules = loaded(tmp_path / "c.yaml", YAML)
    update(config, schedules, State(step=3), "step")
    path = tmp_path / f"dump.{ending}"
    dump_config(config, path)
    assert TEXT in path.read_text()
    again = load_config(Config, path)
    assert {place: each.source for place, each in schedules_of(again).items()} == {
        place: each.source for place, each in schedules.items()
    }
    config.groups[0].rate.lr = 0.25
    assert TEXT not in dump_config(config)
    update(config, schedules, State(step=5), "step")
    assert config.groups[0].rate.lr == 0.25
    assert config.batch == 12


def test_a_dump_of_what_left_its_schedule() -> None:
    """Also where it was set to the number that the schedule had just given it."""
    held = HeldConfig(Rate, {"lr": "1@0 lin 2@10"}, key="step")
    held.change(held.plain(), ["lr=1"])
    assert "lin" not in dump_config(held.value)


def test_override_replaces(tmp_path: Path) -> None:
    """A number takes the schedule's place, and a schedule a number's."""
    path = tmp_path / "c.yaml"
    path.write_text(YAML)
    config = load_config(Config, path, ["batch=4", f"groups[0].rate.lr={TEXT}", "decay=2@0 lin 3@1"])
    assert config.batch == 4
    found = schedules_of(config)
    assert ("batch",) not in found
    assert found[("groups", 0, "rate", "lr")].source == TEXT
    assert config.decay == 2.0


def test_wrong_ones_say_where(tmp_path: Path) -> None:
    """The field, and what is wrong; a text without a knot is a wrong number, as ever."""
    with pytest.raises(ScheduleError, match=r"groups\[0\].rate.lr: .*no curve is called 'lim'"):
        loaded(tmp_path / "c.yaml", "groups: [{rate: {lr: 1@0 lim 2@3}}]")
    with pytest.raises(ConfigError, match="batch: expected an int"):
        loaded(tmp_path / "c.yaml", "batch: many")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stop: 1@0 2@1", "the state has no stop .*did you mean 'step'"),
        ("progress.epok: 1@0", "no epok"),
        ("label: 1@0", "which is a str"),
        ("progress: 1@0", "which is a Progress"),
    ],
)
def test_state_without_the_field(tmp_path: Path, text: str, says: str) -> None:
    """The schedule, its field and what it goes by are named."""
    config, schedules = loaded(tmp_path / "c.yaml", f'table: {{3: "{text}"}}\ndecay: 1')
    with pytest.raises(ScheduleError, match=says):
        update(config, schedules, State())


def test_no_key() -> None:
    """Without a checkpoint key a schedule has to say what it goes by."""
    data, schedules = resolve({"lr": "1@0"}, Rate)
    with pytest.raises(ScheduleError, match="no checkpoint key"):
        update(Rate(**data), schedules, State())


def test_slots_and_frozen() -> None:
    """Schedules are kept with a config that has no room for them, and is not to be changed by others."""
    source = {"lr": "1@0 lin 2@4"}
    data, schedules = resolve(source, Slotted)
    assert source == {"lr": "1@0 lin 2@4"}
    config = Slotted(**data)
    keep(config, schedules)
    update(config, schedules_of(config), State(step=2), "step")
    assert config.lr == 1.5
    assert restore({"lr": 1.5}, config) == source
    assert schedules_of(Slotted(1.5)) == {}


@pytest.mark.parametrize(
    ("kind", "data", "answer"),
    [
        (float, "1@0", True),
        (int, "1@0 nonsense", True),
        (float | None, {"knots": []}, True),
        (str, "1@0", False),
        (bool, "1@0", False),
        (float | str, "1@0", True),
        (float | str, "me@home", False),
        (Any, "1@0", False),
        (list[float], "1@0", False),
    ],
)
def test_which_data_is_meant_as_one(kind: Any, data: object, answer: bool) -> None:
    """By the type of the field, and by what stands there."""
    assert is_schedule(kind, data) is answer


def test_steps_of_a_run(tmp_path: Path) -> None:
    """A run follows its schedule, and the next one carries on there; an override ends it for good."""
    path = tmp_path / "c.yaml"
    path.write_text("batch: 8@0 lin 16@4\ndecay: 1.0\ngroups: [{rate: {lr: 'progress.epoch: 1@0 lin 0@4'}}]")

    def run(*overrides: str) -> list[tuple[int, float]]:
        folder = str(tmp_path / "checkpoints")
        with closing(
            HyperState.load(
                Config, State, lambda _: State(), str(path), folder, "step", overrides=[*overrides]
            )
        ) as hyper:
            found = []
            for _ in range(2):
                hyper.state.step += 1
                hyper.state.progress.epoch += 1
                hyper.step()
                found.append((hyper.config.batch, hyper.config.groups[0].rate.lr))
        return found

    assert run() == [(10, 0.75), (12, 0.5)]
    assert run("batch=3") == [(3, 0.25), (3, 0.0)]
    assert run() == [(3, 0.0), (3, 0.0)]
