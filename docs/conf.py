"""How Sphinx builds this documentation: with warnings as errors, and the reference from the code."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
sys.path.insert(0, str(HERE.parent))

# A reader's own settings have no part in the documentation, and nothing here is to be saved.
for name in [name for name in os.environ if name.startswith("LATTICE_")]:
    del os.environ[name]
os.environ["LATTICE_DISABLE"] = "1"

from lattice_addons import __version__  # noqa: E402 - found by the path above

project = "Lattice"
author = "The Lattice maintainers"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.napoleon", "lattice_reference"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Lattice {release}"
html_show_sphinx = False
html_copy_source = False

# The examples in docstrings use the public names, as a program that has imported them does.
doctest_global_setup = "\n".join(
    f"from lattice_addons.{door} import *"
    for door in (
        "checkpoint",
        "encoding",
        "errors",
        "lifecycle",
        "service",
        "settings",
        "state",
        "storage",
        "testing",
    )
)

# Integrations import their frameworks; what is not installed where the documentation is built is stood in for.
_FRAMEWORKS = (
    "flax",
    "jax",
    "keras",
    "lightgbm",
    "lightning",
    "torch",
    "torchmetrics",
    "transformers",
    "xgboost",
)
autodoc_mock_imports = [name for name in _FRAMEWORKS if find_spec(name) is None]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = True
# A long union of types is read better on lines of its own.
python_maximum_signature_line_length = 80
# `type` is a class to Python and an attribute to several of ours; annotations mean the former.
suppress_warnings = ["ref.python"]
