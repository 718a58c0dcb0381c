"""The code's own words are put into the reference, and no public name is left out of it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import reference_text
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import lattice_addons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docutils.nodes import Node
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.util.typing import ExtensionMetadata

log = logging.getLogger(__name__)


def directive(write: Callable[[], str]) -> type[SphinxDirective]:
    """Make the directive that stands for a text written from the code."""

    class FromTheCode(SphinxDirective):
        """Parses the text as if it stood in the page."""

        def run(self) -> list[Node]:
            return self.parse_text_to_nodes(write(), allow_section_headings=True)

    return FromTheCode


def public_names() -> Iterator[str]:
    """Give every name that a door of the package shows, by its full path."""
    for room in pkgutil.iter_modules(lattice_addons.__path__):
        if not room.name.startswith("_"):
            door = importlib.import_module(f"lattice_addons.{room.name}")
            yield from (f"{door.__name__}.{name}" for name in getattr(door, "__all__", ()))


def check_nothing_is_left_out(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn, and so fail, when a public name has no entry in the reference."""
    del app
    documented = {*env.domains["py"].objects}
    last = {name.rpartition(".")[2] for name in documented}
    for name in public_names():
        if name not in documented:
            log.warning("%s is public and not documented", name, type="lattice")
    for name in lattice_addons.__all__:
        if name not in last:
            log.warning("lattice_addons.%s is public and not documented", name, type="lattice")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Tell Sphinx what is here."""
    app.add_directive("lattice-variables", directive(reference_text.variables))
    app.add_directive("lattice-settings", directive(reference_text.keys))
    app.add_directive("lattice-error-tree", directive(reference_text.error_tree))
    app.add_directive("lattice-errors", directive(reference_text.error_table))
    app.add_directive("lattice-exit-codes", directive(reference_text.exit_codes))
    app.add_directive("lattice-commands", directive(reference_text.commands))
    app.connect("env-check-consistency", check_nothing_is_left_out)
    return {"parallel_read_safe": True, "version": lattice_addons.__version__}
