"""What can be done from the dashboard, clicked through in a real browser while real programs run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from lattice_addons import Settings
from lattice_addons.checkpoint import Fresh, Line
from lattice_addons.encoding import encode
from lattice_addons.storage import LocalStore
from tests.integration.browsing import CONTRAST, EVIL, NAMELESS, NEEDS_CHROMIUM, TRAINS, Site
from tests.program import Program, clean_environ, finish, wait_for

pytest.importorskip("playwright.sync_api", reason="drives the browser")
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.integration.servers import Bucket

    Form = dict[str, str | float | bool]

pytestmark = NEEDS_CHROMIUM

LATTICE = [sys.executable, "-m", "lattice_addons.cli"]
CONTINUES = """
    import sys
    from lattice_addons import Settings, StateManagerGroup

    group = StateManagerGroup(Settings(root="store", job_id=sys.argv[1], keep=100))
    group.register("epoch")
    print("carries on from", group.get("epoch"), flush=True)
"""
STEERED = """
    import os, time
    from dataclasses import dataclass, field
    from lattice_addons.hyperstate import HyperState, fixed

    @dataclass
    class Optimizer:
        lr: float = 0.1
        betas: list[float] = field(default_factory=lambda: [0.9, 0.99])

    @dataclass
    class Config:
        optimizer: Optimizer = field(default_factory=Optimizer)
        name: str = "<b>base</b>"
        batch: int = 8
        title: str = "<b>first</b>"
        nesterov: bool = False
        seed: int = fixed(1)

    @dataclass
    class State:
        step: int = 0

    run = HyperState.load(Config, State, lambda config: State(), "config.yaml", "store", "step")
    mine = run.config.optimizer
    print("loaded", flush=True)
    while not os.path.exists("stop"):
        run.state.step += 1
        run.step()
        print("lr", mine.lr, flush=True)
        time.sleep(0.1)
"""
SWEEP = """
    import os, time
    from lattice_addons.experiments import Experiment, search

    class Sweep(Experiment):
        objective = "loss"
        lr: float = search(0.001, 0.01, 0.1)
        opt: str = search("adam", "<img src=x onerror=alert(1)>")

        def run(self):
            while self.lr == 0.1 and not os.path.exists("go"):
                time.sleep(0.02)
            if self.lr == 0.1 and self.opt == "adam":
                raise ValueError("<script>alert(1)</script>")
            return {"loss": self.lr * len(self.opt), "note <b>": "<i>x</i>"}
"""


def lattice(*args: str, cwd: Path) -> Any:
    """Run a command; give what it answers."""
    told = subprocess.run(
        [*LATTICE, *args, "--json"], cwd=cwd, env=clean_environ(), capture_output=True, text=True, timeout=150,
        check=True,
    )  # fmt: skip
    return json.loads(told.stdout)


def line(site: Site, job: str, rank: int = 0) -> Line:
    """Look at a job from beside."""
    return Line(LocalStore(site.store), job, rank, settings=Settings(root=str(site.store), keep=100))


def said(page: Page) -> str:
    """Give what is said before it is done."""
    text: str = page.locator(".said").inner_text()
    return text


def bytes_of(folder: Path) -> int:
    """Give how many bytes lie in a folder."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def press(page: Page, name: str) -> None:
    """Press a button; the page that it leads to is there, and whole."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


def test_a_job_is_rolled_back_when_it_was_said_what_that_does(page: Page, site: Site) -> None:
    """It is asked first, with the numbers; then the next start of the program carries on from there."""
    site.run("back")
    before = line(site, "back").numbers()
    page.goto(f"{site.address}/jobs/back/checkpoints/3")
    press(page, "Roll back to it…")
    assert re.search(r"checkpoint 3, made .* UTC \(manual\): 3 slots, \d+ B", said(page))
    assert "checkpoint 7, the newest" in said(page)
    assert "3 newer checkpoints, up to 6" in said(page)
    assert line(site, "back").numbers() == before
    page.get_by_role("link", name="Leave it as it is").click()
    assert line(site, "back").numbers() == before
    press(page, "Roll back to it…")
    press(page, "Roll back")
    expect(page.locator(".news")).to_have_text("back carries on from checkpoint 3, as checkpoint 7.")
    expect(page.locator("h1")).to_contain_text("Checkpoint 7")
    assert line(site, "back").numbers() == [*before, 7]
    assert Program(site.folder, CONTINUES, "go.py").run("back").stdout == "carries on from 2\n"


def test_a_job_that_runs_is_not_rolled_back_and_not_pruned(page: Page, site: Site) -> None:
    """The page says which process writes it; and who confirms nevertheless is refused, too."""
    running = site.start("busy")
    page.goto(f"{site.address}/jobs/busy/checkpoints/2")
    press(page, "Roll back to it…")
    expect(page.get_by_role("alert")).to_contain_text(f"process {running.pid} on host")
    expect(page.get_by_role("button", name="Roll back", exact=True)).to_have_count(0)
    page.goto(f"{site.address}/jobs/busy")
    press(page, "Prune…")
    page.get_by_label("newest checkpoints stay").fill("1")
    press(page, "Say what would go then")
    assert "4 checkpoints (1–4)" in said(page)
    expect(page.get_by_role("alert")).to_contain_text("end it first")
    assert line(site, "busy").numbers() == [1, 2, 3, 4, 5]
    # A program that begins between the question and the answer.
    site.run("late")
    page.goto(f"{site.address}/jobs/late/checkpoints/2")
    press(page, "Roll back to it…")
    late = site.start("late")
    press(page, "Roll back")
    expect(page.get_by_role("alert")).to_contain_text(f"process {late.pid} on host")
    for program in (running, late):
        program.communicate("\n\n", timeout=150)
        assert program.returncode == 0
    assert line(site, "busy").newest().reason == "exit"  # type: ignore[union-attr]


def test_a_checkpoint_is_named_kept_pruned_around_and_let_go(page: Page, site: Site) -> None:
    """What prune said is what goes: as many checkpoints, as many bytes; the one with a name stays."""
    site.run("kept", steps=8)
    page.goto(f"{site.address}/jobs/kept/checkpoints/2")
    page.get_by_placeholder("a name").fill(f"  best  of {EVIL} ")
    press(page, "Keep…")
    assert f"best of {EVIL}" in said(page)
    assert line(site, "kept").keeps.names() == {}
    press(page, "Keep it")
    expect(page.locator("h1")).to_contain_text(f"best of {EVIL}")
    assert line(site, "kept").keeps.names() == {2: f"best of {EVIL}"}
    page.goto(f"{site.address}/jobs/kept")
    press(page, "Prune…")
    page.get_by_label("newest checkpoints stay").fill("3")
    press(page, "Say what would go then")
    assert "5 checkpoints (1, 3–6)" in said(page)
    assert "1 kept by name" in said(page)
    # Other numbers are not what was confirmed: it is asked again.
    page.get_by_label("newest checkpoints stay").fill("4")
    page.locator("button.grave").click()
    expect(page.get_by_role("alert")).to_contain_text("Something is other")
    assert "4 checkpoints (1, 3–5)" in said(page)
    assert len(line(site, "kept").numbers()) == 9
    promised = line(site, "kept")
    from lattice_addons.checkpoint import prunable

    promised.settings = Settings(root=str(site.store), keep=4)
    bytes_promised, size = prunable(promised).bytes, bytes_of(site.store / "kept")
    page.locator("button.grave").click()
    expect(page.locator(".news")).to_contain_text("4 checkpoints of kept went")
    assert line(site, "kept").numbers() == [2, 6, 7, 8, 9]
    assert size - bytes_of(site.store / "kept") == bytes_promised > 0
    page.goto(f"{site.address}/jobs/kept/checkpoints/2")
    press(page, "Take the name off…")
    press(page, "Take the name off")
    expect(page.locator(".news")).to_contain_text("no longer than others")
    assert line(site, "kept").keeps.names() == {}


def test_a_checkpoint_is_downloaded_as_the_file_that_export_writes(
    page: Page, site: Site, tmp_path: Path
) -> None:
    """Byte for byte; of one that is not there, nothing."""
    lattice("export", "done@3", str(tmp_path / "exported"), "--root", str(site.store), cwd=tmp_path)
    page.goto(f"{site.address}/jobs/done/checkpoints/3")
    with page.expect_download() as began:
        page.get_by_role("link", name="Download").click()
    assert began.value.suggested_filename == "done-3.tar"
    began.value.save_as(tmp_path / "down.tar")
    assert (tmp_path / "down.tar").read_bytes() == (tmp_path / "exported").read_bytes()
    assert page.request.get(f"{site.address}/jobs/done/checkpoints/77/download").status == 404


def test_two_checkpoints_and_two_jobs_are_compared(page: Page, site: Site) -> None:
    """Two that are picked in the table of saves; another job; the other way round; what is not there."""
    page.goto(f"{site.address}/jobs/done")
    page.locator("input[name=a][value='3']").check()
    page.locator("input[name=b][value='5']").check()
    press(page, "Compare the two that are chosen")
    expect(page.locator(".tiles")).to_contain_text("done #3")
    slots = page.locator("section:has(#slots)")
    expect(slots).to_contain_text("3 of 3 slots are different")
    expect(slots.locator("tr", has_text="epoch")).to_contain_text("2 → 4")
    expect(slots.locator("tr", has_text="metrics")).to_contain_text('["accuracy"] 0.2 → 0.4')
    page.get_by_role("link", name="The other way round").click()
    expect(slots.locator("tr", has_text="epoch")).to_contain_text("4 → 2")
    page.locator("input[name=with]").fill("raised")
    page.locator("input[name=b]").fill("2")
    press(page, "Compare")
    expect(page.locator(".tiles")).to_contain_text("raised #2")
    expect(page.locator("section:has(#program)")).to_contain_text("train.py raised 5 raise")
    told = page.request.get(f"{site.address}/v1/view/compare?job=done&a=3&b=5").json()
    assert [each["name"] for each in told["slots"]] == ["epoch", "loss", "metrics"]
    for nothing in ("job=none", "job=done&a=99", "job=done&with=..%2Fdone", "job=done&rank=7", ""):
        assert page.request.get(f"{site.address}/compare?{nothing}").status == 404, nothing


@pytest.fixture(scope="module")
def steered(site: Site) -> Iterator[subprocess.Popen[str]]:
    """Run a program with a HyperState, and end it well."""
    (site.folder / "config.yaml").write_text("optimizer:\n  lr: 0.5\n")
    program = Program(site.folder, STEERED, "steered.py").start(
        config="keep=1000", environ={"LATTICE_JOB_ID": "steered"}
    )
    wait_for(program, "lr 0.5")
    yield program
    (site.folder / "stop").touch()
    assert finish(program).returncode == 0


def test_a_running_program_takes_over_what_it_is_asked_and_refuses_what_does_not_fit(
    page: Page, site: Site, steered: subprocess.Popen[str]
) -> None:
    """Asked first, then waited for: the answer comes into the page, the value into the program and its config."""
    page.goto(f"{site.address}/jobs/steered")
    config = page.locator("section:has(#config)")
    expect(config).to_contain_text("<b>base</b>")
    page.get_by_role("link", name="Change the config").click()
    page.get_by_label("optimizer.lr").fill("0.05")
    page.get_by_label("nesterov").select_option("true")
    press(page, "Change…")
    assert "optimizer.lr\n0.5 → 0.05" in said(page)
    assert "nesterov\nfalse → true" in said(page)
    press(page, "Change 2 values")
    wait_for(steered, "lr 0.05")
    expect(page.locator(".answer").first).to_have_text("taken over")
    expect(page.locator(".changes .message").first).to_contain_text("optimizer.lr: 0.5 → 0.05")
    expect(page.get_by_label("optimizer.lr")).to_have_value("0.05")
    for field, value, why in (("seed", "7", "seed is fixed"), ("optimizer.lr", EVIL, "optimizer.lr")):
        page.get_by_label(field).fill(value)
        press(page, "Change…")
        press(page, "Change 1 value")
        expect(page.locator(".answer").first).to_have_text("refused")
        expect(page.locator(".changes .message").first).to_contain_text(why)
    page.get_by_label("Others").fill("no override")
    press(page, "Change…")
    expect(page.get_by_role("alert")).to_contain_text("is no FIELD=VALUE")
    page.goto(f"{site.address}/jobs/steered")
    expect(config).to_contain_text("set optimizer.lr: 0.5 → 0.05")
    expect(config).to_contain_text("(dashboard)")


@pytest.mark.usefixtures("steered")
def test_a_form_that_was_open_sets_nothing_back_that_somebody_else_changed(
    plain_page: Page, site: Site
) -> None:
    """Without scripts the page shows what was; only the field that was touched is asked for."""
    page = plain_page
    page.goto(f"{site.address}/jobs/steered/steer")
    lattice("set", "steered", "batch=4", "--root", str(site.store), "--wait", "100", cwd=site.folder)
    page.get_by_label("title").fill("other")
    press(page, "Change…")
    assert "title\n<b>first</b> → other" in said(page)
    assert "batch" not in said(page)
    press(page, "Change 1 value")
    for _ in range(600):
        if page.locator(".answer").first.inner_text() == "taken over":
            break
        page.wait_for_timeout(50)
        page.goto(f"{site.address}/jobs/steered/steer")
    expect(page.get_by_label("title")).to_have_value("other")
    expect(page.get_by_label("batch")).to_have_value("4")


def test_all_ranks_are_shown_and_go_back_together(page: Page, site: Site) -> None:
    """Each rank has its page; a roll back says of each what it goes back to, and does it on all."""
    for rank in (0, 1):
        made = line(site, "ranks", rank)
        for epoch in range(3):
            slots = {"epoch": Fresh("StateManager", encode(f"{rank}/{epoch}"))}
            made.commit(slots, parent=None, reason="manual")
        made.release()
    page.goto(f"{site.address}/jobs/ranks")
    page.get_by_role("link", name="rank 1").click()
    expect(page.locator("table.slots")).to_contain_text("1/2")
    page.goto(f"{site.address}/jobs/ranks/checkpoints/2?rank=1")
    expect(page.get_by_role("button", name="Roll back to it…")).to_have_count(0)
    page.goto(f"{site.address}/jobs/ranks/checkpoints/2")
    press(page, "Roll back to it…")
    assert "Rank 0\ncheckpoint 2" in said(page)
    assert "Rank 1\ncheckpoint 2" in said(page)
    press(page, "Roll back")
    expect(page.locator(".news")).to_contain_text("as checkpoint 4")
    for rank in (0, 1):
        newest = line(site, "ranks", rank).newest()
        assert newest is not None
        assert (newest.number, newest.slots["epoch"].value) == (4, f'"{rank}/1"'.encode())


def test_an_experiment_shows_its_settings_its_results_and_plots_while_it_runs(page: Page, site: Site) -> None:
    """Two settings wait for a sign: they are seen to run, then to end; the table is sorted by the server."""
    pytest.importorskip("pyarrow", reason="holds results")
    pytest.importorskip("loky", reason="runs settings in processes")
    Program(site.folder, SWEEP, "sweep.py")
    runner = subprocess.Popen(
        [*LATTICE, "experiment", "sweep.Sweep", "--num-proc", "2", "--root", str(site.store)],
        cwd=site.folder, env=clean_environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    page.goto(f"{site.address}/experiments")
    while not page.get_by_role("link", name="Sweep").count():
        assert runner.poll() is None
        page.wait_for_timeout(50)
        page.goto(f"{site.address}/experiments")
    page.get_by_role("link", name="Sweep").click()
    expect(page.locator("h1 .state")).to_have_text("running")
    expect(page.locator(".cells .done")).to_have_count(4)
    expect(page.locator(".cells .running")).to_have_count(2)
    (site.folder / "go").touch()
    expect(page.locator("h1 .state")).to_have_text("stopped")
    # One of them failed, and so does the command.
    assert runner.wait(timeout=150) != 0
    expect(page.locator(".cells .done")).to_have_count(5)
    expect(page.locator(".cells .failed")).to_have_count(1)
    expect(page.locator("section:has(#results) tbody tr")).to_have_count(6)
    assert "ValueError: <script>alert(1)</script>" in page.locator("main").inner_text()
    _sort(page)
    _plot(page)
    assert page.locator("main img, main script, main b, main i:not([class])").count() == 0


def _sort(page: Page) -> None:
    """Sort by a result, both ways."""
    results = page.locator("table.results")
    loss = results.locator("thead th").all_text_contents().index("loss")
    page.get_by_role("link", name="loss", exact=True).click()
    expect(results.locator("th[aria-sort]")).to_have_attribute("aria-sort", "ascending")
    rows = results.locator("tbody tr").all()
    upwards = [row.locator("td").nth(loss).inner_text() for row in rows]
    assert upwards[-1] == "–"
    assert upwards[:-1] == sorted(upwards[:-1], key=float)
    results.get_by_role("link", name="loss").click()
    expect(results.locator("th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    downwards = [row.locator("td").nth(loss).inner_text() for row in results.locator("tbody tr").all()]
    assert downwards == [*upwards[-2::-1], "–"]


def _plot(page: Page) -> None:
    """Draw a metric against a field, and all fields."""
    expect(page.locator(".picture circle").nth(4)).to_be_attached()
    page.locator("select[name=against]").select_option("opt")
    press(page, "Draw")
    expect(page.locator(".picture")).to_contain_text("<img src=x onerror=alert(1)>")
    page.locator("select[name=plot]").select_option("lines through all fields")
    press(page, "Draw")
    expect(page.locator(".picture polyline")).to_have_count(5)
    assert page.locator(".picture text.name").all_text_contents() == ["lr", "opt", "loss"]


def test_acts_need_a_page_of_ours_and_the_form_that_was_confirmed(page: Page, site: Site) -> None:
    """Another site's form, none at all, an address typed, an old question: nothing is done."""
    site.run("safe")
    before = line(site, "safe").numbers()
    there = f"{site.address}/jobs/safe/acts/rollback"
    assert page.request.get(there).status in (404, 405)
    assert page.request.post(there, form={"checkpoint": "2", "confirmed": "x"}).status == 403
    page.goto(f"{site.address}/jobs/safe/checkpoints/2")
    csrf = page.locator(".acts input[name=csrf]").first.input_value()
    form: Form = {"csrf": csrf, "checkpoint": "2"}
    elsewhere = page.request.post(there, form=form, headers={"origin": "http://evil.example"})
    assert elsewhere.status == 403
    asked = page.request.post(there, form=form)
    assert asked.status == 200
    mark = re.findall(r'name="confirmed" value="([0-9a-f]+)"', asked.text())[0]
    # What was confirmed is not what would be done by now.
    site.run("safe")
    again = page.request.post(there, form=form | {"confirmed": mark})
    assert "Something is other than when you were asked" in again.text()
    assert line(site, "safe").numbers() == [*before, *range(len(before) + 1, 2 * len(before) + 1)]
    for wrong in ("", "x", "-1", "9" * 30, "2.5"):
        assert page.request.post(there, form=form | {"checkpoint": wrong}).status == 404, wrong
    for job in ("none", "..%2F..", quote(f"no {EVIL}", safe="")):
        assert page.request.post(f"{site.address}/jobs/{job}/acts/prune", form=form).status == 404, job


def test_everything_can_be_done_without_scripts(plain_page: Page, site: Site) -> None:
    """A question, an answer, and what came of it are pages."""
    page = plain_page
    site.run("plain")
    page.goto(f"{site.address}/jobs/plain/checkpoints/1")
    page.get_by_placeholder("a name").fill("first")
    press(page, "Keep…")
    press(page, "Keep it")
    expect(page.locator(".news")).to_have_text("Checkpoint 1 stays, as “first”.")
    press(page, "Roll back to it…")
    press(page, "Roll back")
    expect(page.locator(".news")).to_contain_text("as checkpoint 7")
    page.get_by_role("link", name="Compare with #6").click()
    expect(page.locator("h1")).to_have_text("What is different")


def test_what_a_program_is_called_stays_text_where_one_acts_on_it(page: Page, site: Site) -> None:
    """On the pages that ask, that say what came of it, that compare; and in the name of a file."""
    evil = quote(EVIL.replace("/", ""), safe="")
    job = f"{site.address}/jobs/{evil}"
    for act in ("Roll back to it…", "Take the name off…", "Name anew…"):
        page.goto(f"{job}/checkpoints/1")
        press(page, act)
        _is_text(page)
        if act == "Name anew…":
            press(page, "Keep it")
            _is_text(page)
    for path in (f"{job}/steer", f"{site.address}/compare?job={evil}", f"{job}/acts/{evil}"):
        page.goto(path)
        _is_text(page)
    with page.expect_download() as began:
        page.goto(f"{job}/checkpoints/2")
        page.get_by_role("link", name="Download").click()
    assert "/" not in began.value.suggested_filename
    page.goto(f"{site.address}/jobs/done?told={evil}")
    expect(page.locator(".news")).to_have_count(0)


def _is_text(page: Page) -> None:
    assert page.locator("main img, main b, main script").count() == 0, page.url
    assert "alert" not in page.evaluate(
        "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).join()"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_can_be_read_by_everybody_and_on_a_phone(browser: Browser, site: Site, scheme: str) -> None:
    """Contrast, names for all that can be used, one first heading, nothing that scrolls sideways."""
    context = browser.new_context(
        viewport={"width": 360, "height": 740},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{site.address}/jobs/done/checkpoints/3")
    press(page, "Roll back to it…")
    _check(page)
    page.goto(f"{site.address}/jobs/done")
    press(page, "Prune…")
    _check(page)
    for path in (
        "/compare?job=done&with=raised",
        "/experiments",
        "/jobs/steered/steer",
        "/jobs/done/checkpoints/3",
    ):
        if os.path.exists(site.store / "steered") or "steered" not in path:
            page.goto(site.address + path)
            _check(page)
    context.close()


def _check(page: Page) -> None:
    assert page.evaluate(CONTRAST)[0] == [], page.url
    assert page.evaluate(NAMELESS) == [], page.url
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, page.url


def test_who_may_only_read_is_offered_no_act_and_the_audit_log_has_what_others_did(
    page: Page, tmp_path: Path
) -> None:
    """By the rights of the token that was shown; the log says who, what, to which job, with which number."""
    Program(tmp_path, TRAINS, "train.py").run("ours-1", "3", "exit")
    root = ["--root", str(tmp_path / "store")]
    tokens = {
        rights: lattice("token", "create", "ours", "--rights", rights, *root, cwd=tmp_path)["token"]
        for rights in ("read", "write")
    }
    log = tmp_path / "audit.jsonl"
    served = subprocess.Popen(
        [*LATTICE, "serve", *root, "--port", "0", "--require-tokens", "--audit", str(log)],
        env=clean_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert served.stdout is not None
        address = served.stdout.readline().split()[2]
        there = f"{address}/jobs/ours-1/checkpoints/2"
        for rights in ("read", "write"):
            page.goto(there)
            page.get_by_label("Token").fill(tokens[rights])
            press(page, "Log in")
            expect(page.get_by_role("heading", level=1)).to_contain_text("Checkpoint 2")
            buttons = page.get_by_role("button", name="Roll back to it…")
            if rights == "read":
                expect(buttons).to_have_count(0)
                csrf = page.locator("input[name=csrf]").first.input_value()
                form: Form = {"csrf": csrf, "checkpoint": "2"}
                assert page.request.post(f"{address}/jobs/ours-1/acts/rollback", form=form).status == 403
                assert page.request.get(f"{there}/download").status == 200
                press(page, "Log out")
            else:
                buttons.click()
                press(page, "Roll back")
                expect(page.locator(".news")).to_contain_text("as checkpoint 5")
    finally:
        served.terminate()
        served.communicate(timeout=150)
    acts = [told for told in map(json.loads, log.read_text().splitlines()) if "rollback" in told["act"]]
    assert [(told["act"], told["status"]) for told in acts] == [
        ("rollback", 403), ("ask rollback", 200), ("rollback", 303),
    ]  # fmt: skip
    assert (acts[-1]["job"], acts[-1]["checkpoint"], acts[-1]["made"]) == ("ours-1", 2, 5)
    assert acts[-1]["who"] in tokens["write"]


def test_a_store_elsewhere_is_shown_and_acted_on(page: Page, s3: Bucket, tmp_path: Path) -> None:
    """Over S3: a job, its values, what is different, a name, a roll back that arrives there, what prune frees."""
    environ = s3.environ | {"LATTICE_CHECKPOINT_SPOOL": str(tmp_path / "spool")}
    source = TRAINS.replace(
        'Settings(root="store", job_id=job, keep=100)',
        "__import__('dataclasses').replace(Settings.from_environ(), job_id=job, keep=100)",
    )
    Program(tmp_path, source, "train.py").run("far", "4", "exit", environ=environ)
    served = subprocess.Popen(
        [*LATTICE, "serve", "--root", s3.root, "--port", "0", "--audit", "none"],
        env=clean_environ() | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert served.stdout is not None
        address = served.stdout.readline().split()[2]
        page.goto(address)
        expect(page.locator("table.jobs")).to_contain_text("far")
        page.goto(f"{address}/jobs/far/checkpoints/2")
        expect(page.locator("table.slots")).to_contain_text("epoch")
        page.get_by_placeholder("a name").fill("second")
        press(page, "Keep…")
        press(page, "Keep it")
        expect(page.locator(".news")).to_contain_text("second")
        press(page, "Roll back to it…")
        press(page, "Roll back")
        expect(page.locator(".news")).to_have_text("far carries on from checkpoint 2, as checkpoint 6.")
        assert any(key.endswith("checkpoints/000000000006.json") for key in [*s3.keys()])
        page.goto(f"{address}/jobs/far")
        press(page, "Prune…")
        page.get_by_label("newest checkpoints stay").fill("1")
        press(page, "Say what would go then")
        page.locator("button.grave").click()
        expect(page.locator(".news")).to_contain_text("4 checkpoints of far went")
        left = sorted(key for key in [*s3.keys()] if "/checkpoints/" in key)
        assert [key[-7:-5] for key in left] == ["02", "06"]
    finally:
        served.terminate()
        out, err = served.communicate(timeout=150)
    assert (out, err) == ("", "")
