"""Hyper-parameters as options of a parser: types, order of actions, and what is told of mistakes."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import HyperParameterError
from lattice_addons.hyperparams import bind
from tests.unit.hyperparams.sources import HEAD

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.hyperparams import HyperParameters

SOURCE = (
    HEAD
    + '_("hidden_channels", 128, min=1, help="width, 100% of it")\n_("opt.lr", 0.1)\n'
    + '_("act", "relu", choices=["relu", "gelu"])\n'
    + '_("bias", True)\n_("betas", (0.9, 0.99))\n_("layers", [1])\n_("extra", {})\n_("seed", None)\n_("expr", f(x))\n'
)


@pytest.fixture
def bound(hp: HyperParameters) -> argparse.ArgumentParser:
    """Give a parser that has the options of the manager."""
    hp.parse_source(SOURCE, "model.py")
    parser = argparse.ArgumentParser(prog="train.py")
    bind(parser, hp)
    return parser


def test_each_has_an_option_of_its_type(bound: argparse.ArgumentParser, hp: HyperParameters) -> None:
    """Bool, int, float, str, None, tuple, list, dict and expressions."""
    given = (
        "--hidden-channels 256 --opt.lr 1e-3 --act gelu --bias false --betas 0.8,0.9 --layers [1,2] --extra {'a':1} "
        "--seed 3 --expr run-7"
    )
    namespace = bound.parse_args(given.split())
    expected = {"hidden_channels": 256, "opt.lr": 1e-3, "act": "gelu", "bias": False, "betas": (0.8, 0.9),
                "layers": [1, 2], "extra": {"a": 1}, "seed": 3, "expr": "run-7"}  # fmt: skip
    assert hp.get_values() == expected
    assert vars(namespace) == expected
    hp.reset()
    bound.parse_args(["--bias", "--seed", "None"])
    assert hp("bias") is True
    assert hp("seed") is None
    assert vars(bound.parse_args([]))["hidden_channels"] == 128


def test_help_tells_default_bounds_and_choices(bound: argparse.ArgumentParser) -> None:
    """And the four actions."""
    text = " ".join(bound.format_help().split())
    for part in ("--hidden-channels INT width, 100% of it 1 or more (default: 128)", "--act {relu,gelu}",
                 "--opt.lr FLOAT (default: 0.1)", "--expr VALUE (default: f(x))",
                 "--hp-list [FORM]", "--hp-exit"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("--hidden-channels 2.5", "argument --hidden-channels: '2.5' says no int"),
        ("--hidden-channels 0", "0 is not 1 or more"),
        ("--act tanh", "'tanh' is none of the choices: 'relu', 'gelu'"),
        ("--bias maybe", "says no bool"),
        ("--extra [1]", "takes dict"),
        ("--hp-list xml", "invalid choice: 'xml'"),
        ("--hp-save values.toml", ".yaml, .yml, .json"),
        ("--hp-load nowhere.yaml", "nowhere.yaml"),
        ("--nobody 1", "unrecognized arguments: --nobody"),
    ],
)
def test_mistakes_are_those_of_a_command_line(
    bound: argparse.ArgumentParser,
    hp: HyperParameters,
    capsys: pytest.CaptureFixture[str],
    given: str,
    told: str,
) -> None:
    """Status 2, one line after the usage, and nothing is set."""
    before = hp.get_values()
    with pytest.raises(SystemExit) as ended:
        bound.parse_args(given.split())
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert hp.get_values() == before


def test_load_comes_first_then_options_then_save_then_list(
    bound: argparse.ArgumentParser, hp: HyperParameters, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In whatever order they stand on the command line."""
    load, save = tmp_path / "load.yaml", tmp_path / "save.json"
    load.write_text("hidden_channels: 1\nact: gelu\n")
    arguments = [
        "--hp-list",
        "json",
        "--hp-save",
        str(save),
        "--hidden-channels",
        "2",
        "--hp-load",
        str(load),
    ]
    bound.parse_args(arguments)
    expected = {"hidden_channels": 2, "act": "gelu"}
    for told in (json.loads(save.read_text()), json.loads(capsys.readouterr().out), hp.get_values()):
        assert {name: told[name] for name in expected} == expected


def test_the_end_comes_after_everything_and_asks_for_nothing(
    bound: argparse.ArgumentParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that will not run needs no arguments; without --hp-exit it goes on, and does."""
    action = bound.add_argument("data")
    with pytest.raises(SystemExit) as ended:
        bound.parse_args(["--hp-exit", "--hp-list", "table", "--hp-save", str(tmp_path / "v.yaml")])
    assert not ended.value.code
    assert "hidden_channels" in capsys.readouterr().out
    assert (tmp_path / "v.yaml").exists()
    assert action.required
    with pytest.raises(SystemExit) as ended:
        bound.parse_args(["--hp-list", "table"])
    assert ended.value.code == 2
    assert bound.parse_args(["--hp-list", "table", "--", "d"]).data == "d"


def test_the_list_is_fitted_to_the_width(hp: HyperParameters) -> None:
    """The table of the design: names, types, values, and each occurrence with its lines, that one marked."""
    hp.parse_source(SOURCE, "model.py")
    hp.parse_source(HEAD + 'def f():\n    return _("hidden_channels")\n', "other.py")
    hp.set_value("hidden_channels", 64)
    for width in (60, 100, 200):
        assert max(map(len, hp.describe(width=width).splitlines())) <= width
    text = hp.describe(width=200)
    assert text.startswith("All hyperparameters:\n    ['act', 'betas',")
    for part in ("width, 100% of it; 1 or more", "default: 128", "occurrence[0]:", "occurrence[1]:", "model.py:2",
                 "other.py:3", '==>  3:     return _("hidden_channels")', "one of 'relu', 'gelu'",
                 "| expression |"):  # fmt: skip
        assert part in text
    assert "\x1b" not in text
    assert "hidden_channels: 64" in hp.describe("yaml")
    assert json.loads(hp.describe("json"))["opt"] == {"lr": 0.1}
    with pytest.raises(HyperParameterError):
        hp.describe("xml")


def test_options_that_are_there_already_are_refused(hp: HyperParameters) -> None:
    """By the name of the hyper-parameter and its place."""
    hp.parse_source(HEAD + '_("epochs", 1)', "model.py")
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs")
    with pytest.raises(HyperParameterError, match=r"epochs at model\.py:2: the option --epochs"):
        bind(parser, hp)
    hp.parse_source(HEAD + '_("a_b", 1)\n_("a-b", 1)', "model.py")
    with pytest.raises(HyperParameterError, match="--a-b"):
        bind(argparse.ArgumentParser(), hp)


def test_own_arguments_stay_the_programs(hp: HyperParameters) -> None:
    """An argument of the same name as a hyper-parameter keeps its value in the namespace."""
    hp.parse_source(HEAD + '_("epochs", 1)')
    parser = argparse.ArgumentParser()
    parser.add_argument("-e", dest="epochs")
    bind(parser, hp)
    namespace = parser.parse_args(["-e", "x", "--epochs", "3"])
    assert namespace.epochs == "x"
    assert hp("epochs") == 3


def test_sub_parsers_and_intermixed_arguments(hp: HyperParameters) -> None:
    """A bound parser may be asked in each of argparse's ways."""
    hp.parse_source(HEAD + '_("epochs", 1)')
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    bind(commands.add_parser("train"), hp)
    parser.parse_args(["train", "--epochs", "3"])
    assert hp("epochs") == 3
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*")
    bind(parser, hp)
    assert parser.parse_intermixed_args(["a", "--epochs", "4", "b"]).files == ["a", "b"]
    assert hp("epochs") == 4
    namespace, rest = parser.parse_known_args(["--epochs", "5", "--other"])
    assert (namespace.epochs, rest, hp("epochs")) == (5, ["--other"], 5)
