"""What is asked before anything is done, and what is drawn of experiments."""

from __future__ import annotations

import asyncio
import doctest
import json
import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings
from lattice_addons.checkpoint import Fresh, Line, clear, ranks, refusals
from lattice_addons.encoding import encode
from lattice_addons.experiments import Experiment, Place, run_all, search
from lattice_addons.experiments._record import as_line
from lattice_addons.storage import LocalStore, Store
from lattice_addons.storage.spool._attend import hold
from tests.unit.storage.spool.machines import FOLDER, restart

pytest.importorskip("jinja2", reason="pages are made with it")
pytest.importorskip("httpx", reason="asks for pages")

import httpx

from lattice_addons.service.access import Access
from lattice_addons.service.dashboard import dashboard_app
from lattice_addons.service.dashboard._news import News
from lattice_addons.service.dashboard._pages import Pages
from lattice_addons.service.dashboard.acts._asking import Input, Plan
from lattice_addons.service.dashboard.acts._writing import who_writes, writing

if TYPE_CHECKING:
    from pathlib import Path


class Returns(Experiment):
    """Returns what is hard to draw and to sort."""

    lr: float = search(1e-5, 0.1, 10.0)
    what: str = search("a", "<b>")

    def run(self) -> Any:
        """Give numbers of any size, lists, and nothing."""
        hard = {"a": 1.7e308, "<b>": -1.7e308}[self.what]
        return {"loss": hard if self.lr < 1 else float("nan"), "list": [self.lr], ".x": self.lr, "none": None}


def get(store: Store, path: str) -> tuple[int, str]:
    """Ask the dashboard of a store for a page; give its status and text."""

    async def asked() -> tuple[int, str]:
        transport = httpx.ASGITransport(dashboard_app(store))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get(path)
            return answer.status_code, answer.text

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """Run an experiment into a store."""
    made = LocalStore(tmp_path_factory.mktemp("store"))
    run_all(Returns(), 0, root=made.root)
    return made


def test_the_examples_in_the_code_are_true() -> None:
    """Those of numbers in a row."""
    tried = doctest.testmod(import_module("lattice_addons.service.dashboard.acts._writing"))
    assert (tried.failed, tried.attempted > 0) == (0, True)


def test_a_mark_is_of_all_that_was_said() -> None:
    """Of the facts, the fields that are sent again, the numbers that can be changed; and of nothing else."""
    plans = [
        Plan("Prune a", "Delete", (("Goes", "1"),), "/"),
        Plan("Prune b", "Delete", (("Goes", "1"),), "/"),
        Plan("Prune a", "Delete", (("Goes", "2"),), "/"),
        Plan("Prune a", "Delete", (("Goes", "1"),), "/", {"checkpoint": "1"}),
        Plan("Prune a", "Delete", (("Goes", "1"),), "/", inputs=(Input("keep", "stay", 1),)),
        Plan("Prune \udc80", "Delete", (("Goes", "1"),), "/"),
    ]
    assert len({plan.mark for plan in plans}) == len(plans)
    assert plans[0].mark == Plan("Prune a", "Other word", (("Goes", "1"),), "/elsewhere", grave=True).mark


def test_news_are_told_by_a_name_alone_and_the_oldest_go() -> None:
    """No address can have a sentence of its own shown."""
    news = News()
    names = [news.keep(f"sentence {number}") for number in range(1200)]
    assert news.told(names[-1]) == "sentence 1199"
    assert (news.told(names[0]), news.told("sentence 1199"), news.told("")) == ("", "", "")


@pytest.mark.parametrize(
    "query",
    ["", *(f"?sort={name}&order=down&all=1" for name in ("loss", "list", ".x", "none", "name", "no such")),
     "?metric=.x&against=what", "?metric=no&against=no", "?plot=parallel", "?page=99&at=0", "?path=x"],
)  # fmt: skip
def test_any_results_are_drawn_and_sorted(store: LocalStore, query: str) -> None:
    """The largest numbers there are, none at all, lists, columns whose names look like paths."""
    pytest.importorskip("pyarrow", reason="holds results")
    (module,) = store.folders()
    status, text = get(store, f"/experiments/{module}/Returns{query}")
    assert status == 200
    assert text.count("<tr>") == 1 + 6
    assert "nan%" not in text
    assert "inf%" not in text
    assert "<b>" not in text


def test_without_pyarrow_the_page_says_how_to_have_results(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings and their states are shown all the same."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (module,) = store.folders()
    status, text = get(store, f"/experiments/{module}/Returns")
    assert status == 200
    assert "lattice-addons[experiments]" in text
    assert text.count('<i class="done"') == 6


@pytest.mark.parametrize("path", ["none", "%2e%2e/%2e%2e", "none/Returns", "x/journal", "%00/%00"])
def test_an_experiment_that_is_not_there_is_not_there(store: LocalStore, path: str) -> None:
    """Whatever an address says, nothing is made or read beside the store."""
    before = store.folders()
    assert get(store, f"/experiments/{path}")[0] == 404
    assert store.folders() == before


def test_a_journal_that_says_anything_hides_no_other_experiment(store: LocalStore, tmp_path: Path) -> None:
    """It says so itself; the list and the others are there."""
    hostile = LocalStore(tmp_path)
    for key in store.list(""):
        hostile.put(key, store.read(key))
    told = {"identity": ["<b>"], "name": {"<b>": 1}, "status": {}, "ended": "late", "values": 3, "rows": "x"}
    hostile.put("evil/<b>Evil/journal/01.jsonl", as_line("record", told))
    hostile.put("evil/<b>Evil/results/part-01.parquet", b"PAR1 not at all")
    status, text = get(hostile, "/experiments")
    assert status == 200
    assert "its journal cannot be read" in text
    assert "Returns" in text
    status, text = get(hostile, "/experiments/evil/%3Cb%3EEvil")
    assert status == 200
    assert "<b>" not in text


def test_an_experiment_in_the_folder_of_a_job_is_shown_and_stays_when_that_is_cleared(tmp_path: Path) -> None:
    """As when a program that runs one has its own store for a root: both are named after its file."""
    own = LocalStore(tmp_path)
    place = Place(Returns, own.root)
    run_all(Returns(), 0, root=own.root, limit=1)
    line = Line(own, place.module, settings=Settings(root=own.root))
    line.commit({"epoch": Fresh("StateManager", encode(1))}, parent=None, reason="exit")
    line.release()
    status, text = get(own, "/experiments")
    assert status == 200
    assert ">Returns</a>" in text
    assert f">{place.module}</a>" in get(own, "/")[1]
    assert clear(own, place.module) == 1
    assert ranks(own, place.module) == []
    assert run_all(Returns(), root=own.root, dry_run=True).skipped == 1
    assert ">Returns</a>" in get(own, "/experiments")[1]


def test_what_would_be_lost_is_counted_on_alike_above_the_jobs_and_beside_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser counts both on, from the same moment: the checkpoint of the job that would lose most."""
    monkeypatch.setattr("lattice_addons.service.view._board._FIRST", 600.0)
    store = LocalStore(tmp_path)
    lines = [Line(store, job, settings=Settings(root=store.root)) for job in "ab"]
    made = [line.commit({"n": Fresh("x", encode(1))}, parent=None, reason="manual") for line in lines]
    page = get(store, "/")[1]
    first, *rows = re.findall(r'data-since="([^"]+)"', page)
    assert rows == [f"{each.created[:-4]}+00:00" for each in made]
    assert first == rows[0]
    for line in lines:
        line.release()


def test_the_page_of_a_rank_that_has_died_names_no_process(tmp_path: Path) -> None:
    """Though another rank of its job lives, whose page names its own."""
    store = LocalStore(tmp_path)
    lines = [Line(store, "job", rank, settings=Settings(root=store.root)) for rank in range(2)]
    for line in lines:
        line.commit({"n": Fresh("x", encode(1))}, parent=None, reason="manual")
    lease = f"{lines[0].folder}lease.json"
    dead = json.loads(store.read(lease)) | {"start": 1}
    lines[0].release()
    store.replace(lease, json.dumps(dead).encode())
    process = f"<dt>Process</dt><dd>{os.getpid()}</dd>"
    assert [process in get(store, f"/jobs/job?rank={rank}")[1] for rank in range(2)] == [False, True]
    lines[1].release()


def test_what_could_not_be_saved_stands_on_the_page(tmp_path: Path) -> None:
    """At the top until a save goes well, and in the list for good; the jobs are told apart by it, and so is JSON."""
    store = LocalStore(tmp_path)
    line = Line(store, "job", settings=Settings(root=store.root))
    line.commit({"n": Fresh("x", encode(1))}, parent=None, reason="manual")
    assert "refused" not in get(store, "/jobs/job")[1]
    refusals(line).add("periodic", OSError("no <b>room</b>"), ["a & b"])
    page = get(store, "/jobs/job")[1]
    assert "The last save (periodic" in page
    assert page.count("OSError: no &lt;b&gt;room&lt;/b&gt;") == 2
    assert "a &amp; b" in page
    assert "save refused" in get(store, "/")[1]
    told = json.loads(get(store, "/v1/view/jobs/job/checkpoints")[1])["refused"]
    assert [(each["reason"], each["slots"]) for each in told] == [("periodic", ["a & b"])]
    assert json.loads(get(store, "/v1/view/jobs/job")[1])["job"]["refused"] == told[0]
    line.commit({"n": Fresh("x", encode(2))}, parent=None, reason="manual")
    page = get(store, "/jobs/job")[1]
    assert "The last save" not in page
    assert page.count("OSError: no &lt;b&gt;room&lt;/b&gt;") == 1
    assert "save refused" not in get(store, "/")[1]
    line.release()


def test_a_name_that_is_being_sent_keeps_nobody_from_writing(tmp_path: Path) -> None:
    """To keep a checkpoint of a store elsewhere, and then to prune at once, is one thing after the other."""
    machine = restart(tmp_path, "here")
    machine.save(1)
    machine.end()
    machine.line.keeps.put(1, "best")
    assert hold(machine.spool, machine.remote, FOLDER) is None
    pages = Pages(machine.store, Access(None))
    assert who_writes(pages, "job") == ""
    with writing(pages, "job") as lines:
        assert [line.rank for line in lines] == [0]
    machine.end()


def test_what_could_not_be_sent_stands_on_the_page_with_its_error(tmp_path: Path) -> None:
    """A save that is only on this machine is no save yet where the store is elsewhere."""
    machine = restart(tmp_path, "here")
    machine.save(1)
    machine.save(2)
    machine.spool.set_trouble(FOLDER, {"error": "refused <b>", "kind": "NoAccessError"})
    status, text = get(machine.store, "/jobs/job")
    assert status == 200
    assert "2 checkpoints" in text
    assert "wait on this machine to be sent to the store: refused &lt;b&gt;" in text
    machine.spool.set_trouble(FOLDER, None)
    machine.end()
    assert "wait on this machine" not in get(machine.store, "/jobs/job")[1]


@pytest.mark.parametrize("at", [0, 4 << 20])
def test_of_a_damaged_checkpoint_no_whole_file_is_sent(tmp_path: Path, at: int) -> None:
    """At its beginning there is a page that says why; later the answer is never ended, so that no file is whole."""
    line = Line(LocalStore(tmp_path), "job", settings=Settings(root=str(tmp_path)))
    line.commit({"x": Fresh("reference", encode(os.urandom(5 << 20)))}, parent=None, reason="manual")
    line.release()
    (pack,) = (tmp_path / line.folder / "packs").glob("*.pack")
    data = bytearray(pack.read_bytes())
    data[at] ^= 1
    pack.write_bytes(data)
    told: list[Any] = []

    async def asked() -> None:
        async def send(message: Any) -> None:
            told.append(message)

        async def receive() -> Any:
            await asyncio.sleep(60)

        path = "/jobs/job/checkpoints/1/download"
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")], "http_version": "1.1", "scheme": "http", "root_path": "",
        }  # fmt: skip
        await dashboard_app(line.store)(scope, receive, send)

    asyncio.run(asked())
    begun, *bodies = told
    assert begun["status"] == (500 if at == 0 else 200)
    assert bodies[-1].get("more_body", False) == (at > 0)
    if at == 0:
        assert b"alert" in bodies[-1]["body"]
