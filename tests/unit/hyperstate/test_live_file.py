"""A config's file that is edited while the program runs, as editors save it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from lattice_addons.hyperstate import AddField, Rule, Versioned
from lattice_addons.hyperstate._held import HeldConfig
from lattice_addons.hyperstate._live import LiveFile
from lattice_addons.hyperstate._read import read_text

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Config(Versioned):
    """What is in the file, and what the command line says; older files get another rate."""

    lr: float = 0.1
    steps: int = 1

    @classmethod
    def version(cls) -> int:
        """Give the version of now."""
        return 1

    @classmethod
    def upgrade_rules(cls) -> dict[int, list[Rule]]:
        """Give older files a rate."""
        return {0: [AddField("lr", 7.0)]}


@pytest.mark.parametrize("name", ["config.yaml", "config.toml", "config.ron", "config.json"])
def test_a_file_that_an_editor_has_emptied_to_write_it_changes_nothing(tmp_path: Path, name: str) -> None:
    """It is read between the two: no field is set to its default, and what is written then counts."""
    texts = {
        "yaml": "version: 1\nlr: {}\n",
        "toml": "version = 1\nlr = {}\n",
        "ron": "Config(version: 1, lr: {})",
        "json": '{{"version": 1, "lr": {}}}',
    }
    text = texts[name.partition(".")[2]]
    path = tmp_path / name
    path.write_text(text.format(0.5))
    file = LiveFile(str(path))
    config = HeldConfig(Config, {"version": 1, "lr": 0.5}, key=None, overrides=["steps=9"])
    path.write_text("")
    assert file.serve(config) == []
    assert config.value == Config(0.5, 9)
    path.write_text(text.format(0.25))
    assert len(file.serve(config)) == 1
    assert config.value == Config(0.25, 9)


def test_the_first_line_of_a_file_that_had_none_keeps_what_the_command_line_said(tmp_path: Path) -> None:
    """A file in which all is commented out says nothing; only what is then written into it counts."""
    path = tmp_path / "config.yaml"
    path.write_text("# version: 1\n# steps: 1\n")
    file = LiveFile(str(path))
    config = HeldConfig(Config, {"version": 1}, key=None, overrides=["steps=9"])
    path.write_text("version: 0\nlr: 0.25\n")
    file.serve(config)
    assert config.value == Config(0.25, 9)


@dataclass
class Adam:
    """One of two classes."""

    lr: float = 0.1
    limits: dict[int, float] = field(default_factory=dict)


@dataclass
class Sgd:
    """The other."""

    lr: float = 0.1
    momentum: float = 0.0


@dataclass
class Training:
    """What is trained with one of them."""

    optimizer: Adam | Sgd
    steps: int = 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.ron", "Training(optimizer: Adam(lr: {}, limits: {{3: {}}}))"),
        ("config.yaml", "optimizer: !Adam {{lr: {}, limits: {{3: {}}}}}\n"),
        ("config.json", '{{"optimizer": {{"type": "Adam", "lr": {}, "limits": {{"3": {}}}}}}}'),
    ],
)
def test_a_field_of_a_named_struct_is_changed_alone(tmp_path: Path, name: str, text: str) -> None:
    """What was set otherwise, beside it and around it, stays; another class replaces the whole."""
    path = tmp_path / name
    path.write_text(text.format(0.5, 1.0))
    file = LiveFile(str(path))
    overrides = ["steps=9", "optimizer.lr=0.2"]
    config = HeldConfig(Training, read_text(path).data, key=None, overrides=overrides)
    # Of another length: two edits within one tick of the clock of a file system are told apart by that.
    path.write_text(text.format(0.5, 0.25))
    assert [each.notes[0].split(" (")[0] for each in file.serve(config)] == [
        "edited optimizer.limits.3: 1.0 → 0.25"
    ]
    assert config.value == Training(Adam(0.2, {3: 0.25}), 9)


def test_another_class_by_its_tag_replaces_the_whole(tmp_path: Path) -> None:
    """Its fields are others, and those of the class before are no faults."""
    path = tmp_path / "config.yaml"
    path.write_text("optimizer: !Adam {lr: 0.5, limits: {3: 1.0}}\n")
    file = LiveFile(str(path))
    config = HeldConfig(Training, read_text(path).data, key=None, overrides=["steps=9"])
    path.write_text("optimizer: !Sgd {lr: 0.25, momentum: 0.5}\n")
    file.serve(config)
    assert config.value == Training(Sgd(0.25, 0.5), 9)


@dataclass
class Part:
    """A member of a mapping."""

    share: float
    tags: dict[str, int] = field(default_factory=dict)


@dataclass
class Mixture:
    """A config with mappings, one in the other, and a field that is no mapping."""

    parts: dict[int, Part] = field(default_factory=dict)
    lr: float = 0.1


def test_a_key_that_is_taken_out_of_a_mapping_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A field of a class that is taken out is refused: what it is to be then, nobody has said."""
    whole = {"lr": 0.5, "parts": {"1": {"share": 0.5, "tags": {"a": 1, "b": 2}}, "2": {"share": 0.5}}}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(whole))
    file = LiveFile(str(path))
    config = HeldConfig(Mixture, whole, key=None)
    path.write_text(json.dumps({"lr": 0.5, "parts": {"1": {"share": 0.5, "tags": {"b": 2}}}}))
    [taken] = file.serve(config)
    assert config.value == Mixture({1: Part(0.5, {"b": 2})}, 0.5)
    assert [note.partition(" (")[0] for note in taken.notes] == [
        "edited parts.1.tags.a: 1 → nothing",
        'edited parts.2: {"share": 0.5, "tags": {}} → nothing',
    ]
    for text in ('{"parts": {}}', '{"lr": 0.5}', '{"lr": 0.5, "parts": {"1": {"tags": {"b": 2}}}}'):
        caplog.clear()
        path.write_text(text)
        assert file.serve(config) == []
        assert "was taken out of the file" in caplog.text
    assert config.value == Mixture({1: Part(0.5, {"b": 2})}, 0.5)
