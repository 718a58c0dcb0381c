"""A program that was killed and started again must end with the very lines of one that was left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from pathlib import Path

# The threads of frameworks would only be in each other's way.
ENVIRON = {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


def ends_alike(
    folder: Path,
    source: str,
    kills: Sequence[tuple[str, signal.Signals]],
    *,
    last: int = 1,
    config: str = "",
    **environ: str,
) -> tuple[list[str], list[str]]:
    """Run a program alone, and with a signal at each of these lines; see that the last lines of both are the same.

    Give all lines of the first, and of the last start of the second.
    """
    lives = []
    environ = ENVIRON | environ
    for name in ("alone", "killed"):
        (folder / name).mkdir()
        program = Program(folder / name, source)
        for line, number in kills if name == "killed" else ():
            process = program.start(config=config, environ=environ)
            wait_for(process, line)
            process.send_signal(number)
            assert finish(process, timeout=120).returncode == -number
        ended = program.run(config=config, environ=environ, timeout=120)
        assert ended.returncode == 0, ended.stderr
        lives.append(ended.stdout.splitlines())
    alone, after = lives
    assert alone[-last:] == after[-last:], (alone, after)
    return alone, after
