"""Measures the checkpoint engine against the machine and against other libraries: ``python benchmarks``."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # The modules here are `benchmarks._name`, also when the folder itself is what Python runs.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks._command import main

    sys.exit(main(sys.argv[1:]))
