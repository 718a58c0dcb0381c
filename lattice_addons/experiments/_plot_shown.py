"""``lattice experiment plot``: a result is drawn against the fields, in the terminal or as a picture."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from ._plots import draw_results, paint_results

if TYPE_CHECKING:
    import argparse

    from ._experiment import Experiment

__all__ = ["show_plot"]


def show_plot(cls: type[Experiment], options: argparse.Namespace) -> int:
    """Draw the results that the options ask for; give the exit status."""
    against = [name.strip() for name in options.by.split(",")] if options.by else None
    if options.png:
        paint_results(
            cls, options.png, options.metric, against=against, parallel=options.parallel, root=options.root
        )
        sys.stdout.write(f"wrote {options.png}\n")
        return 0
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    text = draw_results(
        cls,
        options.metric,
        against=against,
        parallel=options.parallel,
        root=options.root,
        width=width,
        only_ascii=plain,
    )
    sys.stdout.write(text)
    return 0
