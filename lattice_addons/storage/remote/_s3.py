"""S3 by its own requests: conditional puts, deletions in batches, one listing, and nothing from a cache."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING, Any

from lattice_addons._system import O_CLOEXEC, pread
from lattice_addons.storage._faults import already_there, ends_early
from lattice_addons.storage._keys import ulid
from lattice_addons.storage._listed import Listed
from lattice_addons.storage.remote._bucket import Answered, Bucket
from lattice_addons.storage.remote._faults import RANGE, THERE
from lattice_addons.storage.remote._infos import listed
from lattice_addons.storage.remote._multipart import PART, send_in_parts
from lattice_addons.storage.remote._patience import Pulse, in_loop
from lattice_addons.storage.remote._removing import abort_abandoned, delete_objects
from lattice_addons.storage.remote._slice import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.storage.remote._files import Sending

    Answer = dict[str, Any]

__all__ = ["S3Files"]

_AT_ONCE = 1 << 20
_SMALL = 1 << 20
_NONCE = "lattice-nonce"


class S3Files(Bucket):
    """The objects of a bucket below a prefix."""

    @property
    def conditional(self) -> bool:
        """Tell whether the SDK knows ``If-None-Match`` for objects; old ones would leave it out silently."""
        return (
            "IfNoneMatch"
            in self.system.s3.meta.service_model.operation_model("PutObject").input_shape.members
        )

    # -- looking

    def check(self) -> None:
        """List one key."""
        self.call("list_objects_v2", Prefix=self.prefix, MaxKeys=1)

    def listing(self, folder: str) -> dict[str, Listed]:
        """Ask for all pages of one listing."""
        cut = len(self.prefix)
        return {
            each["Key"][cut:]: Listed(each["Size"], each["ETag"].strip('"'), each["LastModified"].timestamp())
            for page in self._pages(folder)
            for each in page.get("Contents", ())
        }

    def folders(self, folder: str) -> list[str]:
        """Ask for the common prefixes alone, however many keys are below them."""
        cut = len(self.prefix) + len(folder)
        pages = self._pages(folder, Delimiter="/")
        return sorted(each["Prefix"][cut:-1] for page in pages for each in page.get("CommonPrefixes", ()))

    def _pages(self, folder: str, **given: str) -> Iterator[Answer]:
        while True:
            page = self.call("list_objects_v2", Prefix=self.name(folder), **given)
            yield page
            if not page.get("IsTruncated"):
                return
            given["ContinuationToken"] = page["NextContinuationToken"]

    def size(self, key: str) -> int:
        """Ask for an object's head."""
        return int(self._head(key)["ContentLength"])

    def facts(self, key: str) -> Listed:
        """Ask for an object's head."""
        head = self._head(key)
        return listed(
            {"size": head["ContentLength"], "ETag": head["ETag"], "mtime": head.get("LastModified")}
        )

    def _head(self, key: str) -> Answer:
        return self.call("head_object", key, Key=self.name(key))

    def read(self, key: str, start: int, stop: int | None) -> bytes:
        """Ask for a range."""
        if start < 0 or (stop is not None and stop <= start):
            return self._nothing(key, start)
        given = {"Key": self.name(key)}
        if start or stop is not None:
            given["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        try:
            return self.persist("get_object", key, lambda pulse, _: self._get(pulse, given), (RANGE,))
        except Answered:
            return self._nothing(key, start)

    def _nothing(self, key: str, start: int) -> bytes:
        """Give no bytes, where there could be some."""
        size = self.size(key)
        if start < 0 or start > size:
            raise ends_early(self.where.url, key, size, start)
        return b""

    def _get(self, pulse: Pulse, given: dict[str, str]) -> bytes:
        async def get() -> bytes:
            answer = await self.system._call_s3("get_object", Bucket=self.bucket, **given)  # noqa: SLF001 - as above
            pulse.allow(answer["ContentLength"])
            body = answer["Body"]
            try:
                data: bytes = (
                    await body.read()
                )  # when no byte comes any more, the client's read timeout ends it
            finally:
                body.close()
            if len(data) != answer["ContentLength"]:
                raise ConnectionResetError(f"{len(data)} of {answer['ContentLength']} bytes came")
            return data

        return in_loop(get, self.system.loop, pulse)

    # -- storing

    def write(self, key: str, data: bytes, *, over: bool) -> None:
        """Put an object, with a nonce that tells ours from another's of the same bytes."""
        if not self._put(key, data, {} if over else {"IfNoneMatch": "*"}):
            raise already_there(self.where.url, key)

    def _put(self, key: str, data: bytes, condition: dict[str, str]) -> bool:
        nonce = ulid()

        def once(pulse: Pulse, _: int) -> Answer:
            body = data if len(data) <= _SMALL else io.BytesIO(data)
            pulse.allow(len(data))
            given = {"Key": self.name(key), "Body": body, "Metadata": self._metadata() | {_NONCE: nonce}}
            return self.ask("put_object", pulse, given | condition)

        try:
            self.persist("put_object", key, once, (THERE,) if condition else ())
        except Answered:
            # A lost answer makes us, or the HTTP client below the SDK, put again and meet what we have put.
            try:
                return bool(self._head(key).get("Metadata", {}).get(_NONCE) == nonce)
            except FileNotFoundError:
                return False
        return True

    def _metadata(self) -> dict[str, str]:
        return dict(self.system.s3_additional_kwargs.get("Metadata") or {})

    def send(self, sending: Sending) -> None:
        """Put a file, in parts when it is large."""
        size = os.stat(sending.path).st_size
        if size >= 2 * PART:
            send_in_parts(self, sending)
            return
        condition = {} if sending.over else {"IfNoneMatch": "*"}
        descriptor = os.open(sending.path, os.O_RDONLY | O_CLOEXEC)
        try:

            def once(pulse: Pulse, _: int) -> Answer:
                body = Slice(descriptor, 0, size, pulse.beat)
                return self.ask(
                    "put_object", pulse, {"Key": self.name(sending.key), "Body": body} | condition
                )

            try:
                self.persist("put_object", sending.key, once, () if sending.over else (THERE,))
            except Answered:
                if not self.holds(sending.key, descriptor, size, _md5(descriptor, size)):
                    raise already_there(self.where.url, sending.key) from None
        finally:
            os.close(descriptor)
        if sending.tell is not None:
            sending.tell(size)

    def holds(self, key: str, descriptor: int, size: int, tag: str) -> bool:
        """Tell whether an object has the bytes of an open file; by its tag where that suffices."""
        try:
            head = self._head(key)
        except FileNotFoundError:
            return False
        if head["ContentLength"] != size:
            return False
        if head["ETag"].strip('"') == tag:
            return True
        # Encrypted by the store, or put in other parts: then the tag says nothing.
        starts = range(0, size, PART)
        return all(self.read(key, at, at + PART) == pread(descriptor, PART, at) for at in starts)

    # -- removing

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, a thousand with a request."""
        delete_objects(self, keys)

    def prune(self, folder: str) -> None:
        """Do nothing: there are no folders."""

    def sweep(self, folder: str) -> int:
        """Abort multipart uploads with which nobody goes on."""
        return abort_abandoned(self, folder)


def _md5(descriptor: int, size: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for at in range(0, size, _AT_ONCE):
        digest.update(pread(descriptor, _AT_ONCE, at))
    return digest.hexdigest()
