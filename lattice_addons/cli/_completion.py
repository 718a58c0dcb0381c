"""``lattice completion``: what a shell needs to complete commands, options, jobs and slots."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection

__all__ = ["add_arguments", "complete", "run"]

_SHELLS = ("bash", "zsh", "fish")
# A store that does not answer must not hold up a terminal; in seconds.
_PATIENCE = 3.0
_ZSH = "autoload -Uz compinit && whence compdef > /dev/null || compinit\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=_SHELLS, help="which shell it is for")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    from argcomplete.shell_integration import shellcode

    text = shellcode(["lattice"], shell=options.shell)
    if options.shell == "zsh":
        # Where nothing else has made its completion system ready.
        text = _ZSH + text
    sys.stdout.write(text)
    return 0


def complete(build: Callable[[Collection[str]], argparse.ArgumentParser]) -> None:
    """Answer the shell, which asks by environment variables, and end; nothing happens where it is another that asks."""
    from argcomplete import autocomplete

    _end_after(_PATIENCE)
    parser = build(_commands_in(os.environ.get("COMP_LINE", "")))
    for each in _parsers(parser):
        for action in each._actions:  # noqa: SLF001 - argparse has no public way to list them
            completer = {"job": _jobs, "what": _jobs, "slot": _slots}.get(action.dest)
            if completer is not None:
                action.completer = completer  # type: ignore[attr-defined] # the name that argcomplete looks for
    autocomplete(parser, always_complete_options="long")
    _end_after(0)


def _end_after(seconds: float) -> None:
    """End this process then, where alarms are, so that a shell does not hang; 0 takes it back."""
    if sys.platform != "win32" and hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _commands_in(line: str) -> list[str]:
    with suppress(ValueError):  # of a quote that is not closed yet
        return shlex.split(line)[1:]
    return line.split()[1:]


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    choices = [action.choices for action in parser._actions if isinstance(action.choices, dict)]  # noqa: SLF001
    return [each for some in choices for each in some.values()]


def _jobs(parsed_args: argparse.Namespace, **_: Any) -> list[str]:  # noqa: ANN401 - what argcomplete gives besides
    """Give the names of the jobs of the store that the line names."""
    from lattice_addons.checkpoint import jobs

    return jobs(_opened(parsed_args).store)


def _slots(parsed_args: argparse.Namespace, **_: Any) -> list[str]:  # noqa: ANN401 - as above
    """Give the names of the slots of the job that the line names."""
    opened = _opened(parsed_args)
    line = next(opened.lines(opened.job(parsed_args.job)))
    newest = line.newest()
    return list(newest.slots) if newest is not None else []


def _opened(parsed_args: argparse.Namespace) -> Any:  # noqa: ANN401 - OpenStore, which is imported here
    from ._store import OpenStore

    if not hasattr(parsed_args, "root"):
        parsed_args.root = None
    return OpenStore(parsed_args)
