"""What the store does on S3 beyond the contract: few requests, large files, lost answers, other people's keys."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import NoAccessError, StoreError, UnreachableError
from lattice_addons.storage.remote import RemoteStore, _patience, _remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.servers import Bucket

_MIB = 1 << 20


@pytest.fixture
def store(s3: Bucket) -> RemoteStore:
    """Give a store that asks once, however slow the machine is."""
    return RemoteStore(s3.root, s3.options, patience=90)


def a_file(folder: Path, size: int, name: str = "pack") -> str:
    """Make a file of bytes that do not repeat."""
    path = folder / name
    path.write_bytes(os.urandom(size))
    return str(path)


def test_a_listing_is_one_request_and_never_stale(s3: Bucket, store: RemoteStore) -> None:
    """What another machine stores between two listings is in the second one."""
    assert store.listing("job/") == {}
    s3.put("job/a", b"abc")
    s3.proxy.forget()
    listed = store.listing("job/")
    assert s3.proxy.counts() == {"list": 1}
    assert [*listed] == ["job/a"]
    assert listed["job/a"].size == 3
    assert listed["job/a"].modified is not None
    s3.put("job/a", b"abcd")
    assert store.listing("job")["job/a"].tag != listed["job/a"].tag


def test_a_long_listing_has_pages(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys than one answer holds are listed, and more than one request takes are deleted."""
    store = RemoteStore(s3.root, s3.options | {"s3_additional_kwargs": '{"MaxKeys": 5}'}, patience=90)
    monkeypatch.setattr("lattice_addons.storage.remote._removing._BATCH", 5)
    names = [f"job/{number:05}" for number in range(12)]
    for name in names:
        s3.put(name, b"")
    assert store.list("job") == names
    assert s3.proxy.counts() == {"list": 3}
    assert store.folders() == ["job"]
    store.delete(names)
    assert s3.proxy.counts()["delete-batch"] == 3
    assert s3.keys() == []


def test_names_that_are_no_keys_are_left_out(s3: Bucket, store: RemoteStore) -> None:
    """Folder markers of consoles, and what else people put there."""
    for name in ("job/", "job//x", "job/a"):
        s3.put(name, b"")
    assert store.list() == ["job/a"]


def test_ranges_are_fetched_together(s3: Bucket, store: RemoteStore) -> None:
    """Each is one request; a long one is cut into several; they go at the same time."""
    data = os.urandom(20 * _MIB)
    s3.put("pack", data)
    store.read("pack", 0, 1)
    s3.proxy.forget()
    ranges = [
        ("pack", 5, 10),
        ("pack", 1000, 5000),
        ("pack", _MIB, 20 * _MIB),
        ("pack", 20 * _MIB - 3, 21 * _MIB),
    ]
    assert store.fetch(ranges) == [data[start:stop] for _, start, stop in ranges]
    assert s3.proxy.counts() == {"get": 5}
    assert store.fetch([]) == []


def test_a_small_file_is_one_request(s3: Bucket, store: RemoteStore, tmp_path: Path) -> None:
    """The same bytes again are fine, others never."""
    path = a_file(tmp_path, _MIB)
    told: list[int] = []
    store.send("job/pack", path, tell=told.append)
    assert s3.proxy.counts() == {"put": 1}
    assert told == [_MIB]
    assert s3.get("job/pack") == (tmp_path / "pack").read_bytes()
    store.send("job/pack", path)
    other = a_file(tmp_path, _MIB, "other")
    with pytest.raises(StoreError, match="job/pack") as caught:
        store.send("job/pack", other)
    assert caught.value.errno == errno.EEXIST
    store.send("job/pack", other, over=True)
    assert s3.get("job/pack") == (tmp_path / "other").read_bytes()


def test_a_large_file_goes_in_parts(s3: Bucket, store: RemoteStore, tmp_path: Path) -> None:
    """Several at once, one object in the end, nothing left over; the same bytes again are fine, others never."""
    path = a_file(tmp_path, 16 * _MIB + 5)
    told: list[int] = []
    store.send("job/pack", path, parts=str(tmp_path / "parts.json"), tell=told.append)
    assert s3.proxy.counts() == {"begin": 1, "part": 3, "complete": 1}
    assert s3.get("job/pack") == (tmp_path / "pack").read_bytes()
    assert told[-1] == 16 * _MIB + 5
    assert told == sorted(told)
    assert not (tmp_path / "parts.json").exists()
    store.send("job/pack", path)
    other = a_file(tmp_path, 16 * _MIB, "other")
    with pytest.raises(StoreError, match="job/pack") as caught:
        store.send("job/pack", other)
    assert caught.value.errno == errno.EEXIST
    assert s3.uploads() == []
    store.send("job/pack", other, over=True)
    assert s3.get("job/pack") == (tmp_path / "other").read_bytes()


def test_an_upload_goes_on_where_another_stopped(s3: Bucket, tmp_path: Path) -> None:
    """What is up is not sent again, by another process's store."""
    path, parts = a_file(tmp_path, 17 * _MIB), tmp_path / "parts.json"
    s3.proxy.fail(403, "part", path="partNumber=3")
    with pytest.raises(StoreError, match="UploadPart"):
        RemoteStore(s3.root, s3.options).send("job/pack", path, parts=str(parts))
    up = len(json.loads(parts.read_text())["tags"])
    assert 1 <= up < 3
    s3.proxy.heal()
    s3.proxy.forget()
    RemoteStore(s3.root, s3.options, patience=90).send("job/pack", path, parts=str(parts))
    assert s3.proxy.counts() == {"part": 3 - up, "complete": 1}
    assert s3.get("job/pack") == (tmp_path / "pack").read_bytes()
    assert s3.uploads() == []


@pytest.mark.parametrize("spoil", ["changed", "vanished", "torn"])
def test_an_upload_that_cannot_go_on_is_begun_anew(s3: Bucket, tmp_path: Path, spoil: str) -> None:
    """Another file under the name, an upload that was aborted, a torn note: the object is right, nothing is left."""
    path, parts = a_file(tmp_path, 17 * _MIB), tmp_path / "parts.json"
    s3.proxy.fail(403, "part", path="partNumber=3")
    store = RemoteStore(s3.root, s3.options)
    with pytest.raises(StoreError, match="UploadPart"):
        store.send("job/pack", path, parts=str(parts))
    s3.proxy.heal()
    [upload] = s3.uploads()
    if spoil == "changed":
        a_file(tmp_path, 17 * _MIB)
    elif spoil == "vanished":
        s3.ask("DELETE", f"/{s3.prefix}/job/pack?uploadId={upload}")
    else:
        parts.write_text(parts.read_text()[:-20])
    store.send("job/pack", path, parts=str(parts))
    assert s3.get("job/pack") == (tmp_path / "pack").read_bytes()
    assert s3.uploads() == ([upload] if spoil == "torn" else [])


def test_credentials_that_expire_and_are_renewed(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an upload, and in the file in which they were found: who tries again has the new ones."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    known = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(known))
    monkeypatch.setattr(_remote, "_AS_FOUND", 0.0)
    written = "[default]\naws_access_key_id = {}\naws_secret_access_key = secret\n"
    known.write_text(written.format("yesterday"))
    store = RemoteStore(s3.root, s3.options, patience=90)
    path, parts = a_file(tmp_path, 40 * _MIB), str(tmp_path / "parts")

    def expire(_: int) -> None:
        s3.proxy.fail(403, by="yesterday")

    with pytest.raises(NoAccessError, match="refuses"):
        store.send("job/pack", path, parts=parts, tell=expire)
    with pytest.raises(NoAccessError, match="refuses"):
        store.list()
    known.write_text(written.format("today"))
    s3.proxy.forget()
    store.send("job/pack", path, parts=parts)
    assert s3.proxy.counts()["part"] < 5, "all of it was sent again"
    assert store.read("job/pack") == Path(path).read_bytes()


def test_an_upload_that_nobody_can_resume_is_aborted(s3: Bucket, store: RemoteStore, tmp_path: Path) -> None:
    """Its parts would be paid for, and seen by nobody."""
    s3.proxy.fail(403, "part", path="partNumber=2")
    with pytest.raises(StoreError, match="UploadPart"):
        store.send("job/pack", a_file(tmp_path, 17 * _MIB))
    assert s3.uploads() == []


def test_memory_stays_bounded(s3: Bucket, store: RemoteStore, tmp_path: Path) -> None:
    """A file is never whole in memory, nor are its parts."""
    import tracemalloc

    path = a_file(tmp_path, 32 * _MIB)
    store.listing()
    tracemalloc.start()
    try:
        store.send("job/pack", path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * _MIB
    assert len(s3.get("job/pack") or b"") == 32 * _MIB


@pytest.mark.parametrize("kind", ["put", "part", "complete", "begin"])
def test_a_lost_answer_is_no_refusal(s3: Bucket, store: RemoteStore, tmp_path: Path, kind: str) -> None:
    """The server did it, nobody heard; done again it is met as our own."""
    store.listing()
    s3.proxy.lose(kind)
    if kind == "put":
        store.put("job/key", b"mine")
        assert s3.get("job/key") == b"mine"
        s3.proxy.lose(kind)
    size = _MIB if kind == "put" else 17 * _MIB
    store.send("job/pack", a_file(tmp_path, size))
    assert s3.get("job/pack") == (tmp_path / "pack").read_bytes()


def test_anothers_key_of_the_same_bytes_is_anothers(s3: Bucket, store: RemoteStore) -> None:
    """Of two that put the same, one is told that it was late: also when its first answer was lost."""
    RemoteStore(s3.root, s3.options).put("job/key", b"same")
    s3.proxy.reset("put", times=1)
    with pytest.raises(StoreError) as caught:
        store.put("job/key", b"same")
    assert caught.value.errno == errno.EEXIST


@pytest.mark.parametrize("spoil", ["throttled", "reset", "cut", "error"])
def test_what_may_be_over_in_a_moment_is_tried_again(
    s3: Bucket, store: RemoteStore, tmp_path: Path, spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading, storing, listing and deleting go on."""
    monkeypatch.setattr(_patience, "_FIRST_PAUSE", 0.01)
    s3.put("job/a", b"x" * 300_000)

    def cut(kind: str) -> None:
        s3.proxy.cut(10, kind)
        s3.proxy.cut_answer(10, kind)

    faults: dict[str, Callable[[str], None]] = {
        "throttled": lambda kind: s3.proxy.fail(503, kind, times=2),
        "reset": lambda kind: s3.proxy.reset(kind, times=2),
        "error": lambda kind: s3.proxy.fail(500, kind, times=2),
        "cut": cut,
    }
    for kind in ("list", "get", "put", "part", "delete-batch"):
        faults[spoil](kind)
    assert store.list() == ["job/a"]
    assert store.read("job/a") == b"x" * 300_000
    store.put("job/b", b"y" * 1000)
    store.send("job/c", a_file(tmp_path, 17 * _MIB))
    store.delete(["job/a", "job/b"])
    assert s3.keys() == ["job/c"]
    assert s3.get("job/c") == (tmp_path / "pack").read_bytes()


def test_a_black_hole_is_left_in_time(s3: Bucket, tmp_path: Path) -> None:
    """Every call ends within its patience, and a little; so does one in the middle of an upload."""
    import time

    store = RemoteStore(s3.root, s3.options, patience=0.3)
    s3.put("job/key", b"x")
    path = a_file(tmp_path, 17 * _MIB)
    s3.proxy.black_hole()
    calls: list[Callable[[], object]] = [
        store.check,
        store.listing,
        lambda: store.read("job/key"),
        lambda: store.put("job/new", b"x"),
        lambda: store.send("job/pack", path),
        lambda: store.delete(["job/key"]),
        lambda: RemoteStore(s3.root, s3.options, patience=0.3).listing(),
    ]
    for call in calls:
        begun = time.monotonic()
        with pytest.raises(UnreachableError, match="offline=allow"):
            call()
        assert time.monotonic() - begun < 60
    s3.proxy.heal()
    assert RemoteStore(s3.root, s3.options).read("job/key") == b"x"
    assert RemoteStore(s3.root, s3.options).conditional


def test_it_is_used_in_a_forked_child(s3: Bucket, store: RemoteStore) -> None:
    """The child makes a file system of its own; the parent's goes on."""
    store.put("parent", b"x")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.put("child", store.read("parent"))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    store.put("after", b"x")
    assert s3.keys() == ["after", "child", "parent"]


def test_sweeping_aborts_old_uploads(s3: Bucket, store: RemoteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a fresh one somebody may be about to go on; one of another folder is not looked at."""
    for key in ("job/pack", "other/pack"):
        s3.ask("POST", f"/{s3.prefix}/{key}?uploads")
    assert store.sweep("job/") == 0
    assert len(s3.uploads()) == 2
    monkeypatch.setattr("lattice_addons.storage.remote._removing._ABANDONED", -60)
    assert store.sweep("job/") == 1
    assert len(s3.uploads()) == 1
