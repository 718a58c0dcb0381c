"""What pages, and the facts behind them, say where something is damaged, not there yet, or asked for oddly."""

from __future__ import annotations

import asyncio
import json
import os
import re
from html import unescape
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("jinja2", reason="pages are made with it")
pytest.importorskip("starlette", reason="pages are served with it")

from lattice_addons import Settings
from lattice_addons.checkpoint import Fresh, Line
from lattice_addons.encoding import encode
from lattice_addons.service import dashboard_app, make_app
from lattice_addons.service.dashboard import _events
from lattice_addons.service.view import _board
from lattice_addons.storage import LocalStore
from tests.integration.asking import asked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Give a store."""
    return LocalStore(tmp_path / "store")


@pytest.fixture
def line(store: LocalStore) -> Iterator[Line]:
    """Give the line of the one job."""
    made = Line(store, "job", settings=Settings(root=store.root))
    yield made
    made.release()


def save(line: Line, value: object = 1) -> None:
    """Make a checkpoint."""
    line.commit({"n": Fresh("reference", encode(value))}, parent=None, reason="manual")


def get(app: ASGIApp, path: str, method: str = "GET") -> tuple[int, str]:
    """Ask for a page; give its status and text."""
    status, body = asyncio.run(asked(app, method, path))
    return status, body.decode()


def damage(store: LocalStore, number: int) -> None:
    """Alter a manifest."""
    key = f"job/rank-00000/checkpoints/{number:012}.json"
    store.replace(key, store.read(key).replace(b"manual", b"Manual"))


def test_a_checkpoint_after_a_damaged_one_is_shown(store: LocalStore, line: Line) -> None:
    """There is only nothing to compare it with, on the page and for programs."""
    for _ in range(2):
        save(line)
    damage(store, 1)
    app = dashboard_app(store)
    assert get(app, "/jobs/job/checkpoints/2")[0] == 200
    status, text = get(app, "/v1/view/jobs/job/checkpoints/2")
    assert (status, [each["change"] for each in json.loads(text)["slots"]]) == (200, [""])


def test_no_problem_tells_where_the_store_lies(store: LocalStore, line: Line) -> None:
    """Neither in its words nor in its facts."""
    save(line)
    damage(store, 1)
    status, text = get(make_app(store), "/v1/view/jobs/job/checkpoints/1")
    told = json.loads(text)
    assert (status, told["type"]) == (500, "DamagedError")
    assert told["key"].endswith("/job/rank-00000/checkpoints/000000000001.json")
    assert store.root not in text


def test_that_the_store_cannot_be_read_is_told_to_programs_too(store: LocalStore, tmp_path: Path) -> None:
    """Else no jobs would be all there is to see."""
    app = dashboard_app(store)
    assert json.loads(get(app, "/v1/view/jobs")[1])["problem"] == ""
    os.rename(store.root, tmp_path / "away")
    (tmp_path / "store").touch()
    for told in (get(dashboard_app(store), path) for path in ("/v1/view/jobs", "/")):
        assert told[0] == 200
        assert "is no folder" in told[1]


@pytest.mark.parametrize("digits", ["9" * 5000, "0" * 30 + "9" * 5000])
def test_a_number_of_any_length_is_that_of_no_checkpoint(store: LocalStore, line: Line, digits: str) -> None:
    """In an address, in a query and in a form; Python itself reads none that is so long."""
    save(line)
    app = make_app(store)
    for path in (f"/jobs/job/checkpoints/{digits}", f"/v1/view/jobs/job/checkpoints/{digits}"):
        assert get(app, path)[0] == 404
    assert get(app, f"/jobs/job?page={digits}&rank={digits}")[0] == 200
    (csrf, *_) = re.findall(r'name="csrf" value="([^"]+)"', get(app, "/jobs/job")[1])
    form: list[bytes | None] = [f"csrf={csrf}&checkpoint={digits}".encode()]
    kind: dict[str, Any] = {"content_type": "application/x-www-form-urlencoded"}
    assert asyncio.run(asked(app, "POST", "/jobs/job/acts/rollback", form, **kind))[0] == 404


def test_of_a_program_that_runs_and_has_not_saved_all_would_be_lost(store: LocalStore, line: Line) -> None:
    """Nowhere is it said that nothing runs."""
    line.acquire()
    app = dashboard_app(store)
    for path in ("/", "/jobs/job"):
        _, text = get(app, path)
        assert "running" in text
        assert "all of it" in text
        assert "nothing runs" not in text
        assert "it does not run" not in text


def test_who_asks_only_about_a_download_is_sent_nothing_of_it(store: LocalStore, line: Line) -> None:
    """What a HEAD request asks of a large checkpoint need not read it."""
    save(line, os.urandom(5 << 20))
    path = "/jobs/job/checkpoints/1/download"
    assert get(dashboard_app(store), path, "HEAD") == (200, "")
    status, body = asyncio.run(asked(dashboard_app(store), "GET", path))
    assert (status, len(body) > 5 << 20) == (200, True)


def test_what_came_between_a_page_and_its_events_is_told(
    store: LocalStore, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may show what was a moment ago; else it would show that until something else happens."""
    # However long the pages take, to it they are asked for in one moment.
    monkeypatch.setattr(_board, "time", SimpleNamespace(monotonic=lambda: 0.0))
    save(line)
    app = dashboard_app(store)
    get(app, "/")
    save(line)
    # The page is still made of the look before.
    _, text = get(app, "/")
    assert "#1 manual" in text
    (address,) = re.findall(r'data-events="([^"]+)"', text)
    monkeypatch.setattr(_board, "_FRESH", 0.0)
    assert asyncio.run(first_event(app, address)) == b"changed"


@pytest.mark.parametrize("page", ["/jobs/job", "/jobs/job/steer"])
def test_what_came_between_the_page_of_a_job_and_its_events_is_told(
    store: LocalStore, line: Line, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """What its program saved before anybody listened; where nothing came, nothing is told."""
    monkeypatch.setattr(_board, "_FRESH", 0.0)
    monkeypatch.setattr(_events, "_EVERY", 0.01)
    app = dashboard_app(store)
    # The first look at all jobs is a short one, and knows less of this one than its page.
    save(line)
    save(line)
    _, text = get(app, page)
    (address,) = re.findall(r'data-events="([^"]+)"', text)
    assert asyncio.run(first_event(app, unescape(address))) == b""
    save(line)
    assert asyncio.run(first_event(app, unescape(address))) == b"changed"


async def first_event(app: ASGIApp, address: str) -> bytes:
    """Listen until there is an event; empty where there is none before a comment says that all is silent."""
    told = asyncio.get_running_loop().create_future()
    path, _, query = address.partition("?")
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")], "http_version": "1.1", "scheme": "http", "root_path": "",
    }  # fmt: skip

    async def send(message: Any) -> None:
        body = message.get("body", b"")
        if body.startswith((b"event: ", b":")) and not told.done():
            told.set_result(body.partition(b"\n")[0].removeprefix(b"event: ").removeprefix(b": "))

    async def receive() -> Any:
        await asyncio.Event().wait()

    listening = asyncio.ensure_future(app(scope, receive, send))
    try:
        return bytes(await asyncio.wait_for(told, 60))
    finally:
        listening.cancel()
        await asyncio.wait([listening])
