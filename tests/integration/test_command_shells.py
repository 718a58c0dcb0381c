"""In a real shell at a real terminal, TAB completes commands, options and the names of jobs."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from tests.patient import LATTICE
from tests.program import clean_environ
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

# How each begins without the user's own settings, and takes the script.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(lattice completion bash)"\n'),
    "zsh": (["zsh", "-f", "-i"], 'eval "$(lattice completion zsh)"\n'),
    "fish": (["fish", "--no-config", "-i"], "lattice completion fish | source\n"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes(shell: str, tmp_path: Path) -> None:
    """The command that begins so, then the job that does; and what was typed runs."""
    if shutil.which(shell) is None:
        pytest.skip(f"not installed: {shell}")
    group = StateManagerGroup(Settings(root=str(tmp_path / ".lattice"), job_id="zebra", signals=()))
    group.register("n")
    group.update("n", 12345)
    group.save()
    group.close()
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "lattice").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{LATTICE}" "$@"\n')
    (folder / "lattice").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    environ = clean_environ(PATH=path, HOME=str(tmp_path), PS1="ready> ", LC_ALL="C.UTF-8", fish_greeting="")
    command, setup = SHELLS[shell]
    with Terminal(command, tmp_path, environ) as terminal:
        terminal.type(setup)
        terminal.type("echo it-is-$((40+2))\n" if shell != "fish" else "echo it-is-(math 40+2)\n")
        terminal.wait_for("it-is-42")
        terminal.type("lattice sho\t")
        terminal.wait_for("lattice show ")
        terminal.type("ze\t")
        terminal.wait_for("zebra")
        terminal.type("n\n")
        terminal.wait_for("12345")
