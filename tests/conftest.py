"""What holds for every test: no settings of the reader's own, and no deadlines."""

from __future__ import annotations

import os

from hypothesis import settings

# Real servers, as fixtures for every test; they are started when first asked for.
pytest_plugins = ["tests.integration.servers"]

for name in [name for name in os.environ if name.startswith("LATTICE_")]:
    del os.environ[name]

# No test asks the network for credentials that a machine may have.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

# Examples are tried until they are done; how long one takes says nothing about whether it is right.
settings.register_profile("lattice", deadline=None)
settings.load_profile("lattice")
