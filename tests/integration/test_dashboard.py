"""The dashboard in a real browser, while real programs run, save, crash and are killed."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from lattice_addons import Settings
from lattice_addons.checkpoint import Fresh, Line
from lattice_addons.encoding import encode
from lattice_addons.storage import LocalStore
from tests.integration.browsing import CONTRAST, EVIL, NAMELESS, NEEDS_CHROMIUM, TRAINS, Site
from tests.program import Program, clean_environ, finish

pytest.importorskip("playwright.sync_api", reason="drives the browser")
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = NEEDS_CHROMIUM


def names(page: Page) -> list[str]:
    """Give the names of the jobs in the table."""
    return page.locator("table.jobs tbody th a").all_text_contents()


def row(job: str) -> str:
    """Say where the row of a job is."""
    return f"table.jobs tbody tr:has(th a:text-is('{job}'))"


def test_a_job_appears_saves_and_is_killed_before_the_eyes_of_who_looks(page: Page, site: Site) -> None:
    """Its row comes, changes, and says that it crashed; the page is never loaded anew."""
    page.goto(site.address)
    expect(page.locator("#live")).to_have_text("live")
    page.evaluate("window.here = true")
    program = site.start("killed")
    state = page.locator(row("killed")).locator(".state")
    expect(state).to_have_text("running")
    expect(page.locator(row("killed"))).to_contain_text("#5")
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()
    expect(page.locator(row("killed"))).to_contain_text("#6")
    expect(page.locator(".chips .running")).to_contain_text("1")
    program.kill()
    finish(program)
    expect(state).to_have_text("crashed")
    assert page.evaluate("window.here") is True


def test_jobs_are_searched_filtered_and_sorted(page: Page, site: Site) -> None:
    """By typing and by clicking, and the address says what is shown."""
    page.goto(site.address)
    assert {"done", "raised", EVIL.replace("/", "")} <= set(names(page))
    page.keyboard.press("/")
    page.keyboard.type("RAIS")
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    assert names(page) == ["raised"]
    expect(page).to_have_url(f"{site.address}/?q=RAIS")
    page.get_by_role("searchbox").fill("")
    expect(page.locator(row("done"))).to_be_visible()
    page.locator(".chips .stopped").click()
    expect(page.locator(row("raised"))).to_have_count(0)
    assert set(page.locator("table.jobs .state").all_text_contents()) == {"stopped"}
    page.get_by_role("link", name="all").click()
    page.get_by_role("link", name="Job", exact=True).click()
    expect(page.locator("th[aria-sort]")).to_have_text("Job↑")
    upwards = names(page)
    assert upwards == sorted(upwards, key=str.casefold)
    page.get_by_role("link", name="Job", exact=True).click()
    expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    assert names(page) == upwards[::-1]
    page.go_back()
    expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", "ascending")


def test_everything_can_be_had_without_scripts(plain_page: Page, site: Site) -> None:
    """Searching, sorting, the lines over checkpoints, the timeline, a value."""
    page = plain_page
    page.goto(site.address)
    page.get_by_role("searchbox").fill("done")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("table.jobs tbody th a")).to_have_text(["done"])
    page.get_by_role("link", name="Size", exact=True).click()
    expect(page).to_have_url(re.compile("sort=size"))
    page.get_by_role("link", name="done").click()
    expect(page.locator(".chart svg polyline").nth(3)).to_be_attached()
    page.get_by_role("link", name="metrics", exact=True).click()
    assert "<b>bold</b>" in page.locator(".value").inner_text()


def test_a_job_tells_its_timeline_numbers_slots_source_and_saves(page: Page, site: Site) -> None:
    """Two lives, a mark for each checkpoint that leads to it, lines that scripts draw anew, lines of source."""
    page.goto(f"{site.address}/jobs/done")
    told = page.request.get(f"{site.address}/v1/view/jobs/done").json()
    assert (told["job"]["number"], told["job"]["state"]) == (12, "stopped")
    for nothing in ("none", "a%00b", ".x", "%E2%80%AE", "a%2Fb", "x" * 3000):
        assert page.request.get(f"{site.address}/v1/view/jobs/{nothing}").status == 404, nothing
        assert page.request.get(f"{site.address}/jobs/{nothing}").status == 404, nothing
    marks = page.locator(".timeline a")
    expect(marks).to_have_count(12)
    assert page.locator(".timeline .lane").count() == 2
    assert page.locator(".timeline .mark.exit").count() == 2
    expect(page.locator(".chart.drawn canvas").first).to_be_visible()
    assert {"epoch", "loss", "metrics.accuracy", "new bytes"} <= set(
        page.locator(".chart .name").all_text_contents()
    )
    slots = page.locator("table.slots")
    expect(slots).to_contain_text("builtins.float")
    expect(slots).to_contain_text("since checkpoint 11", ignore_case=True)
    hyperparams = page.locator("section:has(#hyperparams)")
    expect(hyperparams).to_contain_text('lr = _("lr", 0.1)')
    expect(hyperparams).to_contain_text("train.py:")
    saves = page.locator("section:has(#saves)")
    assert saves.locator("tbody tr").count() == 12
    expect(saves.locator("tbody tr").first).to_contain_text("exit")
    # By keyboard: with a mouse one of another second may lie above it.
    marks.nth(6).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Checkpoint")
    expect(page.locator(".facts")).to_contain_text("train.py done 5 exit")


def test_what_a_running_job_saves_comes_into_its_page_by_itself(page: Page, site: Site) -> None:
    """The value of a slot, the number of checkpoints, and in the end that it has stopped."""
    program = site.start("runs")
    page.goto(f"{site.address}/jobs/runs")
    expect(page.locator("h1 .state")).to_have_text("running")
    expect(page.locator("#live")).to_have_text("live")
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()
    expect(page.locator("table.slots")).to_contain_text("77")
    expect(page.locator(".tiles")).to_contain_text("#6")
    program.stdin.write("\n")
    finish(program)
    expect(page.locator("h1 .state")).to_have_text("stopped")
    expect(page.locator(".chart.drawn").first).to_be_visible()


def test_nothing_that_a_program_stored_becomes_a_part_of_a_page(page: Page, site: Site) -> None:
    """Names, values, notes, reasons, source, hosts: all of it is text, on every page."""
    job = f"{site.address}/jobs/{quote(EVIL.replace('/', ''), safe='')}"
    for address in (
        f"{site.address}/?q={quote(EVIL)}",
        job,
        f"{job}/checkpoints/1",
        f"{job}/checkpoints/2",
        f"{job}/slot?name={quote(EVIL)}",
        f"{job}/slot?name={quote('number ' + EVIL)}",
        f"{job}/slot?name={quote('no such ' + EVIL)}",
        f"{site.address}/login?failed=1&next={quote(EVIL)}",
        f"{site.address}/jobs/{quote('no ' + EVIL, safe='')}",
    ):
        answer = page.goto(address)
        assert answer is not None
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        # Of our own there are the mark at the top and nothing else.
        assert page.locator("img").count() <= 1, address
        assert page.locator("main b, main script, main img").count() == page.locator(".chips b").count(), (
            address
        )
        assert "alert" not in page.evaluate(
            "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).join()"
        )
        assert "49" not in page.locator(".value").all_text_contents()
    page.goto(job)
    shown = page.locator("main").inner_text()
    assert shown.count(EVIL) >= 8


def test_pages_are_for_keyboards_and_screen_readers(page: Page, site: Site) -> None:
    """Landmarks, one heading of the first level, a name for all that can be used, and an order to go through."""
    page.goto(site.address)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.locator("table.jobs tbody th a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/**")
    for path in ("/", "/jobs/done", "/jobs/done/checkpoints/3", "/jobs/done/slot?name=metrics", "/login"):
        page.goto(site.address + path)
        for role in ("banner", "main", "contentinfo"):
            assert page.get_by_role(role).count() == 1, (path, role)
        assert page.get_by_role("heading", level=1).count() == 1, path
        assert page.locator("html[lang=en]").count() == 1
        assert page.evaluate(NAMELESS) == [], path
        assert (
            page.locator("[style], [onclick], style, script:not([src])").count()
            == page.locator(".uplot [style], .uplot[style]").count()
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read_in_light_and_in_dark(browser: Browser, site: Site, scheme: str) -> None:
    """By its contrast, as WCAG 2 has it (AA)."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    page = context.new_page()
    grounds = set()
    for path in ("/", "/jobs/done", "/jobs/raised", "/jobs/done/slot?name=metrics", "/login?failed=1"):
        page.goto(site.address + path)
        faults, ground = page.evaluate(CONTRAST)
        assert faults == [], path
        grounds.add(ground)
    context.close()
    assert len(grounds) == 1
    dark = sum(map(int, next(iter(grounds)).removeprefix("rgb(").removesuffix(")").split(","))) < 200
    assert dark == (scheme == "dark")


def test_a_phone_shows_all_of_it_without_scrolling_sideways(browser: Browser, site: Site) -> None:
    """Rows become cards; what is wide scrolls within itself."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    page = context.new_page()
    for path in (
        "/",
        "/jobs/done",
        f"/jobs/{quote(EVIL.replace('/', ''), safe='')}",
        "/jobs/done/slot?name=metrics",
        "/login",
    ):
        page.goto(site.address + path)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, path
    page.goto(site.address)
    box = page.locator(row("done")).bounding_box()
    assert box is not None
    assert box["height"] > 80
    page.locator(row("done")).get_by_role("link").tap()
    expect(page.locator("h1")).to_contain_text("done")
    context.close()


def test_hundreds_of_jobs_are_paged_by_the_server(page: Page, tmp_path: Path) -> None:
    """One page has some of them, the next one others, and a search finds any."""
    store = LocalStore(tmp_path / "store")
    settings = Settings(root=store.root)
    slots = {"epoch": Fresh("StateManager", encode(1))}
    for number in range(120):
        line = Line(store, f"job-{number:03}", settings=settings)
        line.commit(slots, parent=None, reason="exit")
        line.release()
    many = Site(tmp_path)
    try:
        page.goto(many.address + "/?sort=name")
        expect(page.locator(".summary")).to_contain_text("120 of 120 jobs")
        assert names(page) == [f"job-{number:03}" for number in range(50)]
        page.get_by_role("link", name="Next →").click()
        expect(page.locator("table.jobs tbody th a").first).to_have_text("job-050")
        page.get_by_role("searchbox").fill("119")
        expect(page.locator("table.jobs tbody tr")).to_have_count(1)
        assert names(page) == ["job-119"]
    finally:
        many.served.terminate()
        many.served.communicate(timeout=150)


def test_who_has_no_token_is_asked_for_one_and_sees_only_what_it_opens(page: Page, tmp_path: Path) -> None:
    """The page of a service with tokens: what another team stores is not there for this one."""
    trains = Program(tmp_path, TRAINS, "train.py")
    for job in ("ours-1", "theirs-1"):
        trains.run(job, "2", "exit")
    lattice = [sys.executable, "-m", "lattice_addons.cli"]
    root = str(tmp_path / "store")
    told = subprocess.run(
        [*lattice, "token", "create", "ours", "--rights", "read", "--root", root, "--json"],
        env=clean_environ(), capture_output=True, text=True, check=True, timeout=150,
    )  # fmt: skip
    import json

    token = json.loads(told.stdout)["token"]
    served = subprocess.Popen(
        [*lattice, "serve", "--root", root, "--port", "0", "--require-tokens", "--audit", "none"],
        env=clean_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert served.stdout is not None
        address = served.stdout.readline().split()[2]
        page.goto(f"{address}/jobs/ours-1?rank=0")
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("ours-1")
        page.goto(address)
        assert names(page) == ["ours-1"]
        answer = page.request.get(f"{address}/jobs/theirs-1")
        assert answer.status == 404
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    finally:
        served.terminate()
        served.communicate(timeout=150)
