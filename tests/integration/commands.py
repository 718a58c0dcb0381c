"""Commands within the process of the tests: they say and do the same, and no Python has to start for each."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess

from lattice_addons.cli import main


def lattice(*words: str) -> CompletedProcess[str]:
    """Run a command; give its status and what it has said."""
    said, complained = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(complained):
        status = main(words)
    return CompletedProcess(words, status, said.getvalue(), complained.getvalue())
