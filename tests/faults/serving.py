"""A service that is killed before and after each of the system's calls that change the disk, one after another.

Run as a program: it prints how often the service was killed, or the first thing that was wrong. Each service is forked
from this process, which has imported everything already and has no thread.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import uvicorn
from blake3 import blake3

from lattice_addons.service import make_app, serve
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CALLS = ("open", "pwrite", "fsync", "fdatasync", "link", "rename", "unlink", "mkdir", "rmdir")
OLD, NEW, LARGE = b"old" * 1000, b"new" * 1000, bytes(range(256)) * 10_000
# What is asked for, in this order, and what each key has then; None: it is not there.
ACTS: tuple[tuple[str, str, bytes | None, dict[str, str]], ...] = (
    ("PUT", "rank-00000/a", OLD, {"If-None-Match": "*"}),
    ("PUT", "rank-00000/a", NEW, {}),
    ("PUT", "rank-00000/packs/b", LARGE, {"If-None-Match": "*"}),
    ("DELETE", "rank-00000/a", None, {}),
)


def begin(root: str, port: int, dies_at: int | None) -> int:
    """Fork a service; it kills itself at that step of its changes, before the call (even) or after it (odd)."""
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            app = make_app(root)  # the root is made before anything is asked
            if dies_at is not None:
                die_at(dies_at)
            serve(app, host="127.0.0.1", port=port)
        finally:
            os._exit(0)
    return pid


def die_at(step: int) -> None:
    """End this process, without any farewell, at a step."""
    steps = itertools.count()

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*args: Any, **named: Any) -> Any:
            if changes(call.__name__, args) and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*args, **named)
            finally:
                if changes(call.__name__, args) and next(steps) == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        return watch

    for name in CALLS:
        setattr(os, name, watched(getattr(os, name)))


def changes(name: str, args: tuple[Any, ...]) -> bool:
    """Say whether a call changes the disk."""
    return name != "open" or bool(args[1] & (os.O_CREAT | os.O_TRUNC))


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Ask a service, on a connection of its own, as soon as it listens."""
    deadline = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.005)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def act(port: int, method: str, key: str, data: bytes | None, headers: dict[str, str]) -> None:
    """Do one of the acts; an error when it was not acknowledged."""
    if data is not None:
        headers = headers | {"Lattice-Digest": f"blake3={blake3(data).hexdigest()}"}
    status, body = ask(port, method, f"/v1/jobs/job/objects/{key}", data, headers)
    if status not in (201, 204):
        raise AssertionError(status, body)


def life(root: str, port: int, step: int) -> bool:
    """See what a service leaves that dies at a step; say whether it came to that."""
    pid = begin(root, port, step)
    there: dict[str, set[bytes | None]] = {key: {None} for _, key, _, _ in ACTS}
    dead = False
    for method, key, data, headers in ACTS:
        try:
            act(port, method, key, data, headers)
        except (OSError, http.client.HTTPException):
            # Not acknowledged: it was done, or it was not.
            there[key] = there[key] | {data}
            dead = True
            break
        there[key] = {data}
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    see(root, port, there)
    return dead


def see(root: str, port: int, there: dict[str, set[bytes | None]]) -> None:
    """Start the service again: it has what was acknowledged, clears away what was not, and goes on."""
    pid = begin(root, port, None)
    try:
        for key, allowed in there.items():
            status, body = ask(port, "GET", f"/v1/jobs/job/objects/{key}")
            assert (body if status == 200 else None) in allowed, (key, status, len(body))
        deadline = time.monotonic() + 120
        while left := [name for _, _, names in os.walk(root) for name in names if name.endswith(".tmp")]:
            assert time.monotonic() < deadline, left
            time.sleep(0.005)
        for method, key, data, _ in ACTS:
            act(port, method, key, data, {})
        listed = json.loads(ask(port, "GET", "/v1/jobs/job/objects")[1])["objects"]
        assert [entry["key"] for entry in listed] == ["rank-00000/packs/b"], listed
    finally:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
    assert status == 0, status


def main() -> None:
    """Go through all steps there are, or through this part of them."""
    folder, part, parts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    port = free_port()
    # All that a service imports is imported here, once.
    uvicorn.Config(make_app("memory://"), log_config=None).load()
    count = 0
    for step in itertools.count(part, parts):
        root = os.path.join(folder, "store")
        if not life(root, port, step):
            break
        shutil.rmtree(root)
        count += 1
    print(count)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
