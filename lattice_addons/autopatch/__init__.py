"""Programs that were not written for it carry on where they were: importing this puts the patches on.

The patches of a framework are put on when the program imports that framework. ``LATTICE_AUTOPATCH`` says which
frameworks are meant (``torch,transformers``); without it all that are known. Nothing is imported by it, and a program
that uses none of the frameworks does not notice.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lattice_addons._doors import later

from ._environment import VARIABLE, autopatch_environment
from ._hook import install, wanted

if TYPE_CHECKING:
    from ._frameworks import standing_aside

__all__ = ["autopatch_environment", "standing_aside"]

# What is needed only where a framework's own loop runs.
_ROOMS = {"standing_aside": "_frameworks"}

later(globals(), _ROOMS)

install(wanted(os.environ.get(VARIABLE)))
