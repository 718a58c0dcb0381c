"""A wrong or missing key is told at once, is never taken for damage, and nothing is lost for want of it."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.checkpoint import prunable, prune, repair
from lattice_addons.checkpoint._seal import seal
from lattice_addons.errors import DamagedError, SettingsError, UntrustedError, WrongKeyError
from lattice_addons.storage import LocalStore, MemoryStore
from tests.program import Program
from tests.unit.checkpoint.encrypted import MARKER, OTHER, SECRET, encrypted, shows
from tests.unit.checkpoint.lines import damage, line_of, manifest, packs, save, values

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store with four encrypted checkpoints, one of which has a name."""
    store = LocalStore(tmp_path / "store")
    line = encrypted(store, keep=9)
    for n in range(4):
        save(line, n=n, text=f"{n} {MARKER}" * 9000)
    line.keeps.put(2, "best")
    line.release()
    return store


def everything(store: Store) -> dict[str, bytes]:
    """Give all that is stored, but for the lease."""
    return {key: store.read(key) for key in store.list("") if not key.endswith("lease.json")}


ACTIONS: dict[str, Callable[[Line], object]] = {
    "newest": lambda line: line.newest(),
    "load": lambda line: line.load(2),
    "verify": lambda line: list(line.verify()),
    "prune": prune,
    "prunable": prunable,
    "repair": lambda line: list(repair(line)),
    "repair, dry": lambda line: list(repair(line, dry_run=True)),
    "commit": lambda line: save(line, n=5),
    "dirty": lambda line: line.dirty({}),
    "names": lambda line: line.keeps.names(),
}


@pytest.mark.parametrize("secret", [None, OTHER], ids=["no key", "another key"])
@pytest.mark.parametrize("action", ACTIONS)
def test_without_the_key_everything_stays_as_it_is(store: Store, action: str, secret: bytes | None) -> None:
    """One clear error, and not a byte is changed."""
    before = everything(store)
    line = encrypted(store, secret, keep=1)
    with pytest.raises(WrongKeyError, match="LATTICE_ENCRYPTION_KEY") as caught:
        ACTIONS[action](line)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 77
    assert not isinstance(caught.value, DamagedError)
    line.release()
    assert everything(store) == before


@pytest.mark.parametrize("secret", [None, OTHER], ids=["no key", "another key"])
def test_retention_deletes_nothing_that_it_cannot_read(store: Store, secret: bytes | None) -> None:
    """Not even when it is asked to, nor what it takes for the leavings of dead processes."""
    before = everything(store)
    line = encrypted(store, secret, keep=1)
    line.acquire()
    line.sweep()
    line.retain()
    line.tidier.now(10)
    line.release()
    assert everything(store) == before


def test_with_a_newer_one_of_another_key_nothing_old_is_used_or_deleted(store: Store) -> None:
    """As when somebody puts a checkpoint of another store there; a damaged one in between changes nothing."""
    elsewhere = MemoryStore("elsewhere")
    other = encrypted(elsewhere, OTHER)
    for n in range(6):
        save(other, n=n)
    store.put(manifest(6), elsewhere.read(manifest(6)))
    store.put(manifest(7), b"no manifest")
    before = everything(store)
    line = encrypted(store, keep=1)
    with pytest.raises(WrongKeyError):
        line.newest()
    with pytest.raises(WrongKeyError):
        save(line, n=7)
    line.sweep()
    line.retain()
    line.release()
    after = everything(store)
    assert {key: after.get(key) for key in packs(store)} == {key: before[key] for key in packs(store)}
    assert manifest(6) in after


@pytest.mark.parametrize("where", ["manifest", "pack"])
def test_a_flipped_bit_is_damage_and_not_a_wrong_key(store: Store, where: str) -> None:
    """The one before is used then, as without a key."""
    if where == "manifest":
        for at in range(0, store.size(manifest(4)), 7):
            whole = store.read(manifest(4))
            damage(store, manifest(4), at)
            with pytest.raises(DamagedError):
                encrypted(store).load(4)
            store.replace(manifest(4), whole)
        damage(store, manifest(4), 200)
        line = encrypted(store)
        newest = line.newest()
        assert newest is not None
        assert newest.number == 3
        return
    for key in packs(store):
        damage(store, key, 20)
    line = encrypted(store)
    findings = list(line.verify())
    assert [finding.slot for finding in findings if not finding.good] == ["text"] * 4
    assert all(isinstance(finding.error, DamagedError) for finding in findings if not finding.good)


def pack_of(store: Store, number: int) -> str:
    """Give the key of the pack of a checkpoint that has one."""
    (pack,) = {chunk.pack for chunk in encrypted(store).load(number).chunks()}
    (key,) = (key for key in packs(store) if pack in key)
    return key


def test_a_chunk_in_anothers_place_is_damage(store: Store) -> None:
    """Packs that change their names are not taken for each other."""
    # Not the first two by name: packs of one millisecond are in no order.
    one, two = (pack_of(store, number) for number in (1, 2))
    first, second = store.read(one), store.read(two)
    store.replace(one, second)
    store.replace(two, first)
    line = encrypted(store)
    assert [finding.number for finding in line.verify() if not finding.good] == [1, 2]


def test_swapped_manifests_are_refused(store: Store) -> None:
    """Neither under another number, nor with the number made to fit and the digest made anew."""
    text = store.read(manifest(1))
    store.replace(manifest(3), text)
    with pytest.raises(DamagedError, match="does not belong there"):
        encrypted(store).load(3)
    body = text[: text.rindex(b',\n"digest"')].replace(b'"number": 1', b'"number": 3')
    store.replace(manifest(3), seal(body, None))
    with pytest.raises(UntrustedError, match="put in another's place"):
        encrypted(store).load(3)
    body = body.replace(b'"number": 3', b'"number": 1').replace(b'"job": "job"', b'"job": "mine"')
    store.put("mine/rank-00000/checkpoints/000000000001.json", seal(body, None))
    with pytest.raises(UntrustedError):
        line_of(store, "mine", encryption_key=SECRET).newest()


def test_what_is_put_together_of_two_manifests_is_refused(store: Store) -> None:
    """The head of one and the values of another."""
    one, two = (store.read(manifest(number)) for number in (1, 2))
    parts = [text[: text.rindex(b',\n"digest"')].partition(b'\n"encrypted"') for text in (one, two)]
    store.replace(manifest(1), seal(parts[0][0] + parts[1][1] + parts[1][2], None))
    with pytest.raises(UntrustedError):
        encrypted(store).load(1)
    assert [each.outcome for each in repair(encrypted(store))] == ["lost"]
    assert store.list("job/rank-00000/quarantine") == []


def test_a_group_without_the_key_does_not_begin(tmp_path: Path) -> None:
    """Not afresh, and not from an older checkpoint; with the key it goes on as if nothing had been."""
    settings = Settings(root=str(tmp_path / "s"), job_id="job", signals=(), encryption_key=SECRET)
    group = StateManagerGroup(settings)
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()
    for other in (None, OTHER):
        for _ in range(2):
            with pytest.raises(WrongKeyError):
                StateManagerGroup(dataclasses.replace(settings, encryption_key=other))
    group = StateManagerGroup(settings)
    group.register("n")
    assert group.get("n") == 1
    group.close()


SOURCE = f"""
    import sys
    from lattice_addons import StateManagerGroup

    group = StateManagerGroup()
    group.register("{MARKER}")
    group.register("table of {MARKER}")
    seen = group.get("{MARKER}") or []
    print(len(seen), flush=True)
    group.update("{MARKER}", [*seen, sys.argv[1]])
    group.update("table of {MARKER}", {{n: ("{MARKER}", n) for n in range(5000)}})
    group.async_save() if "async" in sys.argv else None
    if "die" in sys.argv:
        raise RuntimeError("{MARKER}")
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Give a program that keeps the marker in names and values, and is given it as an argument."""
    return Program(tmp_path, SOURCE)


def test_a_program_leaves_no_plaintext_anywhere(program: Program) -> None:
    """Whatever is below the root after saves of all kinds, an uncaught error, and a change of the store."""
    key = {"LATTICE_ENCRYPTION_KEY": SECRET.decode()}
    for count, more in enumerate(([], ["async"], ["die"], ["async"])):
        done = program.run(MARKER, *more, environ=key)
        assert (done.stdout, done.returncode) == (f"{count}\n", int("die" in more)), done.stderr
    files = [path for path in program.root.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert [path for path in files if shows(path.read_bytes()) or MARKER in path.name] == []


def test_a_program_with_another_key_says_so_in_its_first_line(program: Program) -> None:
    """It ends at once, and the next one with the key carries on."""
    key = {"LATTICE_ENCRYPTION_KEY": SECRET.decode()}
    assert program.run(MARKER, environ=key).returncode == 0
    before = program.checkpoints()
    for environ in ({}, {"LATTICE_ENCRYPTION_KEY": OTHER.decode()}):
        done = program.run(MARKER, environ=environ)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("WrongKeyError") == 1
    assert program.checkpoints() == before
    assert program.run(MARKER, environ=key).stdout == "1\n"


def test_without_the_package_it_is_said_how_to_get_it(program: Program) -> None:
    """One clear error at the start: nothing is stored unencrypted instead."""
    (program.folder / "cryptography.py").write_text("raise ImportError('not there')\n")
    done = program.run(MARKER, environ={"LATTICE_ENCRYPTION_KEY": SECRET.decode()})
    assert done.returncode == 1
    assert "pip install 'lattice-addons[encryption]'" in done.stderr.splitlines()[-1]
    assert not program.checkpoints()


def test_the_package_is_imported_only_with_a_key(program: Program) -> None:
    """A program that does not encrypt does not wait for it."""
    program.path.write_text(
        program.path.read_text() + '\nprint("cryptography" in sys.modules)\n', encoding="utf-8"
    )
    assert program.run(MARKER).stdout == "0\nFalse\n"
    environ = {"LATTICE_ENCRYPTION_KEY": SECRET.decode(), "LATTICE_JOB_ID": "other"}
    assert program.run(MARKER, environ=environ).stdout == "0\nTrue\n"


def test_all_of_the_package_is_imported_at_the_start(program: Program) -> None:
    """A program that is being ended, or is out of file descriptors, can import nothing."""
    source = program.path.read_text().replace(
        'group.register("table', 'before = set(sys.modules)\ngroup.register("table'
    )
    end = 'print([name for name in set(sys.modules) - before if "cryptography" in name])'
    program.path.write_text(f"{source}\ngroup.save()\n{end}\n", encoding="utf-8")
    for count in range(2):
        done = program.run(MARKER, environ={"LATTICE_ENCRYPTION_KEY": SECRET.decode()})
        assert done.stdout == f"{count}\n[]\n", done.stderr


def test_a_missing_package_is_told_from_a_wrong_key(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Also where only a command reads."""
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(SettingsError, match=r"lattice-addons\[encryption\]"):
        encrypted(store)
    monkeypatch.undo()
    assert values(encrypted(store), encrypted(store).newest())["n"] == 3
