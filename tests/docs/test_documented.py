"""Nothing public is left out of the reference: names, settings, errors, exit codes and commands."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from typing import TYPE_CHECKING

import pytest
import reference_text

import lattice_addons
from lattice_addons import errors, integrations
from lattice_addons.settings import VARIABLES, Settings
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from types import ModuleType

REFERENCE = ROOT / "docs" / "reference"


def public(package: ModuleType) -> list[str]:
    """Give the modules of a package that programs import."""
    return [room.name for room in pkgutil.iter_modules(package.__path__) if not room.name.startswith("_")]


# Each integration is a door of its own.
INTEGRATIONS = [f"integrations.{name}" for name in public(integrations)]
DOORS = [door for door in public(lattice_addons) if door != "integrations"]
EACH = [
    *(door for door in DOORS if door != "training"),
    *(pytest.param(door, marks=pytest.mark.frameworks) for door in ("training", *INTEGRATIONS)),
]


def opened(door: str) -> ModuleType:
    """Give a door's module; an integration's only where its framework is."""
    if door not in INTEGRATIONS:
        return importlib.import_module(f"lattice_addons.{door}")
    try:
        return importlib.import_module(f"lattice_addons.{door}")
    except ImportError as error:
        if (error.name or "").startswith("lattice_addons"):
            raise
        pytest.skip(f"not installed: {error.name}")


def described(page: str) -> str:
    """Give the text of a page of the reference."""
    return (REFERENCE / f"{page}.rst").read_text(encoding="utf-8")


def test_integrations_are_named() -> None:
    """The package says which frameworks have a module, and imports none of them."""
    assert [f"integrations.{name}" for name in integrations.__all__] == INTEGRATIONS
    assert ".. automodule:: lattice_addons.integrations\n" in described("api")


@pytest.mark.parametrize("door", EACH)
def test_door_is_in_the_reference(door: str) -> None:
    """Each folder's public names are listed by autodoc, which takes them from its ``__all__``."""
    module = opened(door)
    assert module.__doc__, door
    assert module.__all__, door
    pattern = rf"^\.\. automodule:: lattice_addons\.{door}\n   :members:$"
    assert re.search(pattern, described("errors" if door == "errors" else "api"), re.MULTILINE), door


@pytest.mark.parametrize("door", EACH)
def test_public_names_explain_themselves(door: str) -> None:
    """What the reference shows of a class or function is its own docstring; so are its public methods'."""
    module = opened(door)
    if door == "training":
        pytest.importorskip("torch", reason="not installed: torch")
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value):
            assert "__doc__" in vars(value), name
            assert vars(value)["__doc__"], name
            for method, function in vars(value).items():
                if inspect.isfunction(function) and not method.startswith("_"):
                    assert inspect.getdoc(getattr(value, method)), f"{name}.{method}"
        elif inspect.isfunction(value):
            assert value.__doc__, name


def test_top_names_come_through_a_documented_door() -> None:
    """Whatever ``from lattice_addons import …`` gives, a door of a folder shows too."""
    shown = {name for door in DOORS for name in importlib.import_module(f"lattice_addons.{door}").__all__}
    assert set(lattice_addons.__all__) <= shown


def test_every_setting_is_in_the_tables() -> None:
    """Each attribute of Settings is a row, with a default and a meaning."""
    keys, variables = reference_text.keys(), reference_text.variables()
    assert ".. lattice-settings::" in described("settings")
    assert ".. lattice-variables::" in described("settings")
    by_variable = {field: name for name, (field, _) in VARIABLES.items()}
    for field in dataclasses.fields(Settings):
        key = field.metadata.get("key", field.name)
        assert f"``{key}``" in keys or f"``{by_variable[field.name]}``" in variables, field.name


def test_every_variable_is_in_the_tables() -> None:
    """No LATTICE_* variable is named anywhere in the package without being in the reference."""
    named = {
        name
        for path in (ROOT / "lattice_addons").rglob("*.py")
        for name in re.findall(r"\bLATTICE_[A-Z]+(?:_[A-Z]+)*\b", path.read_text(encoding="utf-8"))
    }
    assert named <= set(VARIABLES)


def test_drawn_tree_is_the_real_one() -> None:
    """The drawing at the top of errors.py has each class, in its place, with its exit code."""
    drawn = re.findall(r"^([│ ├└─]*)(\w+Error)\s+(\d+)  \S", inspect.getdoc(errors) or "", re.MULTILINE)
    below_root = reference_text.error_classes()[1:]  # The root's line has the heads of the columns.
    margin = 4
    real = [(margin + 4 * depth(error), error.__name__, str(error.exit_code)) for error in below_root]
    assert [(len(lead), name, code) for lead, name, code in drawn] == real
    assert set(errors.__all__) == {"LatticeError"} | {name for _, name, _ in real}


def depth(error: type[BaseException]) -> int:
    """Count the errors of ours above this one."""
    return sum(issubclass(above, errors.LatticeError) for above in error.__mro__) - 1


@pytest.mark.parametrize("error", reference_text.error_classes(), ids=lambda error: error.__name__)
def test_error_is_in_the_table(error: type[errors.LatticeError]) -> None:
    """Each error has a row with its exit code, and a sentence."""
    row = re.search(
        rf"\.{error.__name__}`\n     - (\d+)\n     - .+\n     - (.+)", reference_text.error_table()
    )
    assert row is not None
    assert row[1] == str(error.exit_code)
    assert row[2].endswith((".", ":", ","))


@pytest.mark.parametrize("command", reference_text.command_names())
def test_command_is_in_the_reference(command: str) -> None:
    """Each command's usage and options are written from its parser."""
    assert ".. lattice-commands::" in described("commands")
    assert f"``lattice {command}``" in reference_text.commands()
