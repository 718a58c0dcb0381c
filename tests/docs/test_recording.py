"""The README's recording is of the README's program, and can be made again."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from docs import make_recording

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def lines(picture: str) -> list[str]:
    """Give the lines that a picture shows."""
    return [each.text or "" for each in ET.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314 - our own


def test_the_recording_is_of_the_program() -> None:
    """Who changes the program in the README records it again; it was killed, and went on to the end."""
    picture = make_recording.PICTURE.read_text(encoding="utf-8")
    description = ET.fromstring(picture).find(f"{SVG}desc")  # noqa: S314 - our own
    assert description is not None
    assert description.text == make_recording.program(), "record it anew: python docs/make_recording.py"
    shown = lines(picture)
    assert [line for line in shown if line.startswith("$ ")] == [
        f"$ {each.typed}" for each in make_recording.COMMANDS
    ]
    assert [line for line in shown if line in ("Terminated", "Killed")] == ["Terminated", "Killed"]
    assert {f"{n} squared is {n * n}" for n in range(10)} <= {*shown}


@pytest.mark.skipif(shutil.which("bash") is None, reason="not installed: bash")
def test_a_terminal_is_recorded(tmp_path: Path) -> None:
    """What is typed and what is said, in order and in time, with what has a meaning in XML escaped."""
    commands = [
        make_recording.Command("echo '<one>'; sleep 1; echo two"),
        make_recording.Command("sh -c 'echo three; exec sleep 60'", "three", signal.SIGKILL),
    ]
    recording = make_recording.record(commands, tmp_path)
    assert [row.text for row in recording] == [
        "$ echo '<one>'; sleep 1; echo two",
        "<one>",
        "two",
        "$ sh -c 'echo three; exec sleep 60'",
        "three",
        "Killed",
    ]
    times = [row.at for row in recording]
    assert times == sorted(times)
    # Who records may have heard the first word late.
    assert times[2] - times[1] > 0.05
    picture = make_recording.draw(recording, "a < b\n")
    assert lines(picture) == [row.text for row in recording]
