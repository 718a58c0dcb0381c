"""What holds for every test: no settings of the reader's own, and no deadlines."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# Real servers, as fixtures for every test; they are started when first asked for.
pytest_plugins = [
    "tests.integration.servers",
    "tests.integration.services",
    "tests.integration.browsing",
    "tests.integration.slurm",
]

for name in [name for name in os.environ if name.startswith("LATTICE_")]:
    del os.environ[name]

# Run with nohup, or in the background of a script, they ignore these, and so would all programs that they start.
IGNORED = ("SIGHUP", signal.SIG_DFL), ("SIGINT", signal.default_int_handler), ("SIGQUIT", signal.SIG_DFL)
for name, usual in IGNORED:
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# No test asks the network for credentials that a machine may have.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["NO_GCE_CHECK"] = "true"
# Nor Google what kind of bucket it is, which gcsfs decides when it is imported.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

# Examples are tried until they are done; how long one takes, or its making, says nothing about whether it is right.
settings.register_profile("lattice", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lattice")


@pytest.fixture(autouse=True)
def _nobody_left() -> Iterator[None]:
    """Let a test find nothing of what another has in memory, or has let go of: a program keeps these to its end."""
    memories: dict[str, object] = getattr(sys.modules.get("lattice_addons.storage._process"), "_memories", {})
    before = {*memories}
    yield
    for name in memories.keys() - before:
        del memories[name]
    state = sys.modules.get("lattice_addons.state")
    if state is not None:
        made = state.StateManagerGroup._made
        for session in list(made._kept):
            if session.let_go:
                session.close()
                made.forget(session)


# What these show is the same on any Python, and takes long: files, servers, networks, whole programs. Where tox runs
# several Pythons, each runs its share of them and of all that has the mark `one_python`, and all of `every_python`.
SHARED = tuple(
    Path(__file__).parent / each
    for each in ("docs", "faults", "integration", "properties", "unit/storage/remote")
)


# Servers that only few tests need, and that take long to start: those of one are all for the same Python.
SERVERS = ("gcs_port", "sftp_server", "webdav_server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to the other Pythons that run now what is theirs."""
    pythons = [name for name in os.environ.get("TEST_PYTHONS", "").split(",") if name]
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if here not in pythons:
        return
    # By name, and not by number: one that a Python has no use for must not move the others.
    left = {
        item
        for item in items
        if is_shared(item) and crc32(together(item).encode()) % len(pythons) != pythons.index(here)
    }
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = [item for item in items if item not in left]


def is_shared(item: pytest.Item) -> bool:
    """Tell whether a test is divided among the Pythons."""
    # The frameworks are there on one Python only.
    alone = any(item.get_closest_marker(mark) for mark in ("every_python", "frameworks"))
    long = item.get_closest_marker("one_python") is not None
    return not alone and (long or any(folder in item.path.parents for folder in SHARED))


def together(item: pytest.Item) -> str:
    """Give what tests have in common that go to the same Python: a server; or the name of one that goes alone."""
    names = getattr(item, "fixturenames", ())
    return next((name for name in SERVERS if name in names), item.nodeid)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only tests of frameworks are asked for, import no others: that takes longer than to run some."""
    if config.option.markexpr != "frameworks" or collection_path.suffix != ".py":
        return None
    # What a page of the documentation needs is said there, and not in the test.
    named = collection_path.parent.name == "docs" or "frameworks" in collection_path.read_text(
        encoding="utf-8"
    )
    return None if named else True
