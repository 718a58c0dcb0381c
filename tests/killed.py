"""A program that was killed and started again must end with the very lines of one that was left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.lives import Life, lives

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from pathlib import Path

ENVIRON = {
    "JAX_PLATFORMS": "cpu",
    # Its threads would only be in each other's way.
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    # What one life has compiled, the others need not: in the folder in which they all run.
    "JAX_COMPILATION_CACHE_DIR": "compiled",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def ends_alike(  # noqa: PLR0913 - a program's lives have many sides
    folder: Path,
    source: str,
    frameworks: Sequence[str],
    kills: Sequence[tuple[str, signal.Signals]],
    *,
    last: int = 1,
    config: str = "",
    **environ: str,
) -> tuple[list[str], list[str]]:
    """Run a program alone, and with a signal at each of these lines; see that the last lines of both are the same.

    Give all lines of the first, and of the last start of the second.
    """
    killed = [Life(death=kill, config=config) for kill in kills]
    wanted = [Life(store="alone", config=config), *killed, Life(config=config)]
    alone, *died, after = lives(folder, source, frameworks, wanted, **ENVIRON | environ)
    for each, (_, number) in zip(died, kills, strict=True):
        assert each.status == -number, each.errors
    assert alone.status == after.status == 0, alone.errors + after.errors
    found = alone.output.splitlines(), after.output.splitlines()
    assert found[0][-last:] == found[1][-last:], found
    return found
