"""The command lines that stand in the README and the documentation."""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What begins a block: a directive, or a paragraph that ends with two colons.
BEGINS = re.compile(r"^[ ]*\.\. code-block:: (?P<kind>console|shell|bash|sh)$|::$")
# Comments before a block: why it cannot be run here, or what is done first, and is not worth a reader's while.
COMMENT = re.compile(r"[ ]*\.\. (?P<what>not run|prepared by): (?P<told>.+)")
INLINE = re.compile(r"``((?:[A-Z_]+=\S+ )*lattice [^`]+)``", re.DOTALL)
SCRIPTS = ("bash", "sh")


@dataclass(frozen=True)
class Console:
    """A block of command lines; ``not_run`` says why, where it cannot be run here."""

    page: Path
    line: int
    prepared: tuple[str, ...]
    commands: tuple[str, ...]
    not_run: str

    def __str__(self) -> str:
        """Give the place, for the names of the tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def script(self) -> str:
        """Give it as a script that says where it is."""
        return "\n".join((f"echo '{self}' >&2", *self.prepared, *self.commands)) + "\n"


def consoles(page: Path) -> list[Console]:
    """Give a page's blocks of command lines: of a console the lines behind ``$``, of a script all."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found = []
    for at, line in enumerate(lines):
        begins = BEGINS.search(line)
        if begins is None or COMMENT.match(line):
            continue
        code = _block(lines, at)
        is_script = begins["kind"] in SCRIPTS
        commands = tuple(code if is_script else _prompted(code))
        if commands:
            why, prepared = _comments(lines, at)
            found.append(Console(page, at + 1, prepared, commands, why))
    return found


def _block(lines: list[str], at: int) -> list[str]:
    """Give the lines of the block that begins behind this one."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    end = at + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * (indent + 3))):
        end += 1
    return textwrap.dedent("\n".join(lines[at + 1 : end])).strip("\n").splitlines()


def _prompted(code: list[str]) -> Iterator[str]:
    """Give the lines behind a prompt, each with those that carry it on."""
    going = False
    for line in code:
        if line.startswith("$ ") or going:
            yield line.removeprefix("$ ")
            going = line.endswith("\\")


def _comments(lines: list[str], at: int) -> tuple[str, tuple[str, ...]]:
    """Give what the comments right before a block say, or before the paragraph that leads to it."""
    while at and lines[at].strip():
        at -= 1
    why = ""
    prepared: list[str] = []
    while at:
        at -= 1
        match = COMMENT.fullmatch(lines[at])
        if match is None and lines[at].strip():
            break
        if match is not None and match["what"] == "not run":
            why = match["told"]
        elif match is not None:
            prepared.insert(0, match["told"])
    return why, tuple(prepared)


def lattice_lines(text: str) -> list[list[str]]:
    """Give the arguments of each `lattice` that a line of a script runs."""
    found = []
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # a part of a line, or no shell
        while words and (words[0] in ("exec", "nohup", "timeout") or "=" in words[0]):
            words = words[1:]
        if words[:1] == ["lattice"]:
            ends = [at for at, word in enumerate(words) if word in ("&", "|", ">", "&&", ";", "2>&1")]
            found.append(words[1 : ends[0] if ends else None])
    return found


def inline(page: Path) -> list[list[str]]:
    """Give the words of each ``lattice …`` in the text of a page, from the command's name on."""
    text = page.read_text(encoding="utf-8")
    told = (re.sub(r"\s+", " ", each).split(" ") for each in INLINE.findall(text))
    return [words[words.index("lattice") + 1 :] for words in told]
