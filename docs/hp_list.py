"""Draws the README's picture of ``--hp-list``, from what a program really prints: ``python docs/hp_list.py``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 96
MODEL = """\
from lattice_addons.hyperparams.m import _


def build_model(layers):
    width = _("width", 128, min=1, help="channels of a layer")
    return [Linear(width, width) for each in range(layers)]


def optimizer():
    return SGD(lr=_("optimizer.lr", 0.1), nesterov=True)
"""
TRAIN = """\
import argparse
from lattice_addons.hyperparams import bind
from lattice_addons.hyperparams.m import _

_.parse_file("model.py")
parser = argparse.ArgumentParser()
bind(parser, _)
parser.parse_args()
"""


def printed() -> str:
    """Run the program in a terminal of this width, and give what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("model.py", MODEL), ("train.py", TRAIN)):
            (Path(folder) / name).write_text(text, encoding="utf-8")
        terminal = {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        quiet = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        root = str(Path(__file__).resolve().parents[1])
        done = subprocess.run(
            [sys.executable, "train.py", "--width", "256", "--hp-list"],
            cwd=folder,
            env=quiet | terminal | {"PYTHONPATH": root},
            capture_output=True,
            text=True,
            check=True,
        )
    return done.stdout


def draw(path: Path) -> None:
    """Write the picture."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(Text.from_ansi(printed().rstrip()))
    path.write_text(
        console.export_svg(title="$ ./train.py --width 256 --hp-list", unique_id="hp-list"), encoding="utf-8"
    )


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "_static" / "hp-list.svg")
