"""What an open page tells by its own clock, which may be another one than the server's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tests.integration.browsing import NEEDS_CHROMIUM, Site
from tests.program import finish

pytest.importorskip("playwright.sync_api", reason="drives the browser")
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = NEEDS_CHROMIUM


@pytest.mark.parametrize("days", [-3, 3])
def test_a_clock_that_is_set_right_again_is_believed(page: Page, site: Site, days: int) -> None:
    """As after a machine has slept: what was once made up for is not made up for ever, nor waited for."""
    program = site.start(f"clock{days}")
    assert program.stdin is not None
    page.clock.install(time=datetime.now(timezone.utc) + timedelta(days=days))
    page.goto(f"{site.address}/jobs/clock{days}")
    expect(page.locator("#live")).to_have_text("live")
    program.stdin.write("\n")
    program.stdin.flush()
    expect(page.locator(".tiles")).to_contain_text("#6")
    told = page.locator(".tiles time").first
    assert "days" not in told.inner_text()
    page.clock.set_system_time(datetime.now(timezone.utc))
    finish(program)
    expect(page.locator("h1 .state")).to_have_text("stopped")
    page.clock.run_for(1000)
    assert "days" not in told.inner_text()
