"""What a notebook shows of a group and of what it gives: tables, in which every name and value is text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from lattice_addons import (
    PicklableDict,
    PicklableWrapper,
    Settings,
    State,
    StateClosureManager,
    StateManager,
    StateManagerGroup,
)

if TYPE_CHECKING:
    from pathlib import Path


class Rude:
    """Shows itself in no way."""

    def __repr__(self) -> NoReturn:
        """Fail."""
        raise RuntimeError("no")


def group_in(path: Path, **settings: Any) -> StateManagerGroup:
    """Make a group with a store in a folder."""
    return StateManagerGroup(Settings(root=str(path), job_id="job", **settings))


def test_a_group_shows_its_slots_as_text(tmp_path: Path) -> None:
    """Names, values and types of the program's cannot become markup."""
    group = group_in(tmp_path)
    group.register("<script>")
    group.update("<script>", "<b>&</b>")
    group.register("empty")
    group.save()
    for html in (group._repr_html_(), group.status()._repr_html_(), group.status().slots[0]._repr_html_()):
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
        assert "&lt;b&gt;&amp;&lt;/b&gt;" in html
    assert group._repr_html_().count("<tr>") == 3
    assert "checkpoint 1 (manual)" in group._repr_html_()
    checkpoint = group.save()
    assert checkpoint is not None
    assert "&lt;script&gt;" in checkpoint._repr_html_()
    group.close()


def test_a_group_that_is_shown_reads_nothing_and_calls_nothing(tmp_path: Path) -> None:
    """A slot that nobody asked for stays in the store, and functions of the program are not called for a look."""
    group = group_in(tmp_path)
    for name in ("small", "called"):
        group.register(name, StateClosureManager if name == "called" else StateManager)
    group.update("small", {"<i>": 1})
    group.update("called", lambda: [1, 2])
    group.save()
    group.close()
    group = group_in(tmp_path)
    group.register("small")
    group.register("called", StateClosureManager)
    group.update("called", lambda: pytest.fail("called"))
    html = group._repr_html_()
    assert "stored" in html
    assert "{&quot;&lt;i&gt;&quot;:1}" in html, "what stands in the manifest is known without reading"
    group.update("called", lambda: 1)
    assert group.status().slots[0].value == "stored"
    group.close()


def test_costs_and_what_would_be_lost(tmp_path: Path) -> None:
    """A table of saves, and the line that counts."""
    group = group_in(tmp_path)
    group.register("a")
    assert "no saves yet" in group.stats()._repr_html_()
    group.update("a", 1)
    group.save()
    stats = group.stats()
    assert stats.at_stake in stats._repr_html_()
    assert "checkpoint 1" in stats._repr_html_()
    assert stats.last is not None
    assert "checkpoint 1" in stats.last._repr_html_()
    assert stats.costs._repr_html_().count("<tr>") == 2
    group.close()


def test_plain_objects(tmp_path: Path) -> None:
    """Their values by name, cut to what a table has room for; an object that cannot show itself does no harm."""
    html = State(epoch=3, text="<b>" * 100)._repr_html_()
    assert "<b>" not in html
    assert "epoch" in html
    assert len(html) < 2_000
    assert "wrapped" in PicklableWrapper([1, 2])._repr_html_()
    many = PicklableDict({number: number for number in range(150)})._repr_html_()
    assert many.count("<tr>") == 101
    assert "… and 50 more" in many
    rude = State()
    vars(rude)["it"] = Rude()
    assert "Rude" in rude._repr_html_()
    group = group_in(tmp_path)
    assert "no checkpoint yet" in group._repr_html_()
    group.close()


def test_a_terminal_shows_text(tmp_path: Path) -> None:
    """IPython asks an object for its lines before it takes its repr."""
    lines: list[str] = []

    class Printer:
        text = staticmethod(lines.append)

    group = group_in(tmp_path)
    group.status()._repr_pretty_(Printer, cycle=False)
    group.stats()._repr_pretty_(Printer, cycle=False)
    assert lines == [str(group.status()), str(group.stats())]
    assert StateManager()._repr_html_() is None, "one that belongs to a group is shown by that"
    group.close()
