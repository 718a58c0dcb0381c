"""What a page's command lines find around them, as a reader's do: a port, a bucket, what is installed."""

from __future__ import annotations

import fcntl
import http.client
import re
import socket
import tempfile
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import FRAMEWORKS, ROOT
from tests.integration.servers import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: At this port a service listens that is told of none, and its clients look for it there.
PORT = 5555
#: For small arithmetic, where threads of a library's own would wait for each other.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: For what starts processes of Dask's: on this machine alone, and patient where a connection takes long to be made.
CLUSTERS = {
    "DASK_JOBQUEUE__SLURM__INTERFACE": "lo",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "120s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "120s",
}
#: Begins a script that has programs going on beside what comes next: one at a time, until the page's end.
PRELUDE = """
beside=
end_beside() {
  if [ -n "$beside" ]; then kill "$beside" 2> /dev/null || true; wait "$beside" || true; beside=; fi
  rm -f "$HOME/beside.log"  # or what the last one said is taken for the next one's
}
await_beside() {
  beside=$1
  until grep -qs "$2" "$HOME/beside.log"; do
    kill -0 "$beside" || { cat "$HOME/beside.log" >&2; exit 1; }
    sleep 0.05
  done
}
trap end_beside EXIT
"""


def marks(wanted: Collection[str]) -> list[pytest.MarkDecorator]:
    """Have what needs these modules run only where they are, and, with frameworks, on one Python."""
    found = [pytest.mark.frameworks] if FRAMEWORKS.intersection(wanted) else []
    lacking = [name for name in wanted if find_spec(name) is None]
    return [*found, pytest.mark.skip(reason=f"not installed: {', '.join(lacking)}")] if lacking else found


@contextmanager
def alone_at(port: int) -> Iterator[None]:
    """Let one test of this machine at a time have a port that pages name; skip where something else has it."""
    with (Path(tempfile.gettempdir()) / f"lattice-docs-{port}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"something else listens at port {port}")
        yield


def buckets(port: int, script: str) -> dict[str, str]:
    """Make the buckets that a script names in an S3 server, empty; give the environment in which they are found."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/moto-api/reset")
    connection.getresponse().read()
    for name in {*re.findall(r"s3://([a-z0-9.-]+)", script)}:
        connection.request("PUT", f"/{name}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == http.client.OK, name
    connection.close()
    return CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


def google(port: int) -> dict[str, str]:
    """Give the environment in which Google's bucket ``bucket`` is that of an emulator."""
    return {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}", "FSSPEC_GCS_TOKEN": "anon"}


def installed(folder: Path) -> None:
    """Let other packages find what this one has for them, where it is not installed and they would look in vain."""
    with suppress(PackageNotFoundError):
        distribution("lattice-addons")
        return
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table = text.partition('[project.entry-points."fsspec.specs"]\n')[2].partition("\n[")[0]
    named = folder / "lattice_addons-0.dist-info"
    named.mkdir()
    (named / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lattice-addons\nVersion: 0\n", encoding="utf-8"
    )
    (named / "entry_points.txt").write_text(f"[fsspec.specs]\n{table}".replace('"', ""), encoding="utf-8")


def pip(folder: Path) -> None:
    """Make a `pip` that installs nothing: all of it is here. It takes this project, and what its extras name."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table = text.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    extras = "|".join(re.findall(r"^([a-z0-9-]+) = \[", table, re.MULTILINE))
    others = "|".join(sorted({*re.findall(r'"([a-z0-9-]+)>=', table)}))
    script = f"""#!/bin/sh
test "$1" = install && shift &&
    echo "$@" | grep -Eqx 'lattice-addons(\\[({extras})(,({extras}))*\\])?( ({others}))*'
"""
    (folder / "pip").write_text(script, encoding="utf-8")
    (folder / "pip").chmod(0o755)
