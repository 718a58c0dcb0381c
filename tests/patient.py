"""``lattice`` for a shell that waits for as long as completion takes: a busy machine may take long for the imports."""

from __future__ import annotations

#: A program, which takes the command's arguments.
LATTICE = "import sys; from lattice_addons.cli import _completion, main; _completion._PATIENCE = 100; sys.exit(main())"
