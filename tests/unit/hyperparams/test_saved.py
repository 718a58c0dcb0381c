"""Files of values: read as people write them, written with what people wrote kept."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import HyperParameterError, HyperParameterValueError, NoSourceError
from lattice_addons.hyperparams import HyperParameters
from tests.unit.hyperparams.sources import HEAD

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = (
    HEAD
    + '_("opt.lr", 0.1)\n_("opt.betas", (0.9, 0.99))\n_("layers", [1, 2])\n_("name", "a: b")\n_("seed", None)\n'
    + '_("extra", {"a": [1]})\n_("expr", f(x))\n_("on", True)\n'
)


@pytest.fixture
def filled(hp: HyperParameters) -> HyperParameters:
    """Give a manager with hyper-parameters of most kinds."""
    hp.parse_source(SOURCE)
    return hp


def fresh() -> HyperParameters:
    """Give another one, with the same declarations."""
    manager = HyperParameters("_")
    manager.parse_source(SOURCE)
    return manager


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_what_is_saved_is_loaded(filled: HyperParameters, tmp_path: Path, ending: str) -> None:
    """Every value, with its type; the file is nested, and readable."""
    values = {"opt.lr": 1e-5, "opt.betas": (1.0, float("inf")), "layers": [], "name": "1e3", "seed": (1, (2,)),
              "extra": {"b": {"c": None}}, "expr": {1, 2}, "on": False}  # fmt: skip
    filled.set_values(values)
    path = tmp_path / f"values.{ending}"
    filled.save_file(path)
    other = fresh()
    other.load_file(path)
    assert other.get_values() == values
    assert type(other("seed")) is tuple
    if ending == "json":
        assert json.loads(path.read_text())["opt"]["lr"] == 1e-5
    else:
        assert path.read_text().startswith("opt:\n  lr: ")


def test_a_persons_comments_stay(filled: HyperParameters, tmp_path: Path) -> None:
    """So do the order, blank lines, and how values are written that are the same as before."""
    path = tmp_path / "values.yaml"
    path.write_text(
        '# My values.\n\nname: "a: b"  # quoted\n'
        "opt.lr: 1e-3 # small\n\n# Deep ones.\nopt:\n  # two of them\n"
        "  betas: [0.9, 0.99]  # usual\nlayers:\n  - 1  # first\n  - 2\n# about the seed\nseed: 0x10\nextra:\n"
        "  a: [1]\non: true\n"
    )
    filled.load_file(path)
    assert filled("opt.lr") == 1e-3
    assert filled("seed") == 16
    before = path.read_text()
    filled.save_file(path)
    assert path.read_text() == before
    filled.set_values({"opt.lr": 0.5, "opt.betas": (0.5,), "layers": [7, 8, 9], "seed": 3})
    filled.save_file(path)
    # How far to the right a comment stands depends on how long the value was.
    assert re.sub(" +#", " #", path.read_text().replace("\n  #", "\n#")) == (
        '# My values.\n\nname: "a: b" # quoted\n'
        "opt.lr: 0.5 # small\n\n# Deep ones.\nopt:\n# two of them\n"
        "  betas: [0.5] # usual\nlayers:\n  - 7 # first\n  - 8\n  - 9\n# about the seed\nseed: 3\nextra:\n  a: [1]\n"
        "on: true\n"
    )
    other = fresh()
    other.load_file(path)
    assert other.get_values() == filled.get_values()


def test_what_stands_at_two_places_by_an_alias_is_two_values(hp: HyperParameters, tmp_path: Path) -> None:
    """One of them changes, and the other stays as it is: below names, in dictionaries and lists, and merged."""
    hp.parse_source(
        HEAD + '_("a.p.q", 1)\n_("b.p.q", 1)\n_("c.p.q", 1)\n_("d", {})\n_("e", {})\n_("f", [])\n_("g", [])'
    )
    path = tmp_path / "values.yaml"
    path.write_text(
        "a: &a\n  p: {q: 1}\nb: *a\nc:\n  <<: *a\nd: &d {x: [1]}  # kept\ne: *d\nf: &f [[1], 2]\ng: *f\n"
    )
    hp.load_file(path)
    hp.set_values({"b.p.q": 2, "c.p.q": 3, "e": {"x": [2]}, "g": [[3], 2]})
    values = hp.get_values()
    hp.save_file(path)
    hp.reset()
    hp.load_file(path)
    assert hp.get_values() == values
    assert (values["a.p.q"], values["d"], values["f"]) == (1, {"x": [1]}, [[1], 2])
    assert "# kept" in path.read_text()


def test_what_nobody_declares_any_more_goes(filled: HyperParameters, tmp_path: Path) -> None:
    """Or the file could not be loaded; what is new is added."""
    path = tmp_path / "values.yaml"
    path.write_text("gone: 1\n# kept\nopt:\n  old: 1\n  lr: 0.5\n")
    filled.save_file(path)
    text = path.read_text()
    assert "gone" not in text
    assert "old" not in text
    assert "# kept" in text
    fresh().load_file(path)


@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_every_mistake_is_told_with_its_line(filled: HyperParameters, tmp_path: Path, ending: str) -> None:
    """Unknown names with the nearest ones, and values of the wrong type; nothing is set."""
    path = tmp_path / f"values.{ending}"
    if ending == "yaml":
        path.write_text("# head\nopt:\n  lr: fast\n  beta: 1\nlayers: 3\nseed: 1\n")
    else:
        path.write_text('{\n "opt": {\n  "lr": "fast",\n  "beta": 1},\n "layers": 3, "seed": 1\n}')
    with pytest.raises(HyperParameterValueError) as caught:
        filled.load_file(path)
    told = str(caught.value).splitlines()
    assert len(told) == 3
    assert f"values.{ending}:3: opt.lr: 'fast' is a str, and it takes float" in told[0]
    assert (
        f"values.{ending}:4: nobody declares the hyper-parameter 'opt.beta'; did you mean 'opt.betas'"
        in told[1]
    )
    assert f"values.{ending}:5: layers: 3 is an int" in told[2]
    assert filled("seed") is None


def test_a_file_of_many_names_is_read_once(hp: HyperParameters, tmp_path: Path) -> None:
    """So many times as many take about so many times as long: no line is looked for that nobody is told."""
    took: dict[int, float] = {}
    for count in (200, 6400):
        path = tmp_path / f"{count}.json"
        path.write_text(json.dumps({f"name{number}": number for number in range(count)}, indent=1))
        took[count] = min(seconds_to_read(hp, path) for _ in range(3))
    # Thirty-two times as long it is; a thousand times, were a line looked for by each name.
    assert took[6400] < 180 * took[200]


def seconds_to_read(hp: HyperParameters, path: Path) -> float:
    """Say how long the processor takes to read a file."""
    begun = time.process_time()
    hp.read_file(path, strict=False)
    return time.process_time() - begun


def test_names_that_nobody_declares_are_taken_if_one_says_so(filled: HyperParameters, tmp_path: Path) -> None:
    """For values of a part of the program that comes later."""
    (tmp_path / "v.yaml").write_text("later:\n  x: 1\n")
    filled.load_file(tmp_path / "v.yaml", strict=False)
    assert filled("later.x", 5) == 1


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("v.yaml", "a: [1", "v.yaml:"),
        ("v.yaml", "seed: 1\nseed: 2\n", "v.yaml:2"),
        ("v.yaml", "- 1\n", "names and their values"),
        ("v.yaml", "seed: !!python/object/apply:os.abort []\n", "v.yaml:"),
        ("v.json", '{"seed": 1,\n "seed": 2}', "'seed' stands there twice"),
        ("v.json", '{\n"seed": }', "v.json:2"),
        ("v.json", "[" * 100_000, "v.json"),
        ("v.json", '{"seed": {"$literal": "__import__(\'os\').abort()"}}', "seed"),
        ("v.yaml", "opt: {lr: 0.1}\nopt.lr: 0.2\n", "stands here twice"),
    ],
)
def test_a_file_that_says_nothing_sensible_is_refused(
    filled: HyperParameters, tmp_path: Path, name: str, text: str, told: str
) -> None:
    """With its line, and nothing of it is run."""
    (tmp_path / name).write_text(text)
    with pytest.raises(HyperParameterValueError, match=told):
        filled.load_file(tmp_path / name)


def test_paths_that_cannot_be(filled: HyperParameters, tmp_path: Path) -> None:
    """No such file, no such folder, an ending that says nothing, bytes that are no text."""
    with pytest.raises(NoSourceError):
        filled.load_file(tmp_path / "nowhere.yaml")
    with pytest.raises(NoSourceError):
        filled.save_file(tmp_path / "nowhere" / "v.yaml")
    with pytest.raises(HyperParameterError, match=r"\.yaml, \.yml, \.json"):
        filled.save_file(tmp_path / "v.toml")
    (tmp_path / "v.yaml").write_bytes(b"\xff\xff")
    with pytest.raises(HyperParameterValueError, match="UTF-8"):
        filled.load_file(tmp_path / "v.yaml")


def test_a_value_without_a_text_is_not_saved(filled: HyperParameters, tmp_path: Path) -> None:
    """The file stays as it was."""
    path = tmp_path / "v.yaml"
    path.write_text("seed: 1\n")
    filled.set_value("seed", object())
    with pytest.raises(HyperParameterValueError, match="seed"):
        filled.save_file(path)
    assert path.read_text() == "seed: 1\n"
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".tmp"] == []
