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
# The option of a script that is a file, for the commands behind it.
NAMED = re.compile(r":name: (\S+\.sh)")
# Comments before a block: why it cannot be run here; by which test it is run; what is done first, and is not worth a
# reader's while; that its last command goes on beside what comes next, as in a terminal of its own, until another one
# does, or the page ends. And one that stands anywhere: a command that must succeed, when all before it was done.
COMMENT = re.compile(r"[ ]*\.\. (?P<what>not run|run by|prepared by|checked by|goes on): (?P<told>.+)")
INLINE = re.compile(r"``((?:[A-Z_]+=\S+ )*lattice [^`]+)``", re.DOTALL)
SCRIPTS = ("bash", "sh")


@dataclass(frozen=True)
class Console:
    """A block of command lines; ``not_run`` says why, where it cannot be run here, ``run_by`` names a test that does.

    A script may have a ``name``.
    """

    page: Path
    line: int
    prepared: tuple[str, ...]
    commands: tuple[str, ...]
    not_run: str
    goes_on: bool = False
    name: str = ""
    run_by: str = ""

    def __str__(self) -> str:
        """Give the place, for the names of the tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_typed(self) -> bool:
        """Tell whether it is run with its page."""
        return not self.not_run and not self.run_by

    @property
    def script(self) -> str:
        """Give it as a script that says where it is."""
        commands = list(self.commands)
        if self.name:
            commands = [f"cat > {self.name} << 'end of {self.name}'", *commands, f"end of {self.name}"]
        if self.goes_on:
            last = max(at for at in range(len(commands)) if not at or not commands[at - 1].endswith("\\"))
            # A service says where it is when it listens; of any other program the first word will do.
            word = "://" if re.match("lattice (serve|ui)", commands[last]) else "."
            commands[-1] += ' > "$HOME/beside.log" 2>&1 &'
            commands = [*commands[:last], "end_beside", *commands[last:], f"await_beside $! '{word}'"]
        return "\n".join((f"echo '{self}' >&2", *self.prepared, *commands)) + "\n"


def consoles(page: Path) -> list[Console]:
    """Give a page's blocks of command lines: of a console the lines behind ``$``, of a script all."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found = []
    for at, line in enumerate(lines):
        begins, comment = BEGINS.search(line), COMMENT.match(line)
        if comment is not None and comment["what"] == "checked by":
            found.append(Console(page, at + 1, (), (comment["told"],), ""))
        if begins is None or comment is not None:
            continue
        code = _block(lines, at)
        named = NAMED.fullmatch(code[0]) if code else None
        if named is not None:
            code = "\n".join(code[1:]).strip("\n").splitlines()
        is_script = begins["kind"] in SCRIPTS
        commands = tuple(code if is_script else _prompted(code))
        if commands:
            said = _comments(lines, at)
            prepared = tuple(told for what, told in said if what == "prepared by")
            once = dict(said)
            name = named[1] if named is not None else ""
            why, by = once.get("not run", ""), once.get("run by", "")
            found.append(Console(page, at + 1, prepared, commands, why, "goes on" in once, name, by))
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


def _comments(lines: list[str], at: int) -> list[tuple[str, str]]:
    """Give what the comments right before a block say, or before the paragraph that leads to it."""
    while at and lines[at].strip():
        at -= 1
    found: list[tuple[str, str]] = []
    while at:
        at -= 1
        match = COMMENT.fullmatch(lines[at])
        if match is None and lines[at].strip():
            break
        if match is not None:
            found.insert(0, (match["what"], match["told"]))
    return found


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
            ends = [
                at for at, word in enumerate(words) if word in ("&", "|", ">", "&&", "||", ";", "2>", "2>&1")
            ]
            found.append(words[1 : ends[0] if ends else None])
    return found


def inline(page: Path) -> list[list[str]]:
    """Give the words of each ``lattice …`` in the text of a page, from the command's name on."""
    text = page.read_text(encoding="utf-8")
    told = (re.sub(r"\s+", " ", each).split(" ") for each in INLINE.findall(text))
    return [words[words.index("lattice") + 1 :] for words in told]
