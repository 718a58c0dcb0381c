"""An experiment that is another's field multiplies its grid, and is known with it."""

from __future__ import annotations

import pytest

from lattice_addons.errors import SettingError
from lattice_addons.experiments import Experiment, search


class Adam(Experiment):
    """A part of other experiments."""

    lr: float = search(0.1, 0.01)


class Nested(Experiment):
    """Holds another."""

    model: str = search("a", "b")
    optimizer: Adam = Adam()
    tag: str = "{model}-{optimizer.lr:g}"


def test_nested_experiments_multiply_the_grid() -> None:
    """Every setting of one comes with every setting of the other; the last turns fastest."""
    experiment = Nested()
    assert len(experiment) == 4
    assert [h.tag for h in experiment] == ["a-0.1", "a-0.01", "b-0.1", "b-0.01"]
    assert experiment.searched == ("model", "optimizer.lr")
    (fixed, _) = Nested(model="a")
    assert fixed.name == "model=a,optimizer.lr=0.1"
    assert fixed.as_dict() == {"model": "a", "optimizer": {"lr": 0.1}, "tag": "a-0.1"}
    one, two = Nested(optimizer=Adam(lr=1))
    one.optimizer.lr = 5
    assert two.optimizer.lr == 1.0


def test_experiments_may_be_points() -> None:
    """Each point multiplies by its own grid, and is known by its class when it is made again."""

    class Sgd(Experiment):
        """Another optimizer."""

        lr: float = 0.5
        momentum: float = search(0.9, 0.99)

    class Either(Experiment):
        """One or the other."""

        optimizer: Experiment = search(Adam(), Sgd())
        size: int = search(1, 2)

    experiment = Either()
    settings = list(experiment)
    assert len(experiment) == len(settings) == 8
    assert len({h.identity for h in settings}) == 8
    assert settings[-1].name == "optimizer=Sgd,optimizer.lr=0.5,optimizer.momentum=0.99,size=2"
    for setting in settings:
        again = Either.from_values(setting.as_dict(), experiment.searched)
        assert type(again.optimizer) is type(setting.optimizer)
        assert (again.identity, again.name) == (setting.identity, setting.name)


def test_values_carry_a_setting() -> None:
    """From its values a setting is the same one; from those of another class it is refused."""
    setting = list(Nested())[2]
    assert Nested.from_values(setting.as_dict()).as_dict() == setting.as_dict()
    with pytest.raises(SettingError, match="no field 'modle'; did you mean 'model'"):
        Nested.from_values({"modle": "a"})
    with pytest.raises(SettingError, match="another version of the class"):
        Nested.from_values({"optimizer": {"lr": 0.1}})


def test_nested_texts_are_filled_in() -> None:
    """A part's own texts name its own fields, in a part that was given and in one that is walked."""

    class Part(Experiment):
        """Has a text."""

        lr: float = search(0.1, 0.2)
        tag: str = "lr={lr}"

    class Whole(Experiment):
        """Holds it."""

        part: Part = Part()

    given = Whole(part=Part(lr=0.5))
    assert given.as_dict() == {"part": {"lr": 0.5, "tag": "lr=0.5"}}
    assert given.identity == next(iter(given)).identity
    assert [h.part.tag for h in Whole()] == ["lr=0.1", "lr=0.2"]
    given.part = Part()
    assert [h.part.tag for h in given] == ["lr=0.1", "lr=0.2"]


def test_nested_settings_are_not_shared() -> None:
    """What a run alters in its own part is not altered in that of a setting with the same part."""

    class First(Experiment):
        """The part stands above another search, and so is the same for several settings."""

        part: Adam = Adam(lr=0.5)
        size: int = search(1, 2)

    one, two = First()
    one.part.lr = 7
    assert two.part.lr == 0.5
    assert one.as_dict() == {"part": {"lr": 0.5}, "size": 1}
