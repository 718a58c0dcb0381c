"""Real programs: the examples of the design, command lines, checkpoints, and recipes for other front-ends."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT, examples
from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

LIB = """
from lattice_addons.hyperparams.m import _


def add():
    return _("a", 0) + _("b", 0)


def mult():
    return _("a") * _("b")
"""
MAIN = """
#!/usr/bin/env python3
import os
import argparse

from lattice_addons.hyperparams.m import _

import lib


def main():
    basedir = os.path.dirname(os.path.realpath(__file__))
    _.parse_file(basedir)

    parser = argparse.ArgumentParser()
    parser.add_argument("-a", default=_.get_value("a"), type=int)
    parser.add_argument("-b", default=_.get_value("b"), type=int)
    args = parser.parse_args()

    _.set_value("a", args.a)
    _.set_value("b", args.b)

    print("a = {}".format(_.get_value("a")))
    print("b = {}".format(_.get_value("b")))
    print("lib.add() = {}".format(lib.add()))
    print("lib.mult() = {}".format(lib.mult()))


if __name__ == "__main__":
    main()
"""
MODEL = """\
from torch import nn
from lattice_addons.hyperparams.m import _


def build_model():
    hidden_channels = _("hidden_channels", 128)  # <-- hyper-parameter
    return nn.Sequence(
        [
            nn.Sequence(nn.Linear(_("input_channels", 10), hidden_channels),  # <-- hyper-parameter
                        nn.BatchNorm1d(hidden_channels),
                        nn.ReLU())
        ] + [
            nn.Sequence(nn.Linear(hidden_channels, hidden_channels), 
                        nn.BatchNorm1d(hidden_channels),
                        nn.ReLU())
            for i in range(_("num_layers", 5) - 1)  # <-- hyper-parameter
        ] + [
            nn.Linear(hidden_channels, _("output_channels", 10))  # <-- hyper-parameter
        ]
    )
"""  # noqa: W291 - as it is written
TRAIN = """
import argparse, os
from lattice_addons.hyperparams import bind
from lattice_addons.hyperparams.m import _

_.parse_file(os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.py"))
parser = argparse.ArgumentParser()
bind(parser, _)
parser.parse_args()
print("channels", _("hidden_channels"))
"""


def environ(folder: Path, **more: str) -> dict[str, str]:
    """Give the environment of a program whose cache is its own."""
    return clean_environ(XDG_CACHE_HOME=str(folder / "cache"), **more)


def output(program: Program, *args: str, status: int = 0, **more: str) -> str:
    """Run a program and give what it prints."""
    done = program.run(*args, environ=environ(program.folder, **more))
    assert done.returncode == status, done.stderr
    return done.stdout if not status else done.stderr


def test_the_first_example_runs(tmp_path: Path) -> None:
    """With nothing changed but the import."""
    Program(tmp_path, LIB, "lib.py")
    program = Program(tmp_path, MAIN, "main.py")
    assert output(program).splitlines() == ["a = 0", "b = 0", "lib.add() = 0", "lib.mult() = 0"]
    assert output(program, "-a", "2", "-b", "3").splitlines() == [
        "a = 2",
        "b = 3",
        "lib.add() = 5",
        "lib.mult() = 6",
    ]


def test_the_table_is_that_of_the_design(tmp_path: Path) -> None:
    """Line by line, for the model of the example, which needs a library that is not there."""
    Program(tmp_path, MODEL, "model.py")
    told = output(Program(tmp_path, TRAIN, "train.py"), "--hp-list", COLUMNS="145").splitlines()
    assert told[:3] == [
        "All hyperparameters:",
        "    ['hidden_channels', 'input_channels', 'num_layers', 'output_channels']",
        "Details:",
    ]
    cells = [[cell.rstrip() for cell in line.split(" | ")] for line in told[3:] if line.startswith("| ")]
    assert [cell.lstrip("| ") for cell in cells[0][:2]] == ["name", "type"]
    assert [(row[0].lstrip("| "), row[1], row[2].strip()) for row in cells if row[0].strip("| ")][1:] == [
        ("hidden_channels", "int", "128"), ("input_channels", "int", "10"), ("num_layers", "int", "5"),
        ("output_channels", "int", "10"),
    ]  # fmt: skip
    details = [row[3].rstrip(" |") for row in cells[1:]]
    assert details[:3] == ["occurrence[0]:", "  model.py:6", "     1: from torch import nn"]
    assert '==>  6:     hidden_channels = _("hidden_channels", 128)  # <-- hyper-parameter' in details
    assert (
        '==> 18:             nn.Linear(hidden_channels, _("output_channels", 10))  # <-- hyper-parameter'
        in details
    )
    assert sum(each.startswith("==>") for each in details) == 4
    assert told[-1] == "channels 128"


def test_values_travel_from_one_run_to_another(tmp_path: Path) -> None:
    """Saved by one, loaded by another; mistakes end with status 2."""
    Program(tmp_path, MODEL, "model.py")
    train = Program(tmp_path, TRAIN, "train.py")
    assert output(train, "--hp-save", "v.yaml", "--hidden-channels", "64") == "channels 64\n"
    assert output(train, "--hp-load", "v.yaml") == "channels 64\n"
    assert output(train, "--hp-load", "v.yaml", "--hidden-channels", "32") == "channels 32\n"
    assert output(train, "--hp-list", "yaml", "--hp-exit").splitlines()[0] == "hidden_channels: 128"
    (tmp_path / "v.yaml").write_text("hidden_chanels: 1\n")
    assert "v.yaml:1: nobody declares" in output(train, "--hp-load", "v.yaml", status=2)


def test_the_command_needs_nothing_that_the_source_needs(tmp_path: Path) -> None:
    """As a process; a check that finds nothing says nothing."""
    (tmp_path / "model.py").write_text(MODEL)
    command = [sys.executable, "-m", "lattice_addons.cli", "hp", "."]
    for more, status in ((("list", "--form", "json"), 0), (("check",), 0)):
        done = subprocess.run(
            [*command, *more],
            cwd=tmp_path,
            env=environ(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert json.loads(done.stdout)["num_layers"] == 5 if more[0] == "list" else done.stdout == ""


RESUMED = """
import sys
from lattice_addons import StateManagerGroup
from lattice_addons.hyperparams.m import _

if len(sys.argv) > 2:
    _.carry_on(resume=sys.argv[2])
group = StateManagerGroup()
group.register("n")
group.update("n", 0)
if len(sys.argv) > 3:
    _.set_value("lr", float(sys.argv[3]), strict=False)
lr = _("lr", eval(sys.argv[1]))
print("lr", lr)
"""


def test_a_restarted_program_is_told_what_has_changed(tmp_path: Path) -> None:
    """Each rule; what counts is stored by the next save at exit."""
    program = Program(tmp_path, RESUMED)

    def values() -> object:
        return json.loads(program.checkpoints()[-1].read_text())["hyperparams"]

    def run(*args: str, status: int = 0) -> tuple[str, str]:
        done = program.run(*args, environ=environ(tmp_path))
        assert done.returncode == status, done.stderr
        return done.stdout.strip(), done.stderr

    assert run("0.1") == ("lr 0.1", "")
    assert values() == {"_": {"lr": 0.1}}
    told, warned = run("0.2")
    assert told == "lr 0.2"
    assert "hyper-parameter lr was 0.1 in checkpoint 1 of job 'program', and is 0.2 now" in warned
    assert run("0.2") == ("lr 0.2", "")
    told, warned = run("0.5", "stored")
    assert told == "lr 0.2"
    assert "lr is 0.2, as in checkpoint 3" in warned
    assert values() == {"_": {"lr": 0.2}}
    assert run("0.5", "stored", "0.9")[0] == "lr 0.9"
    assert "HyperParametersChangedError" in run("0.5", "error", status=1)[1]
    assert run("0.9", "error") == ("lr 0.9", "")


RECIPES = [
    each
    for each in examples(ROOT / "docs/howto/hyper-parameters-other-front-ends.rst")
    if each.name.startswith("train_")
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_recipes_take_options(recipe: object, tmp_path: Path) -> None:
    """Click, typer and tyro: values from the command line reach the hyper-parameters, and mistakes are told."""
    name = recipe.name  # type: ignore[attr-defined]
    if importlib.util.find_spec(name.removeprefix("train_").removesuffix(".py")) is None:
        pytest.skip("this front-end is not installed")
    for other in examples(recipe.page):  # type: ignore[attr-defined]
        Program(tmp_path, other.source, other.name)
    program = Program(tmp_path, recipe.source, name)  # type: ignore[attr-defined]
    assert "lr 0.1" in output(program)
    assert "lr 0.5" in output(program, "--lr", "0.5")
    assert "0.1" in output(program, "--help")
    assert program.run("--lr", "fast", environ=environ(tmp_path)).returncode == 2


def test_there_is_a_recipe_for_each() -> None:
    """The three front-ends that are asked for."""
    assert {each.name for each in RECIPES} == {"train_click.py", "train_typer.py", "train_tyro.py"}


def test_the_picture_is_that_of_the_program(tmp_path: Path) -> None:
    """The README's picture of --hp-list is what `docs/hp_list.py` draws now."""
    drawn = tmp_path / "hp-list.svg"
    subprocess.run(
        [sys.executable, ROOT / "docs" / "hp_list.py", drawn], check=True, env=environ(tmp_path), cwd=tmp_path
    )
    picture = ROOT / "docs" / "_static" / "hp-list.svg"
    # How rich draws letters may change; what they say must not.
    said = [re.findall(">([^<]+)</text>", each.read_text()) for each in (drawn, picture)]
    assert said[0] == said[1], "draw it anew: python docs/hp_list.py"
    assert "==&gt;" in picture.read_text()
    assert "docs/_static/hp-list.svg" in (ROOT / "README.rst").read_text()
    assert os.path.getsize(picture) < 100_000
