"""``python -m lattice_addons.cli`` is ``lattice``."""

import sys

from ._main import main

sys.exit(main())
