"""A real browser, and the dashboard of a store that it looks at, as fixtures for every test of the dashboard.

def test_it(page: Page, site: Site) -> None:
page.goto(site.address)      # at the end no script has failed, and nothing was against the policy

def test_that(plain_page: Page, site: Site) -> None: ...      # runs no scripts
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings
from lattice_addons.checkpoint import Fresh, Line, refusals
from lattice_addons.encoding import encode
from lattice_addons.storage import LocalStore
from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Dialog, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")
WAIT = 120_000  # milliseconds: a loaded machine is slow, and nothing is asserted to be quick
BAD = ("error", "warning")
EVIL = "<img src=x onerror=alert(1)>\"'&"
TRAINS = """
    import math, sys, time
    from lattice_addons import Settings, StateManagerGroup
    from lattice_addons.hyperparams.m import _

    lr = _("lr", 0.1)
    job, steps, end = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    group = StateManagerGroup(Settings(root="store", job_id=job, keep=100))
    for name in ("epoch", "loss", "metrics"):
        group.register(name)
    for epoch in range(steps):
        group.update("epoch", epoch)
        group.update("loss", 2.0 * math.exp(-epoch / 5))
        group.update("metrics", {"accuracy": epoch / 10, "note": "<b>bold</b>"})
        group.save()
    print("saved", flush=True)
    if end == "wait":
        sys.stdin.readline()
        group.update("epoch", 77)
        group.save()
        print("saved", flush=True)
        sys.stdin.readline()
    if end == "raise":
        raise RuntimeError(end)
"""


class Site:
    """A store, programs that save there, and its dashboard at an address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.trains = Program(folder, TRAINS, "train.py")
        LocalStore(self.store)
        self.served = subprocess.Popen(
            [sys.executable, "-m", "lattice_addons.cli", "ui", "--root", str(self.store)],
            env=clean_environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.served.stdout is not None
        self.address = self.served.stdout.readline().split()[2]

    def start(self, job: str, steps: int = 5) -> subprocess.Popen[str]:
        """Start a program, and wait until it has saved."""
        process = self.trains.start(job, str(steps), "wait")
        assert process.stdout is not None
        assert process.stdout.readline() == "saved\n"
        return process

    def run(self, job: str, end: str = "exit", steps: int = 5) -> None:
        """Run a program to its end."""
        self.trains.run(job, str(steps), end)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a store with jobs that have ended in every way, and one with a name that nobody should have."""
    made = Site(tmp_path_factory.mktemp("site"))
    made.run("done")
    made.run("done")
    made.run("raised", "raise")
    evil(made.store)
    yield made
    made.served.send_signal(signal.SIGTERM)
    out, err = made.served.communicate(timeout=150)
    # It ends as it was asked to, and has had nothing to complain of.
    assert (made.served.returncode, out, err) == (0, "", "")


def evil(store: Path) -> None:
    """Store what a page could take for its own: in every place where a program's words are shown."""
    line = Line(LocalStore(store), EVIL.replace("/", ""), settings=Settings(root=str(store)))
    for number in (1, 2):
        line.commit(
            {
                EVIL: Fresh(EVIL, encode({EVIL: [EVIL, number], "</script>": "{{ 7 * 7 }}"})),
                f"number {EVIL}": Fresh(EVIL, encode(number)),
                "config": Fresh("StateManager", encode({EVIL: number})),
                "state": Fresh("StateManager", encode({})),
            },
            parent=None,
            reason=EVIL if number == 1 else "exit",
            notes=(f"edited {EVIL}",),
            program={"argv": [EVIL], "host": EVIL, "pid": 1, "commit": EVIL, "packages": {EVIL: EVIL},
                     "hyperparams": {EVIL: {EVIL: [EVIL, 1, EVIL]}}},
            hyperparams={EVIL: {EVIL: EVIL}},
        )  # fmt: skip
    line.keeps.put(1, EVIL)
    refusals(line).add(EVIL, type(EVIL, (Exception,), {})(EVIL), [EVIL])
    line.release()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page; at the end no script has failed, nothing was against the policy, and no dialog was shown."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    yield from watched(opened)
    context.close()


def watched(page: Page) -> Iterator[Page]:
    """Watch over a page while a test runs."""
    from playwright.sync_api import expect

    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    wrong: list[str] = []
    # That a page is not there, or that a token is wrong, the browser tells as well.
    page.on(
        "console",
        lambda told: wrong.append(told.text) if told.type in BAD and " of 40" not in told.text else None,
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def dismiss(dialog: Dialog) -> None:
        wrong.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    yield page
    assert wrong == []


@pytest.fixture
def plain_page(browser: Browser) -> Iterator[Page]:
    """Open a page that runs no scripts."""
    context = browser.new_context(java_script_enabled=False)
    yield from watched(context.new_page())
    context.close()


# What can be used and has no name, or is an image without a word.
NAMELESS = """() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, [role=img], [role=region]')]
    .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))
    .map(e => e.outerHTML)"""

CONTRAST = """() => {
  const light = c => { c = c / 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
  const lum = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const parse = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > .99) return c; } return [255, 255, 255]; };
  const faults = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest('.hidden, .skip')) continue;
    const style = getComputedStyle(e);
    const [a, b] = [lum(parse(e.closest('svg') ? style.fill : style.color)), lum(ground(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const what = `${e.tagName}.${e.className.baseVal ?? e.className}`;
    if (ratio < 4.5) faults.push(`${what} ${ratio.toFixed(2)} ${e.textContent.trim().slice(0, 30)}`);
  }
  return [[...new Set(faults)], getComputedStyle(document.body).backgroundColor];
}"""
