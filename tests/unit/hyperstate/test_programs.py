"""A function of a config is a program, whose options are the fields of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import Field

from lattice_addons import hyperstate
from lattice_addons.errors import ConfigError
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Adam:
    """One optimizer."""

    lr: float = 0.1
    """How far a step goes."""
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass
class Sgd:
    """Another one."""

    lr: float = 0.1
    momentum: float = 0.0


@dataclass
class Config:
    """What the program is asked for."""

    steps: int
    batch_size: Annotated[int, Field(gt=0)] = 32  # how many at once
    optimizer: Adam | Sgd = field(default_factory=Adam)
    verbose: bool = False
    names: list[str] = field(default_factory=list)
    layers: list[Sgd] = field(default_factory=list)
    note: str | None = None


def given(config: Config) -> Config:
    """Train a model."""
    return config


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["steps=3"], Config(3)),
        (["--steps", "3"], Config(3)),
        (["--steps=3", "--batch-size", "4"], Config(3, 4)),
        (["--steps", "3", "--batch_size", "4"], Config(3, 4)),
        (["--optimizer.lr", "1e-3", "steps=3"], Config(3, optimizer=Adam(0.001))),
        (
            ["steps=3", "optimizer.lr=5", "--optimizer.betas", "0.1", "0.2"],
            Config(3, optimizer=Adam(5.0, (0.1, 0.2))),
        ),
        (["--verbose", "steps=3"], Config(3, verbose=True)),
        (["steps=3", "--names", "a", "b=c"], Config(3, names=["a", "b=c"])),
        (["--note", "a=b", "steps=3"], Config(3, note="a=b")),
        (["steps=3", "optimizer.type=Sgd", "--optimizer.momentum", "2"], Config(3, optimizer=Sgd(0.1, 2.0))),
        (["steps=3", "layers+={lr: 2}", "--layers.0.momentum", "1"], Config(3, layers=[Sgd(2.0, 1.0)])),
        (["--steps", "-3"], Config(-3)),
        (["steps=3", "--steps", "4"], Config(4)),
    ],
    ids=str,
)
def test_values(args: list[str], expected: Config) -> None:
    """With dashes and without, and both at once; what has dashes counts more."""
    assert hyperstate.cli(given, args) == expected


def test_file_and_values(tmp_path: Path) -> None:
    """What is given counts more than the file, and the file more than the defaults."""
    path = tmp_path / "config.toml"
    path.write_text('steps = 3\nbatch_size = 8\n[optimizer]\ntype = "Sgd"\nlr = 0.5\n')
    config = hyperstate.cli(given, ["--config", str(path), "--optimizer.momentum", "1", "steps=4"])
    assert config == Config(4, 8, Sgd(0.5, 1.0))
    assert hyperstate.cli(given, [f"--config={path}"]) == Config(3, 8, Sgd(0.5))


def test_print_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The config is printed as a file that says it, schedules too, and nothing is run."""

    def never(config: Config) -> None:
        raise AssertionError(config)

    hyperstate.cli(
        never, ["steps=3", "--print-config", "--optimizer.lr", "step: 1.0@0 lin 0.5@5", "--verbose"]
    )
    printed = capsys.readouterr().out
    path = tmp_path / "config.yaml"
    path.write_text(printed)
    assert hyperstate.load_config(Config, path) == Config(3, optimizer=Adam(1.0), verbose=True)
    assert 'lr: "step: 1.0@0 lin 0.5@5"' in printed


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ([], 65, "steps: expected an int, found nothing"),
        (["steps=x"], 65, "the override 'steps=x' does not fit Config: steps: expected an int, found 'x'"),
        (["stepz=3"], 64, "did you mean 'steps'?"),
        (["--config"], 64, "write '--config config.yaml'"),
        (["--config", "none.yaml"], 66, "'none.yaml' cannot be read"),
        (["--verbose"], 2, "--steps INT"),
        (["steps=3", "--steps", "x"], 2, "--steps"),
        (["steps=3", "--stepz", "3"], 2, "--stepz"),
        (["steps=3", "stray"], 2, "stray"),
        (["steps=3", "--batch-size", "0"], 65, "batch_size: expected a value greater than 0, found 0"),
    ],
    ids=str,
)
def test_refused(args: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong is told on stderr, and the program ends with the code of the error."""
    with pytest.raises(SystemExit) as caught:
        hyperstate.cli(given, args)
    assert caught.value.code == code
    assert told in capsys.readouterr().err


def test_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All options are shown, with types, docstrings, and the values that a file has given."""
    path = tmp_path / "config.yaml"
    path.write_text("steps: 7\noptimizer: {type: Sgd}\n")
    for args, told in (
        (
            ["--help"],
            (
                "Train a model.",
                "--steps INT",
                "--optimizer.betas",
                "How far a step goes.",
                "how many at once",
            ),
        ),
        (["-h", "--config", str(path)], ("--optimizer.momentum", "7", "--config FILE", "--print-config")),
    ):
        with pytest.raises(SystemExit) as caught:
            hyperstate.cli(given, args)
        assert caught.value.code == 0
        shown = capsys.readouterr().out
        assert [part for part in told if part not in shown] == []


def no_config(steps: int) -> None:
    """Take no dataclass."""
    del steps


def test_function_of_something_else() -> None:
    """A function that takes no config is refused with an example of one that does."""
    bad: list[Any] = [no_config, lambda: None, lambda one, two: (one, two), lambda one: one]
    for function in bad:
        with pytest.raises(ConfigError, match="def main"):
            hyperstate.cli(function, [])


def test_config_made_in_a_function() -> None:
    """The annotation may name a class of the function that calls."""

    @dataclass
    class Local:
        size: int

    def main(config: Local) -> int:
        return config.size

    assert hyperstate.cli(main, ["size=3"]) == 3
    assert hyperstate.cli(main, ["--size", "4"]) == 4


def test_field_called_config(tmp_path: Path) -> None:
    """``--config`` is the file in any case; the field has its name without dashes."""
    path = tmp_path / "c.yaml"
    path.write_text("config: 1\nsize: 2\n")

    @dataclass
    class Named:
        config: int
        size: int = 0

    def main(config: Named) -> Named:
        return config

    assert hyperstate.cli(main, ["--config", str(path), "config=5", "--size", "3"]) == Named(5, 3)


PROGRAM = '''
from dataclasses import dataclass
import sys
from lattice_addons import hyperstate

@dataclass
class Config:
    """The numbers."""
    lr: float
    steps: int = 3

def main(config: Config):
    print("ran", config, "tyro" in sys.modules)

if __name__ == "__main__":
    hyperstate.cli(main)
'''


@pytest.mark.one_python
def test_real_program(tmp_path: Path) -> None:
    """A program ends with 0 or the error's code, and imports no tyro for a file and overrides."""
    program = Program(tmp_path, PROGRAM)
    (tmp_path / "config.yaml").write_text("lr: 1e-3\n")
    done = program.run("--config", "config.yaml", "steps=5")
    assert (done.returncode, done.stdout) == (0, "ran Config(lr=0.001, steps=5) False\n")
    done = program.run("--lr", "0.5")
    assert (done.returncode, done.stdout) == (0, "ran Config(lr=0.5, steps=3) True\n")
    done = program.run("lr=fast")
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.startswith("error: the override 'lr=fast' does not fit Config: lr: expected a float")
