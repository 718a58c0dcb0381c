"""Bad input gets one clear error, and the program's other state is saved and found."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import (
    DecodeError,
    FormatError,
    NotSavedError,
    UntrustedError,
)
from lattice_addons.storage import LocalStore
from tests.program import Program, finish, wait_for
from tests.unit.checkpoint.lines import forge

if TYPE_CHECKING:
    from pathlib import Path


def group_in(folder: Path, **settings: object) -> StateManagerGroup:
    """Start a session."""
    chosen: dict[str, object] = {"root": str(folder), "job_id": "job", "signals": (), **settings}
    return StateManagerGroup(Settings(**chosen))  # type: ignore[arg-type]


class Recursive:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


class Raises:
    """Cannot say what it is made of."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __reduce__(self) -> tuple[object, ...]:
        """Fail."""
        raise self.error("no")


@pytest.mark.parametrize(
    "value",
    [
        (n for n in [1]),
        Raises(ValueError),
        Raises(SystemExit),
        Raises(MemoryError),
        {"deep": [Raises(KeyError)]},
    ],
    ids=["generator", "ValueError", "SystemExit", "MemoryError", "nested"],
)
def test_a_value_that_cannot_be_pickled_stops_nothing_else(tmp_path: Path, value: object) -> None:
    """It is named, the rest is saved, and its last good value stays."""
    group = group_in(tmp_path)
    for key in ("good", "bad"):
        group.register(key)
        group.update(key, 1)
    group.save()
    group.update("good", 2)
    group.update("bad", value)
    with pytest.raises(NotSavedError, match="'bad'"):
        group.save()
    group.close()

    group = group_in(tmp_path)
    group.register("good")
    group.register("bad")
    assert (group.get("good"), group.get("bad")) == (2, 1)
    group.close()


def test_a_recursive_value_comes_back_recursive(tmp_path: Path) -> None:
    """An object that refers to itself is no error."""
    group = group_in(tmp_path)
    group.register("me")
    group.update("me", Recursive())
    group.save()
    group.close()

    group = group_in(tmp_path)
    group.register("me")
    me = group.get("me")
    assert me.me is me
    group.close()


@pytest.mark.slow
def test_a_large_value_comes_back(tmp_path: Path) -> None:
    """A quarter of a gibibyte, which is more than is read ahead or written at once."""
    np = pytest.importorskip("numpy")
    value = np.arange(2**25 + 2**23, dtype=np.int64)
    group = group_in(tmp_path, keep=1)
    group.register("big")
    group.update("big", value)
    group.save()
    group.close()
    del group

    group = group_in(tmp_path)
    group.register("big")
    assert np.array_equal(group.get("big"), value)
    group.close()


def test_a_class_that_is_gone_fails_only_its_slot_and_loses_nothing(tmp_path: Path) -> None:
    """Its bytes are kept and carried forward; when the class is back, so is the value."""
    source = """
        import sys
        from lattice_addons import StateManagerGroup
        group = StateManagerGroup()
        group.register('thing')
        group.register('n')
        group.update('n', (group.get('n') or 0) + 1)
        if 'gone' not in sys.argv:
            class Thing:
                def __init__(self, x):
                    self.x = x
            thing = group.get('thing') or Thing(3)
            group.update('thing', thing)
            print(thing.x, group.get('n'))
        else:
            try:
                group.get('thing')
            except Exception as error:
                print(type(error).__name__, error)
    """
    program = Program(tmp_path, source)
    assert program.run().stdout == "3 1\n"

    for _ in range(5):
        told = program.run("gone").stdout
        assert told.startswith(f"{DecodeError.__name__} ")
        assert "Thing" in told

    assert program.run().stdout == "3 7\n"


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An older Lattice does not begin afresh over a newer one's checkpoints."""
    group = group_in(tmp_path)
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()
    (manifest,) = tmp_path.rglob("checkpoints/*.json")
    forge(LocalStore(tmp_path), 1, b'"format": 1', b'"format": 2')
    before = manifest.read_bytes()

    with pytest.raises(FormatError, match="newer"):
        group_in(tmp_path)

    assert manifest.read_bytes() == before


def test_two_programs_with_one_job(tmp_path: Path) -> None:
    """The second is told host and pid of the first, and what to set; with that it runs."""
    program = Program(
        tmp_path,
        """
        from lattice_addons import StateManagerGroup
        group = StateManagerGroup()
        group.register('n')
        group.update('n', 1)
        print('begun')
        input()
        """,
    )
    first = program.start()
    wait_for(first, "begun")

    second = finish(program.start(stdin=subprocess.DEVNULL))
    other = program.start(environ={"LATTICE_JOB_ID": "other"})
    wait_for(other, "begun")

    assert second.returncode == 1
    told = second.stderr.splitlines()[-1]
    assert "LeaseHeldError" in told
    assert str(first.pid) in told
    assert "LATTICE_JOB_ID" in told
    for process in (first, other):
        assert process.stdin is not None
        process.stdin.write("\n")
        assert finish(process).returncode == 0
    assert len(list(tmp_path.rglob("checkpoints/*.json"))) == 2


def test_the_job_of_a_killed_program_is_taken_over_at_once(tmp_path: Path) -> None:
    """A lease left by a dead process keeps nobody out."""
    program = Program(
        tmp_path,
        """
        import os, signal
        from lattice_addons import StateManagerGroup
        group = StateManagerGroup()
        group.register('n')
        group.update('n', (group.get('n') or 0) + 1)
        group.save()
        print(group.get('n'), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )

    assert [program.run().stdout for _ in range(3)] == ["1\n", "2\n", "3\n"]


def test_unsigned_and_altered_checkpoints_are_not_unpickled(tmp_path: Path) -> None:
    """With a key set, what was stored without it, or changed since, is refused; with trust=safe all pickle is."""
    key = b"a key of sixteen bytes or more"
    group = group_in(tmp_path)
    group.register("thing")
    group.update("thing", Recursive())
    group.save()
    group.close()

    with pytest.raises(UntrustedError):
        group_in(tmp_path, key=key)

    group = group_in(tmp_path, trust="safe")
    group.register("thing")
    with pytest.raises(UntrustedError, match="safe"):
        group.get("thing")
    group.close()


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("LATTICE_CHECKPOINT_TYPE", "locl", "local"),
        ("LATTICE_CHECKPOINT_CONFIG", "keeep=3", "keep"),
        ("LATTICE_CHECKPOINT_CONFIG", "keep=three", "three"),
        ("LATTICE_CHECKPOINT_CONFIG", "periodic_saving=enabled", "periodic_saving_interval"),
        ("LATTICE_CHECKPOINT_CONFIG", "signals=SIGTREM", "SIGTERM"),
        ("LATTICE_CHECKPOINT_CONFIG", "trust=signed", "LATTICE_CHECKPOINT_KEY"),
    ],
)
def test_a_malformed_setting_is_an_error_at_the_first_group(
    tmp_path: Path, variable: str, text: str, told: str
) -> None:
    """It names the variable, the bad part and the nearest valid one."""
    program = Program(tmp_path, "from lattice_addons import StateManagerGroup\nStateManagerGroup()\n")

    ended = program.run(environ={variable: text})

    assert ended.returncode == 1
    line = ended.stderr.splitlines()[-1]
    assert "SettingsError" in line
    assert variable in line
    assert told in line
