"""The objects of a checkpoint service: a put is whole or nothing, and of two puts of a key the service takes one."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lattice_addons._system import O_CLOEXEC, pread
from lattice_addons.errors import NoAccessError, NotInStoreError
from lattice_addons.storage._faults import already_there, ends_early
from lattice_addons.storage._keys import ulid
from lattice_addons.storage.remote._connections import in_memory
from lattice_addons.storage.remote._faults import GONE, RANGE, THERE
from lattice_addons.storage.remote._files import Listed
from lattice_addons.storage.remote._patience import all_of
from lattice_addons.storage.remote._requests import Expected, job_path, object_path
from lattice_addons.storage.remote._slice import Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lattice_addons.storage.remote._connections import Body
    from lattice_addons.storage.remote._files import Sending
    from lattice_addons.storage.remote._patience import Pulse
    from lattice_addons.storage.remote._requests import Requests

__all__ = ["ServiceFiles"]

_PIECE = 1 << 20
_BATCH = 1000  # keys in one request to delete
_AT_ONCE = 8


class ServiceFiles:
    """What a service has below a path, whose first part is a job; what has one part is in none."""

    conditional = True  # the service decides

    def __init__(self, requests: Requests, path: str) -> None:
        self._requests = requests
        self._where = requests.where
        self._prefix = path + "/" if path else ""

    def _name(self, key: str) -> str:
        return self._prefix + key

    def learn(self, folder: str, token: str) -> None:
        """Show this token from now on where it is about the job of a folder."""
        self._requests.learn(self._name(folder).partition("/")[0], token)

    # -- looking

    def check(self) -> None:
        """Ask which jobs there are."""
        self._jobs()

    def _jobs(self) -> list[str]:
        return self._requests.json("list", "", "/v1/jobs", lambda told: [str(each) for each in told["jobs"]])

    def listing(self, folder: str) -> dict[str, Listed]:
        """Ask for one listing; of all jobs, for that of each, and for what is in none."""
        whole = self._name(folder)
        cut = len(self._prefix)
        if "/" in whole:
            return {name[cut:]: facts for name, facts in self._listed(whole).items()}
        calls = [partial(self._listed, f"{job}/") for job in self._jobs()]
        found = self.outside()
        for each in all_of(calls, _AT_ONCE) if calls else ():
            found |= each
        return found

    def outside(self) -> dict[str, Listed]:
        """List what is in no job; nothing for who may not look, since it takes a token for all jobs."""
        with suppress(NoAccessError):
            return self._entries("/v1/store/objects", "")
        return {}

    def _listed(self, folder: str) -> dict[str, Listed]:
        job, _, rest = folder.partition("/")
        return self._entries(job_path(job, f"/objects?prefix={quote(rest, safe='')}"), f"{job}/")

    def _entries(self, path: str, before: str) -> dict[str, Listed]:
        def entry(each: dict[str, Any]) -> tuple[str, Listed]:
            when = each.get("modified")
            # Whole seconds, which is what the head of an object says.
            modified = float(int(when)) if when is not None else None
            return before + each["key"], Listed(int(each["size"]), str(each["tag"]), modified)

        return self._requests.json("list", before, path, lambda told: dict(map(entry, told["objects"])))

    def folders(self, folder: str) -> list[str]:
        """Give the next part of the names; at the top these are the jobs."""
        if not self._name(folder):
            return sorted(self._jobs())
        rests = (key[len(folder) :] for key in self.listing(folder))
        return sorted({rest.partition("/")[0] for rest in rests if "/" in rest})

    def size(self, key: str) -> int:
        """Ask for an object's head."""
        return self.facts(key).size

    def facts(self, key: str) -> Listed:
        """Give what is known of an object without reading it."""
        headers = self._head(key)
        when = None
        with suppress(TypeError, ValueError):
            when = parsedate_to_datetime(headers["last-modified"]).timestamp()
        return Listed(int(headers["content-length"]), headers.get("etag", "").strip('"'), when)

    def _head(self, key: str) -> Mapping[str, str]:
        return self._requests.ask("look at", key, ("HEAD", object_path(self._name(key)))).headers

    def read(self, key: str, start: int, stop: int | None) -> bytes:
        """Ask for a range."""
        if start < 0 or (stop is not None and stop <= start):
            return self._nothing(key, start)
        headers, most = {}, None
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
            most = None if stop is None else stop - start
        request = ("GET", object_path(self._name(key)))
        try:
            answer = self._requests.ask("read", key, request, headers=headers, most=most, expect=(RANGE,))
        except Expected:
            return self._nothing(key, start)
        return answer.data or self._nothing(key, start)

    def _nothing(self, key: str, start: int) -> bytes:
        """Give no bytes, where there could be some."""
        size = self.size(key)
        if start < 0 or start > size:
            raise ends_early(self._where.url, key, size, start)
        return b""

    # -- storing

    def write(self, key: str, data: bytes, *, over: bool) -> None:
        """Put bytes."""
        from blake3 import blake3

        def is_ours() -> bool:
            return self.read(key, 0, None) == data

        digest = blake3(data).hexdigest()
        tried = self._put(key, lambda _: in_memory(data), len(data), digest, over=over)
        # A lost answer makes us put again, and meet what we have put.
        if tried is not None and not (tried and is_ours()):
            raise already_there(self._where.url, key)

    def send(self, sending: Sending) -> None:
        """Put a file; one that has the same bytes may be there."""
        size = os.stat(sending.path).st_size
        descriptor = os.open(sending.path, os.O_RDONLY | O_CLOEXEC)
        try:
            if size > _PIECE and not sending.over and self._is_there(sending, descriptor, size):
                return  # asked for first: to be refused costs all of its bytes

            def body(pulse: Pulse) -> Body:
                return Slice(descriptor, 0, size, pulse.beat)

            tried = self._put(sending.key, body, size, _digest(descriptor, size), over=sending.over)
            if tried is not None and not self._is_there(sending, descriptor, size):
                raise already_there(self._where.url, sending.key)
        finally:
            os.close(descriptor)
        if sending.tell is not None:
            sending.tell(size)

    def _put(
        self, key: str, body: Callable[[Pulse], Body], size: int, digest: str, *, over: bool
    ) -> int | None:
        """Put an object; where one is there, and not to be replaced, give how often it was tried before."""
        headers = {"Content-Type": "application/octet-stream", "Lattice-Digest": f"blake3={digest}"}
        # So that what comes twice, whoever repeats it on the way, is done once.
        headers["Idempotency-Key"] = ulid()
        if not over:
            headers["If-None-Match"] = "*"
        request = ("PUT", object_path(self._name(key)))
        expect = () if over else (THERE,)
        try:
            self._requests.ask("write", key, request, headers=headers, body=body, length=size, expect=expect)
        except Expected as expected:
            return expected.tried
        return None

    def _is_there(self, sending: Sending, descriptor: int, size: int) -> bool:
        """Say whether an object has the bytes of an open file; an error when it has others."""
        try:
            if self.size(sending.key) != size:
                raise already_there(self._where.url, sending.key)
        except NotInStoreError:
            return False
        starts = range(0, size, _PIECE)
        if all(self.read(sending.key, at, at + _PIECE) == pread(descriptor, _PIECE, at) for at in starts):
            return True
        raise already_there(self._where.url, sending.key)

    # -- removing

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, a thousand of a job with a request."""
        jobs: dict[str, list[str]] = {}
        single = []
        for name in map(self._name, keys):
            job, found, rest = name.partition("/")
            if found:
                jobs.setdefault(job, []).append(rest)
            else:
                single.append(name)
        calls: list[Callable[[], object]] = [
            partial(self._delete_batch, job, names[at : at + _BATCH])
            for job, names in jobs.items()
            for at in range(0, len(names), _BATCH)
        ]
        calls += [partial(self._delete_one, name) for name in single]
        if calls:
            all_of(calls, _AT_ONCE)

    def _delete_batch(self, job: str, names: Sequence[str]) -> None:
        text = json.dumps({"keys": list(names)}).encode()
        self._requests.ask(
            "delete",
            f"{job}/{names[0]}",
            ("POST", job_path(job, "/delete")),
            headers={"Content-Type": "application/json"},
            body=lambda _: in_memory(text),
            length=len(text),
        )

    def _delete_one(self, name: str) -> None:
        with suppress(Expected):
            self._requests.ask("delete", name, ("DELETE", object_path(name)), expect=(GONE,))

    def prune(self, folder: str) -> None:
        """Do nothing: that folders without objects go is the service's business."""

    def sweep(self, folder: str) -> int:  # noqa: ARG002 - as everywhere
        """Do nothing: so are puts that were cut off."""
        return 0


def _digest(descriptor: int, size: int) -> str:
    from blake3 import blake3

    digest = blake3()
    for at in range(0, size, _PIECE):
        digest.update(pread(descriptor, _PIECE, at))
    return str(digest.hexdigest())
