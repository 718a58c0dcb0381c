"""What somebody put into one job, by whatever means, ends no page of another one, and takes no memory for it."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import zstandard
from blake3 import blake3

pytest.importorskip("starlette", reason="needs the extra `service`")

from lattice_addons import Settings
from lattice_addons.checkpoint._seal import seal
from lattice_addons.cli import main
from lattice_addons.errors import CheckpointError
from lattice_addons.service import Jobs, make_app
from lattice_addons.service.view import _manifests, slot_value, slots_of
from lattice_addons.storage import LocalStore
from tests.integration.asking import asked

if TYPE_CHECKING:
    from pathlib import Path

PACK = "0" * 26
DEEP = b"[" * 1000 + b"]" * 1000
ESCAPES = "\x1b[31mred\u202e"


def manifest(job: str, slots: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """Write a manifest whose digest is right; a field may be bytes, which are taken for JSON."""
    told = {
        "format": 1,
        "job": job,
        "rank": 0,
        "number": 1,
        "parent": None,
        "created": "2026-01-01T00:00:00Z",
    }
    told |= {"reason": "manual", "notes": [], "program": {}, "metrics": {}} | fields
    lines = [
        b'"%b": %b,\n' % (name.encode(), value if isinstance(value, bytes) else orjson.dumps(value))
        for name, value in told.items()
    ]
    entries = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in (slots or {}).items())
    return seal(b'{\n%b"slots": {\n%b\n}' % (b"".join(lines), entries.encode()), None)


def slot(value: object, encoding: str = "json") -> dict[str, object]:
    """Write a slot that has its value in the manifest."""
    return {"manager": "reference", "encoding": encoding, "type": "t", "size": 3, "value": value}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Give a store with a job as it should be."""
    made = LocalStore(tmp_path / "store")
    put(made, "good", {"n": slot(1)})
    return made


def put(store: LocalStore, job: str, slots: dict[str, Any] | None = None, **fields: Any) -> None:
    """Store a job with a checkpoint."""
    store.put(f"{job}/rank-00000/checkpoints/000000000001.json", manifest(job, slots, **fields))


def answers(store: LocalStore, *paths: str) -> list[tuple[int, str]]:
    """Ask the service of a store."""
    app = make_app(store)

    async def ask() -> list[tuple[int, bytes]]:
        return [await asked(app, "GET", path) for path in paths]

    return [(status, text.decode()) for status, text in asyncio.run(ask())]


@pytest.mark.parametrize(
    "fields",
    [
        {
            "program": b'{"host": %b, "pid": %b, "argv": [%b], "packages": {"a": %b}}'
            % (DEEP, DEEP, DEEP, DEEP)
        },
        {"hyperparams": b'{"a": {"b": %b}}' % DEEP},
        {"metrics": b'{"bytes_total": %b, "seconds": %b}' % (DEEP, DEEP)},
        {"program": {"host": 1, "argv": "a", "packages": [1], "python": {}}, "created": "x" * 100_000},
        {"reason": "r" * 1_000_000, "notes": ["n" * 1_000_000] * 3},
    ],
)
def test_one_job_hides_no_other(store: LocalStore, fields: dict[str, Any]) -> None:
    """Nested without end, of other types, or long: the list of all is there, with all."""
    put(store, "odd", {}, **fields)
    for status, text in answers(store, "/", "/v1/view/jobs"):
        assert (status, "good" in text, "odd" in text) == (200, True, True)
        assert len(text) < 100_000
    for status, text in answers(
        store, "/jobs/odd", "/jobs/odd/checkpoints/1", "/v1/view/jobs/odd/checkpoints/1"
    ):
        assert status == 200 or "nested too deep" in text
        assert "fault" not in text


def test_what_no_view_foresees_is_that_jobs_own(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of ours that one job's bytes bring out is told at that job."""
    put(store, "odd")
    jobs = Jobs(store, Settings(root=store.root))
    rank = jobs.rank
    monkeypatch.setattr(
        jobs, "rank", lambda name, *told, **more: rank(name, *told, **more) if name == "good" else 1 / 0
    )
    assert {view.name: view.problem for view in jobs.all()} == {
        "good": "",
        "odd": "it cannot be shown: ZeroDivisionError",
    }


@pytest.mark.parametrize(
    "told", [[1], "x", 3, {"shape": 5}, {"shape": "x"}, {"shape": [[1]], "dtype": "d" * 10_000}]
)
def test_an_array_that_is_none(store: LocalStore, told: object) -> None:
    """What it is said to be is not believed, and shown in short."""
    put(store, "odd", {"a": slot(told, "numpy")})
    jobs = Jobs(store, Settings(root=store.root))
    (shown,) = slots_of(jobs.manifests.whole("odd", 0, 1), None)
    assert len(shown.preview) <= 80


def test_a_value_is_as_long_as_its_chunks(store: LocalStore) -> None:
    """A small one that consists of one chunk over and over is not read for a page, nor is such a table."""
    zeros = bytes(4 << 20)
    packed = zstandard.ZstdCompressor().compress(zeros)
    chunk = [blake3(zeros).hexdigest(), len(zeros), PACK, 0, len(packed)]
    value = {"manager": "m", "encoding": "json", "type": "t", "size": 3, "buffers": [[chunk] * 300]}
    put(store, "odd", {"a": value})
    put(store, "more", {"a": slot(1)}, tables=[[chunk] * 300])
    store.put(f"odd/rank-00000/packs/{PACK}.pack", packed)
    store.put(f"more/rank-00000/packs/{PACK}.pack", packed)
    manifests = Jobs(store, Settings(root=store.root)).manifests
    tracemalloc.start()
    try:
        told = slot_value(manifests.line("odd", 0), manifests.whole("odd", 0, 1), "a")
        with pytest.raises(CheckpointError, match="too many slots"):
            manifests.whole("more", 0, 1)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert (told.plain, told.why_not) == (False, "It is too long to be shown on a page.")


def test_long_objects_are_not_read_for_a_page(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest, a lease, a claim: it is said of that job, and nothing of it is kept."""
    monkeypatch.setattr(_manifests, "_LONGEST", 10_000)
    put(store, "odd", {"a": slot("x" * 20_000)})
    long = b"[" + b"1," * 10_000 + b"1]"
    for key in ("lease.json", "claims/00000001.json", "kept/000000000001.json"):
        store.put(f"odd/rank-00000/{key}", long)
    jobs = Jobs(store, Settings(root=store.root))
    views = {view.name: view for view in jobs.all()}
    assert "is longer than the" in views["odd"].problem
    assert not views["good"].problem
    assert jobs.manifests.line("good").newest() is not None


def test_whole_manifests_are_kept_while_they_are_short(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of long ones the newest alone stays in memory."""
    put(store, "odd", {"a": slot("x" * 20_000)})
    put(store, "next", {"a": slot("x" * 20_000)})
    manifests = Jobs(store, Settings(root=store.root)).manifests
    monkeypatch.setattr(_manifests, "_WHOLE_BYTES", 30_000)
    good, odd = manifests.whole("good", 0, 1), manifests.whole("odd", 0, 1)
    assert manifests.whole("good", 0, 1) is good
    assert manifests.whole("odd", 0, 1) is odd
    manifests.whole("next", 0, 1)
    assert manifests.whole("odd", 0, 1) is not odd


def test_a_terminal_obeys_nothing_of_it(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    """What another wrote into a job is text for who lists and reads it."""
    told = {"reason": ESCAPES, "notes": [ESCAPES], "program": {"host": ESCAPES, "argv": [ESCAPES]}}
    put(store, "odd", {ESCAPES: slot(ESCAPES), "b": slot(1, ESCAPES)}, **told)
    store.put("odd/rank-00000/lease.json", json.dumps({"host": ESCAPES, "pid": 1}).encode())
    store.put("bad/rank-00000/checkpoints/000000000001.json", ESCAPES.encode())
    for command in (
        ["list"],
        ["log", "odd"],
        ["show", "odd"],
        ["show", "odd", ESCAPES],
        ["verify"],
        ["top", "--count=1"],
    ):
        main([command[0], "--root", store.root, *command[1:]])
        shown = capsys.readouterr()
        assert "\x1b" not in shown.out + shown.err, command
