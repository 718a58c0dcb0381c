"""A class is an experiment: its fields are what its body says, and each setting's are its own."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from lattice_addons.errors import SettingError
from lattice_addons.experiments import Experiment, fields_of, search, value

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Hyperparams(Experiment):
    """The example of the seed, as a user writes it."""

    steps: int = 100
    batch_size: int = search(16, 32)

    def run(self) -> dict[str, int]:
        """Give the samples."""
        return {"total samples": self.batch_size * self.steps}


class Plain(Experiment):
    """As `Hyperparams`, without the decorator."""

    steps: int = 100
    batch_size: int = search(16, 32)
    items: list[int] = [1, 2, 3]  # noqa: RUF012 - this is what is shown
    loose = [1, 2, 3]  # noqa: RUF012 - this is what is shown
    shape = search([1, 2, 3])


def test_decorated_class_walks_its_grid() -> None:
    """The example that people see first does what it says."""
    assert [(h.steps, h.batch_size, h.run()["total samples"]) for h in Hyperparams()] == [
        (100, 16, 1600),
        (100, 32, 3200),
    ]
    assert len(Hyperparams()) == 2
    assert [h.batch_size for h in Hyperparams(batch_size=search(2, 4, 8))] == [2, 4, 8]
    assert Hyperparams(5, 6).run() == {"total samples": 30}


def test_plain_class_is_the_same() -> None:
    """Without the decorator the fields are the same, for ``dataclasses`` too."""
    assert [each.name for each in dataclasses.fields(Plain())] == [
        "steps",
        "batch_size",
        "items",
        "loose",
        "shape",
    ]
    assert [h.as_dict() for h in Plain(steps=5)] == [
        {"steps": 5, "batch_size": size, "items": [1, 2, 3], "loose": [1, 2, 3], "shape": [1, 2, 3]}
        for size in (16, 32)
    ]


def test_mutable_defaults_are_not_shared() -> None:
    """What one instance or setting appends to a list is in no other's, nor in what it is recorded by."""
    first, second = Plain(), Plain()
    first.items.append(4)
    first.loose.append(4)
    assert (second.items, second.loose) == ([1, 2, 3], [1, 2, 3])
    one, two = iter(Plain())
    before = one.identity
    for mine in (one.items, one.loose, one.shape):
        mine.append(4)
    assert (two.items, two.loose, two.shape) == ([1, 2, 3],) * 3
    assert one.as_dict()["items"] == [1, 2, 3]
    assert one.identity == before


def test_what_is_appended_before_the_walk_counts() -> None:
    """An experiment is altered as any object is, until its settings are asked for."""
    made = Plain(batch_size=16)
    made.items.append(4)
    made.steps = 7
    (setting,) = made
    assert (setting.items, setting.steps) == ([1, 2, 3, 4], 7)
    assert setting.identity == made.identity


@pytest.mark.parametrize("options", [{}, {"frozen": True}, {"slots": True}, {"frozen": True, "slots": True}])
def test_kinds_of_dataclass(options: dict[str, bool]) -> None:
    """Frozen and slotted dataclasses are experiments like any."""

    @dataclass(**options)
    class Kind(Experiment):
        """One of them."""

        items: list[int] = [1]  # noqa: RUF008 - this is what is shown
        x: int = search(1, 2)
        y: list[int] = field(default_factory=lambda: [0])

    settings = list(Kind())
    assert [(h.x, h.y, h.items) for h in settings] == [(1, [0], [1]), (2, [0], [1])]
    assert len({h.identity for h in settings}) == 2
    assert Kind.from_values(settings[1].as_dict()).identity == settings[1].identity


def test_class_variables_are_no_fields() -> None:
    """What is annotated as a class's is left as it is, and plain attributes are no fields."""

    class Some(Experiment):
        """Has both."""

        seen: ClassVar[list[int]] = []
        objective = "loss"
        _cache: ClassVar[dict[str, int]] = {}
        x: int = search(1, 2)

    assert list(fields_of(Some)) == ["x"]
    assert Some.seen == []
    assert Some.objective == "loss"


def test_inheritance() -> None:
    """A subclass has its base's fields, with other defaults where it gives them, annotated or not."""

    class Base(Experiment):
        """Two fields."""

        lr: float = 0.1
        steps: int = 10

    class Child(Base):
        """Another default, a search in place of a value, and a field that must be given."""

        lr = search(0.1, 0.2)
        name_of_run: str  # type: ignore[misc] # fields given by name

    @dataclass
    class Decorated(Base):
        """By the decorator, on a class without."""

        steps: int = search(1, 2, 3)

    assert [(h.lr, h.steps, h.name_of_run) for h in Child(name_of_run="x")] == [
        (0.1, 10, "x"),
        (0.2, 10, "x"),
    ]
    assert [h.steps for h in Decorated(lr=0.5)] == [1, 2, 3]
    with pytest.raises(SettingError, match="needs name_of_run"):
        Child()  # type: ignore[call-arg] # that is the mistake


def test_post_init_sees_fixed_fields() -> None:
    """It is run for each setting, and not where fields are searched; a setting is known by what was before it."""

    class Derived(Experiment):
        """Works something out."""

        size: int = search(1, 2)
        scale: float = 1.0

        def __post_init__(self) -> None:
            self.twice = self.size * 2
            self.scale *= 10

    assert not hasattr(Derived(), "twice")
    one, two = Derived()
    assert (one.twice, two.twice, one.scale) == (2, 4, 10.0)
    assert one.as_dict() == {"size": 1, "scale": 1.0}
    again = Derived.from_values(one.as_dict())
    assert (again.identity, again.scale) == (one.identity, 10.0)
    assert Derived(size=1).identity == one.identity
    assert Derived(size=1).twice == 2


def test_own_init_is_kept() -> None:
    """A class may have an ``__init__`` of its own; settings do not need it."""

    class Own(Experiment):
        """Takes one argument, by position."""

        x: int = search(1, 2)
        y: int = 3

        def __init__(self, y: int) -> None:
            self.y = y

    assert [(h.x, h.y) for h in Own(9)] == [(1, 9), (2, 9)]


def test_copies_and_pickles_are_the_same_setting() -> None:
    """A setting goes through pickle and copy with what its run has altered, and is still known by its values."""
    setting = list(Hyperparams())[1]
    before = setting.identity
    setting.steps = 5
    for again in (pickle.loads(pickle.dumps(setting)), copy.deepcopy(setting)):
        assert (again.steps, again.batch_size, again.identity, again.name) == (5, 32, before, "batch_size=32")


def test_class_goes_to_another_process_by_value(tmp_path: Path) -> None:
    """A class of a script's own is an experiment also where only cloudpickle brought it."""
    script = tmp_path / "script.py"
    script.write_text(
        "import cloudpickle\n"
        "from lattice_addons.experiments import Experiment, search\n"
        "class Mine(Experiment):\n"
        "    x: int = search(1, 2)\n"
        "    items = [1]\n"
        "    tag: str = '{x}'\n"
        "    def __post_init__(self):\n"
        "        self.twice = self.x * 2\n"
        "    def run(self):\n"
        "        return {'y': self.twice}\n"
        "made = list(Mine())[1]\n"
        "data = cloudpickle.dumps((Mine, made, made.as_dict(), made.identity))\n"
        f"open({str(tmp_path / 'class')!r}, 'wb').write(data)\n",
        encoding="utf-8",
    )
    subprocess.run([sys.executable, str(script)], check=True, timeout=120)
    cls, made, values, identity = pickle.loads((tmp_path / "class").read_bytes())
    assert made.run() == cls.from_values(values).run() == {"y": 4}
    assert made.identity == cls.from_values(values).identity == identity
    assert [h.items for h in cls(x=search(1, 2, 3))] == [[1]] * 3


def test_unfinished_business_is_refused() -> None:
    """Each mistake is one error that names the class and field, and what to write."""
    with pytest.raises(SettingError, match="no field 'batchsize'; did you mean 'batch_size'"):
        Hyperparams(batchsize=1)  # type: ignore[call-arg] # that is the mistake
    with pytest.raises(SettingError, match="is not one setting, for batch_size is searched"):
        _ = Hyperparams().identity
    with pytest.raises(NotImplementedError, match="has no run"):
        next(iter(Plain())).run()

    @dataclass
    class Lost(Experiment):
        """A value that only the constructor has."""

        x: dataclasses.InitVar[int] = 3

    with pytest.raises(SettingError, match="InitVar"):
        Lost()
    for name in ("name", "rank", "run_all", "state"):
        with pytest.raises(SettingError, match=f"every experiment has a '{name}' already"):
            type("Taken", (Experiment,), {"__annotations__": {name: int}, name: 1})


def test_run_by_hand_has_the_first_rank() -> None:
    """Nobody needs a runner to run one setting."""
    setting = Hyperparams(batch_size=16)
    assert (setting.rank, setting.n_proc) == (0, 1)
    setting.report(1, 0.5)
    assert bool(Hyperparams())


def test_declared_fields_tell_of_themselves() -> None:
    """What a command line needs to know of a class is there: types, defaults and help."""

    class Told(Experiment):
        """Has each kind."""

        lr: float = value(0.1, help="how fast")
        layers: list[int] = value([1, 2], help="how many each")
        size: int = value(search(1, 2), help="how large")
        must: str = value(help="which")
        unknown: NotThere = None  # type: ignore[name-defined] # noqa: F821 - only type checkers know it

    declared = fields_of(Told)
    assert {name: each.help for name, each in declared.items()} == {
        "lr": "how fast",
        "layers": "how many each",
        "size": "how large",
        "must": "which",
        "unknown": "",
    }
    assert declared["lr"].hint is float
    assert declared["layers"].hint == list[int]
    assert declared["unknown"].hint is Any
    assert [name for name, each in declared.items() if each.required] == ["must"]
    assert [h.size for h in Told(must="x")] == [1, 2]
    assert Told(must="x").layers is not Told(must="x").layers
