"""What was found is known the next time, as long as it is true; a cache never decides what is found."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import DeclarationError
from lattice_addons.hyperparams import HyperParameters, _cache, _collect
from tests.unit.hyperparams.sources import HEAD

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.hyperparams._files import File

LONG_AGO = 1_600_000_000


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with files; none is taken to have been changed a moment ago."""
    # The time of an inode's change cannot be set back.
    monkeypatch.setattr(_cache, "_SETTLED", -(10**18))
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(5):
        declaring = f'_("n{number}", [{number}], help="h", own=(1, "x"))'
        (folder / f"m{number}.py").write_text(f'{HEAD}{declaring}\n_.set_value("s", 1)')
    (folder / "other.py").write_text("import os\n")
    return folder


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record which files are read."""
    found: list[str] = []
    facts = _collect._facts

    def recorded(file: File, placeholder: str | None) -> object:
        found.append(os.path.basename(file.path))
        return facts(file, placeholder)

    monkeypatch.setattr(_collect, "_facts", recorded)
    return found


def parsed(tree: Path, **options: bool) -> HyperParameters:
    """Parse it by a new manager."""
    manager = HyperParameters("_")
    manager.parse_file(tree, **options)
    return manager


def test_nothing_is_read_twice_and_everything_is_the_same(tree: Path, reads: list[str]) -> None:
    """Occurrences with values, hints, places and lines."""
    first = parsed(tree)
    assert len(reads) == 6
    second = parsed(tree)
    assert len(reads) == 6
    assert first.occurrences().records() == second.occurrences().records()
    assert [each.context for each in first.occurrences()] == [each.context for each in second.occurrences()]
    assert second.get_value("n3") == [3]
    parsed(tree, cache=False)
    assert len(reads) == 12


def test_what_has_changed_is_read_again(tree: Path, reads: list[str]) -> None:
    """Also when size and time are the same; what is new is read, and what is gone is gone."""
    parsed(tree)
    path = tree / "m1.py"
    status = path.stat()
    # Until the clock of the file system has gone on, the file would be the same to whoever looks.
    while path.stat().st_ctime_ns == status.st_ctime_ns:
        path.write_text(path.read_text().replace("[1]", "[7]"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (tree / "m2.py").unlink()
    (tree / "new.py").write_text(HEAD + '_("new", 1)')
    reads.clear()
    found = parsed(tree)
    assert sorted(reads) == ["m1.py", "new.py"]
    assert found.get_value("n1") == [7]
    assert not found.exists("n2")
    assert found.exists("new")


def test_a_file_that_was_just_changed_is_not_trusted(
    tree: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be changed again within one tick of the clock of its file system."""
    monkeypatch.setattr(_cache, "_SETTLED", 3600 * 10**9)
    parsed(tree)
    parsed(tree)
    assert len(reads) == 12


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "words", "types", "folder"])
def test_damage_is_no_more_than_lost_time(tree: Path, reads: list[str], cache: Path, damage: str) -> None:
    """Whatever stands there: what is found is what the source says, and nothing is run."""
    expected = parsed(tree).occurrences().records()
    (path,) = cache.iterdir()
    text = path.read_bytes()
    if damage == "flip":
        path.write_bytes(text.replace(b"n3", b"n4", 1))
    elif damage == "cut":
        path.write_bytes(text[: len(text) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "words":
        forge(path, [1, 2])
    elif damage == "types":
        told = json.loads(text.partition(b"\n")[2])
        for number, entry in enumerate(told.values()):
            entry[1] = [None, {"_": 3}, {"_": [[{}], [], []]}, {"_": [[], [{"name": 1}], []]}, 7, []][number]
        forge(path, told)
    else:
        path.unlink()
        path.mkdir()
    reads.clear()
    assert parsed(tree).occurrences().records() == expected
    assert len(reads) >= 5 - (damage == "types")


def forge(path: Path, told: object) -> None:
    """Write a cache with a right check sum."""
    body = json.dumps(told).encode()
    path.write_bytes(_cache._sum(body) + b"\n" + body)


def test_a_forged_cache_runs_nothing(tree: Path, cache: Path) -> None:
    """Texts of defaults and hints are literals, or they are no values."""
    parsed(tree)
    (path,) = cache.iterdir()
    told = json.loads(path.read_bytes().partition(b"\n")[2])
    for entry in told.values():
        for occurrence in entry[1].get("_", [[]])[0]:
            occurrence["default"] = "__import__('os').abort()"
    forge(path, told)
    assert parsed(tree).get_values() == {}


def test_many_may_use_it_at_once(tree: Path, cache: Path) -> None:
    """Each finds everything, and what is there at the end is whole."""
    found: list[int] = []

    def run() -> None:
        found.extend(len(parsed(tree).names()) for _ in range(10))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {5}
    assert [path.suffix for path in cache.iterdir()] == [".json"]


def test_no_room_for_a_cache_is_no_reason_to_fail(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a home that does not exist."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(parsed(tree).names()) == 5
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert len(parsed(tree).names()) == 5


def test_problems_are_kept_too(tree: Path, reads: list[str]) -> None:
    """The same error, without the file being parsed again."""
    (tree / "bad.py").write_text(HEAD + "_(name)")
    told = []
    for _ in range(2):
        with pytest.raises(DeclarationError) as caught:
            parsed(tree)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert reads.count("bad.py") == 1


def test_taking_all_is_kept_apart(tree: Path) -> None:
    """What is found with one switch is not what is found with another."""
    (tree / "alike.py").write_text('_("alike", 1)')
    assert not parsed(tree).exists("alike")
    assert parsed(tree, take_all=True).exists("alike")
    assert not parsed(tree).exists("alike")
