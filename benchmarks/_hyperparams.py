"""Hyper-parameters are found in a large tree of source much sooner than by parsing all of it."""

from __future__ import annotations

import ast
import itertools
import os
import sysconfig
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._measure import Contender, in_turn, ratio
from lattice_addons.hyperparams import HyperParameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._row import Row
    from benchmarks._setup import Setup

__all__ = ["parsing"]

FILES, DECLARING = 2000, 50
SOURCE = """
from lattice_addons.hyperparams.m import _

def build():
    return _("width_{0}", 128, min=1, help="channels"), _("optimizer_{0}.lr", 0.1)
"""


def parsing(setup: Setup) -> Iterator[Row]:
    """Compare parsing of hyper-parameters with `ast.parse` of each file and a walk through all of it."""
    warnings.simplefilter("ignore")
    with setup.room() as folder:
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        paths = [folder / f"model_{number}.py" for number in range(DECLARING)]
        for number, path in enumerate(paths):
            path.write_text(SOURCE.format(number), encoding="utf-8")
        library = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
        source = (path for path in library if "site-packages" not in path.parts)
        paths += itertools.islice(source, FILES - DECLARING)
        times = in_turn(
            [
                Contender("cold", lambda: _ours(paths, cache=False)),
                Contender("known from the last time", lambda: _ours(paths, cache=True)),
                Contender("ast.parse and walk", lambda: _plain(paths), rounds=setup.few),
            ],
            setup.rounds,
        )
    plain = times["ast.parse and walk"]
    what = f"hyper-parameters in {len(paths):,} files of source"
    yield ratio(f"{what} / ast.parse and walk of each", times["cold"], plain, 0.5)
    yield ratio(
        f"{what}, the second time / ast.parse and walk of each", times["known from the last time"], plain, 0.5
    )


def _ours(paths: list[Path], *, cache: bool) -> None:
    manager = HyperParameters("_")
    manager.parse_file(paths, cache=cache)
    if len(manager.names()) != 2 * DECLARING:
        raise AssertionError(f"{len(manager.names())} hyper-parameters were found")


def _plain(paths: list[Path]) -> int:
    found = 0
    for path in paths:
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # the library has files that are no Python, for its tests
            continue
        for node in ast.walk(tree):
            found += isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"
    return found
