"""A store's jobs arrive in another one as they are, or it is said why not."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.checkpoint import Instant, Part, mirrored, refusals
from lattice_addons.checkpoint._attempts import Attempts
from lattice_addons.checkpoint._parts import Parts
from lattice_addons.cli import main
from lattice_addons.errors import DamagedError, LeaseHeldError
from lattice_addons.storage import LocalStore, MemoryStore, open_store
from tests.unit.checkpoint.lines import fresh, line_of

if TYPE_CHECKING:
    from pathlib import Path


def save(root: Path, job: str = "job", saves: int = 3, **settings: object) -> None:
    """Let a session of a job save some times."""
    given: dict[str, Any] = {"root": str(root), "job_id": job, "signals": (), "keep": 9, **settings}
    group = StateManagerGroup(Settings(**given))
    for name in ("n", "blob"):
        group.register(name)
    first = (group.get("n") or 0) + 1
    for n in range(first, first + saves):
        group.update("n", n)
        group.update("blob", bytes([n]) * 70_000)
        group.save()
    group.close()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Make a store with two jobs."""
    save(tmp_path / "here")
    save(tmp_path / "here", "other", 1)
    return tmp_path / "here"


def files(root: Path) -> dict[str, bytes]:
    """Give what counts of a store."""
    found = ((path.relative_to(root).as_posix(), path) for path in root.rglob("*") if path.is_file())
    return {name: path.read_bytes() for name, path in found if name not in ("README", ".gitignore")}


def copy(capsys: pytest.CaptureFixture[str], *words: object, status: int = 0, answers: bool = True) -> Any:
    """Copy; give the answer."""
    assert main(["copy", *map(str, words), "--json"]) == status
    told = capsys.readouterr()
    return json.loads(told.out) if answers and status in (0, DamagedError.exit_code) else told.err


def test_everything_arrives(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Byte for byte, names that were given included; the program carries on from there."""
    assert main(["keep", "job", "1", "--name", "first", "--root", str(here)]) == 0
    refusals(line_of(LocalStore(here))).add("exit", ValueError("one"))
    capsys.readouterr()
    there = tmp_path / "there"
    rows = copy(capsys, here, there)
    assert [(row["job"], row["checkpoints"], row["there"]) for row in rows] == [
        ("job", 3, 0),
        ("other", 1, 0),
    ]
    assert files(there) == files(here)
    assert main(["verify", "--root", str(there)]) == 0
    save(there)
    assert files(there).items() > files(here).items()


def test_what_is_there_is_not_copied_again(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what is new, and only the job that is named."""
    there = tmp_path / "there"
    copy(capsys, here, there, "job")
    assert {name.partition("/")[0] for name in files(there)} == {"job"}
    save(here)
    (row,) = copy(capsys, here, there, "job")
    assert (row["checkpoints"], row["there"]) == (3, 3)
    (row,) = copy(capsys, here, there, "job")
    assert (row["checkpoints"], row["there"], row["bytes"]) == (0, 6, 0)


def test_a_torn_pack_is_copied_again(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a copy that was killed may have left does no harm."""
    there = tmp_path / "there"
    copy(capsys, here, there)
    for path in there.rglob("checkpoints/*.json"):
        path.unlink()
    torn = max(there.rglob("*.pack"))
    torn.write_bytes(torn.read_bytes()[:-5])
    copy(capsys, here, there)
    assert files(there) == files(here)


def test_bytes_that_arrive_otherwise_are_found(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pack of the right length with a wrong byte is read back, refused, and whole the next time."""
    there = tmp_path / "there"
    copy(capsys, here, there, "job")
    for path in there.rglob("checkpoints/*.json"):
        path.unlink()
    bad = max(there.rglob("*.pack"))
    bad.write_bytes(bad.read_bytes()[:-1] + b"?")
    assert main(["copy", str(here), str(there), "job"]) == 65
    assert "copy once more" in capsys.readouterr().err
    copy(capsys, here, there, "job")
    assert main(["verify", "--root", str(there)]) == 0


def test_damage_is_copied_as_it_is_and_told(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other slots are worth it; the status says that not all is good."""
    bad = max((here / "job").rglob("*.pack"))
    bad.write_bytes(bad.read_bytes()[:-1] + b"?")
    (row,) = copy(capsys, here, tmp_path / "there", "job", status=65)
    assert row["checkpoints"] == 3
    assert "damaged" in row["damaged"][0] or "altered" in row["damaged"][0]


@pytest.mark.parametrize(
    "signed", [{"key": b"k" * 20}, {"encryption_key": b"e" * 20}], ids=["signed", "encrypted"]
)
def test_what_cannot_be_read_here_arrives_too(
    tmp_path: Path, signed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the key, all bytes are held against those of the source; with it the program carries on."""
    if "encryption_key" in signed:
        pytest.importorskip("cryptography", reason="not installed: cryptography")
    here, there = tmp_path / "here", tmp_path / "there"
    save(here, "job", 3, **signed)
    (row,) = copy(capsys, here, there)
    assert row["checkpoints"] == 3
    assert files(there) == files(here)
    for path in there.rglob("checkpoints/*.json"):
        path.unlink()
    bad = max(there.rglob("*.pack"))
    bad.write_bytes(bad.read_bytes()[:-1] + b"?")
    assert "copy once more" in copy(capsys, here, there, status=65, answers=False)
    copy(capsys, here, there)
    assert files(there) == files(here)
    group = StateManagerGroup(Settings(root=str(there), job_id="job", signals=(), **signed))
    group.register("n")
    assert group.get("n") == 3
    group.close()


def test_another_job_of_that_name_stays_as_it_is(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that went further, one that went elsewhere; with nothing in common, only who says --force."""
    there = tmp_path / "there"
    copy(capsys, here, there)
    save(there)
    before = files(there)
    assert "went on to checkpoint 6" in copy(capsys, here, there, status=74)
    save(here, saves=1)
    assert "its checkpoint 4 is another one" in copy(capsys, here, there, status=74)
    assert files(there) == before
    third = tmp_path / "third"
    save(third, saves=1)
    for path in (here / "job").rglob("checkpoints/000000000001.json"):
        path.unlink()
    assert "--force" in copy(capsys, here, third, "job", status=74)
    (row,) = copy(capsys, here, third, "job", "--force")
    assert row["checkpoints"] == 3


def test_a_job_that_is_written_there_is_left_alone(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its writer is named. One that is written here is copied as far as it is."""
    there = tmp_path / "there"
    group = StateManagerGroup(Settings(root=str(there), job_id="job", signals=()))
    try:
        assert "is written by process" in copy(capsys, here, there, "job", status=75)
    finally:
        group.close()
    group = StateManagerGroup(Settings(root=str(here), job_id="job", signals=()))
    try:
        (row,) = copy(capsys, here, there, "job")
    finally:
        group.close()
    assert row["checkpoints"] == 3
    assert not list(there.rglob("lease.json"))


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("here", "here"), 64, "the same store"),
        (("none", "there"), 66, "none"),
        (("here", "there", "x"), 66, "other"),
    ],
)
def test_what_cannot_be_is_said(
    here: Path, words: tuple[str, ...], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    folder = here.parent
    assert told in copy(capsys, *(folder / word for word in words[:2]), *words[2:], status=status)
    assert not (folder / "there").exists()


def test_ranks_arrive_with_where_they_carry_on_from() -> None:
    """The record of the newest start goes after the parts, and the complete instant is the same there."""
    here, there = MemoryStore("copy-here"), MemoryStore("copy-there")
    settings = line_of(here).settings
    lines = [line_of(here, rank=rank) for rank in range(2)]
    for line in lines:
        for step in (1, 2):
            part = Part(2, 1, Instant(0, step), counts=True)
            line.commit({"n": fresh(step)}, parent=None, reason="manual", part=part)
    here.put("job/attempts/000001.json", b"{}")
    here.put("job/attempts/000001/rank-00001.json", b"{}")
    found = mirrored((here, settings), (there, settings), "job", lambda *_: None)
    assert [each.checkpoints for each in found] == [2, 2]
    assert there.list("job/attempts/") == ["job/attempts/000001.json"]
    line = line_of(there)
    newest = Parts(line).newest(Attempts(line).all())
    assert newest is not None
    assert newest.numbers == (2, 2)


@pytest.mark.parametrize("saves", [3, 1000], ids=["for a while", "all the time"])
def test_a_job_that_deletes_what_is_being_copied(tmp_path: Path, saves: int) -> None:
    """What it has then is copied in its place; a copy of nothing is an error, and leaves nothing."""
    settings = Settings(root=str(tmp_path / "here"), job_id="job", signals=(), keep=1, atexit_saving=False)
    other = Settings(root=str(tmp_path / "there"), job_id="job")
    source, target = open_store(settings), open_store(other)
    group = StateManagerGroup(settings)
    group.register("blob")
    left = saves

    def save_and_forget() -> None:
        group.update("blob", os.urandom(80_000))
        group.save()

    def tell(done: int, total: int) -> None:
        nonlocal left
        assert done <= total
        before = {*source.list("job/rank-00000/packs")}
        deadline = time.monotonic() + 60
        left -= 1
        # The pack that is being copied goes, whichever it is.
        while left > 0 and before & {*source.list("job/rank-00000/packs")}:
            assert time.monotonic() < deadline
            save_and_forget()

    save_and_forget()
    try:
        if saves > 100:
            with pytest.raises(LeaseHeldError, match="lattice keep job"):
                mirrored((source, settings), (target, other), "job", tell)
            assert not [key for key in target.list("job") if "/packs/" in key or "/checkpoints/" in key]
        else:
            [found] = mirrored((source, settings), (target, other), "job", tell)
            assert (found.checkpoints, bool(found.gone)) == (1, True)
            assert main(["verify", "--root", str(tmp_path / "there")]) == 0
            assert len(target.list("job/rank-00000/packs")) == 1
    finally:
        group.close()


def test_a_checkpoint_that_is_deleted_before_it_is_copied(tmp_path: Path) -> None:
    """It is gone, and no pack is copied for its sake."""
    source, target = LocalStore(tmp_path / "here"), LocalStore(tmp_path / "there")
    line = line_of(source)
    made = [
        line.commit({"blob": fresh(os.urandom(70_000))}, parent=n or None, reason="manual") for n in range(3)
    ]
    line.release()
    packs = [f"job/rank-00000/packs/{next(each.slots['blob'].chunks()).pack}.pack" for each in made]

    def tell(_done: int, _total: int) -> None:
        source.delete(["job/rank-00000/checkpoints/000000000002.json"])

    [found] = mirrored((source, line.settings), (target, line.settings), "job", tell)
    assert (found.checkpoints, found.gone) == (2, [2])
    assert target.list("job/rank-00000/packs") == sorted([packs[0], packs[2]])
    assert found.bytes == source.size(packs[0]) + source.size(packs[2])


def test_a_checkpoint_that_is_deleted_before_it_is_compared(tmp_path: Path) -> None:
    """What is there of it stays, and the others are copied."""
    source, target = LocalStore(tmp_path / "here"), LocalStore(tmp_path / "there")
    line = line_of(source)
    for n in range(2):
        line.commit({"blob": fresh(os.urandom(70_000))}, parent=n or None, reason="manual")
    mirrored((source, line.settings), (target, line.settings), "job", lambda *_: None)
    line.commit({"blob": fresh(os.urandom(70_000))}, parent=2, reason="manual")
    line.release()

    class Deleting(type(source)):  # type: ignore[misc]
        """Its program goes on between the listing and the first look."""

        def list(self, prefix: str) -> list[str]:
            """List, and let what was listed go."""
            keys: list[str] = super().list(prefix)
            self.delete([key for key in keys if key.endswith("/000000000001.json")])
            return keys

    busy = Deleting(tmp_path / "here")
    [found] = mirrored((busy, line.settings), (target, line.settings), "job", lambda *_: None)
    assert (found.checkpoints, found.there, found.gone) == (1, 1, [1])
    assert line_of(target).numbers() == [1, 2, 3]
