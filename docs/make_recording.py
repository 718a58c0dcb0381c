"""Records the README's program in a real terminal, killed and started again: ``python docs/make_recording.py``."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "_static" / "recording.svg"
PROMPT = "$ "


class Command(NamedTuple):
    """A line that is typed; when it has said ``until``, what runs gets a signal, from another terminal as it were."""

    typed: str
    until: str = ""
    signal: int = 0


COMMANDS = [
    Command("python squares.py      # until somebody types: kill", "3 squared is 9", signal.SIGTERM),
    Command("export LATTICE_CHECKPOINT_CONFIG=periodic_saving=enabled,periodic_saving_interval=0.1"),
    Command("python squares.py      # until somebody types: kill -9", "6 squared is 36", signal.SIGKILL),
    Command("python squares.py"),
]
# Times at which the recording is played: what has no output for long is not waited for by who looks at it.
LONGEST_PAUSE = 1.2
HOLD = 6.0
PLAYED = 3
WIDTH = 110
LINE = 19
LETTER = 8.43
MARGIN = 16
FONT = "font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
BAR = 34


class Row(NamedTuple):
    """A line of the terminal, and when it was first there, in seconds."""

    at: float
    text: str


def program() -> str:
    """Give the first program of the README."""
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    block = re.search(r"\.\. code-block:: python\n   :name: squares\.py\n\n((?:   .*\n|\n)+)", text)
    if block is None:
        raise SystemExit("README.rst has no program with the name squares.py")
    return "\n".join(line[3:] for line in block[1].rstrip().splitlines()) + "\n"


def record(commands: list[Command], folder: Path, seconds: float = 60) -> list[Row]:
    """Type the commands into a shell at a terminal, one after the other; give what it shows."""
    shell = shutil.which("bash")
    if shell is None:
        raise SystemExit("not installed: bash")
    pid, end = pty.fork()
    if not pid:
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDTH, 0, 0))
            os.chdir(folder)
            # The terminal itself shows what is typed, as it stands.
            arguments = ["bash", "--norc", "--noprofile", "--noediting"]
            os.execve(shell, arguments, environ(folder))  # noqa: S606 - found just now
        finally:
            os._exit(127)
    heard: list[tuple[float, str]] = []
    try:
        listen(end, heard, "", seconds)
        for command in commands:
            os.write(end, command.typed.encode() + b"\n")
            if command.until:
                listen(end, heard, command.until, seconds)
                os.killpg(os.tcgetpgrp(end), command.signal)
            listen(end, heard, "", seconds)
    finally:
        os.close(end)  # which hangs up: the shell ends
        os.waitpid(pid, 0)
    return rows(heard)


def environ(folder: Path) -> dict[str, str]:
    """Give the environment of a shell that has nothing of the reader's own, and finds `python` and `lattice`."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    for name, command in (("python", ""), ("lattice", "-m lattice_addons.cli")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n', encoding="utf-8")
        (tools / name).chmod(0o755)
    return {
        "COLUMNS": str(WIDTH),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PS1": PROMPT,
        "PYTHONPATH": str(ROOT),
        "TERM": "dumb",
    }


def listen(end: int, heard: list[tuple[float, str]], until: str, seconds: float) -> None:
    """Take in what the terminal shows until a line has been said; without one, until the shell waits again."""
    began = len(heard)
    latest = time.monotonic() + seconds
    while True:
        new = "".join(piece for _, piece in heard[began:])
        if f"{until}\r\n" in new if until else re.search(rf"(?:^|\n){re.escape(PROMPT)}$", new):
            return
        if not select.select([end], [], [], max(0.0, latest - time.monotonic()))[0]:
            raise SystemExit(f"not seen: {until or PROMPT!r}, but\n{new}")
        heard.append((time.monotonic(), os.read(end, 65536).decode("utf-8", "replace")))


def rows(heard: list[tuple[float, str]]) -> list[Row]:
    """Give the lines, each with the time at which it began; long silences are cut short."""
    found: list[Row] = []
    now, before, text = 0.0, heard[0][0], ""
    for at, piece in heard:
        now += min(at - before, LONGEST_PAUSE)
        before = at
        for part in re.split(r"(\r*\n)", piece):
            if not part:
                continue
            if part.endswith("\n"):
                found.append(Row(found.pop().at if text else now, text))
                text = ""
                continue
            if text:
                found.pop()
            text += part
            found.append(Row(now, text))
    # The prompt at which nothing more is typed.
    return [row for row in found if row.text != PROMPT]


def draw(recording: list[Row], source: str) -> str:
    """Give the recording as a picture that plays, and stands still with everything on it at the end."""
    length = recording[-1].at + HOLD
    width = round(2 * MARGIN + LETTER * max(len(row.text) for row in recording))
    height = BAR + LINE * len(recording) + MARGIN
    styles = [
        f"@keyframes r{at}{{0%{{opacity:0}}{100 * row.at / length:.2f}%{{opacity:1}}}}"
        for at, row in enumerate(recording)
    ]
    texts = []
    for at, row in enumerate(recording):
        y = BAR + LINE * (at + 1) - 5
        timed = f'style="animation-name:r{at}"' if row.at else ""
        texts.append(f'<text x="{MARGIN}" y="{y}" class="{kind(row.text)}" {timed}>{escape(row.text)}</text>')
    size = f'width="{width}" height="{height}"'
    dots = [
        f'<circle cx="{MARGIN + 5 + 20 * at}" cy="18" r="6" fill="{colour}"/>'
        for at, colour in enumerate(("#e06c75", "#e5c07b", "#98c379"))
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size} role="img">',
        "<title>A program that is killed twice, and carries on</title>",
        f"<desc>{escape(source)}</desc>",
        "<style>",
        f"text{{{FONT};white-space:pre;fill:#d8dee9;animation:{length:.2f}s step-end {PLAYED} both}}",
        ".typed{fill:#a3be8c}.end{fill:#e06c75}",
        *styles,
        "@media (prefers-reduced-motion:reduce){text{animation:none}}",
        "</style>",
        f'<rect {size} rx="8" fill="#20242e"/>',
        *dots,
        *texts,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def kind(text: str) -> str:
    """Tell what a line is: typed, the shell's word on an end, or the program's."""
    if text.startswith(PROMPT):
        return "typed"
    return "end" if text in ("Killed", "Terminated") else "said"


def main(path: Path) -> None:
    """Record, look whether it shows what it is to show, draw."""
    source = program()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "squares.py").write_text(source, encoding="utf-8")
        recording = record(COMMANDS, Path(folder))
    shown = "\n".join(row.text for row in recording)
    print(shown)
    for number in range(10):
        if f"{number} squared is {number**2}" not in shown:
            raise SystemExit(f"{number} is not there")
    if "Terminated" not in shown or "Killed" not in shown:
        raise SystemExit("it was not killed")
    path.write_text(draw(recording, source), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
