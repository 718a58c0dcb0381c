"""Large files go up in parts, several at once; what is up is written down, and another process goes on from there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from lattice_addons._system import O_CLOEXEC
from lattice_addons.errors import StoreError
from lattice_addons.storage._faults import already_there, coded
from lattice_addons.storage.remote._bucket import Answered
from lattice_addons.storage.remote._faults import GONE, NO_UPLOAD, THERE
from lattice_addons.storage.remote._patience import all_of
from lattice_addons.storage.remote._slice import Slice

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.storage.remote._files import Sending
    from lattice_addons.storage.remote._patience import Pulse
    from lattice_addons.storage.remote._s3 import S3Files

    Once = Callable[[Pulse, int], dict[str, Any]]

__all__ = ["PART", "send_in_parts"]

PART = 8 << 20  # bytes; S3 takes no less than 5 MiB
_MOST_PARTS = 9_000  # S3 takes 10,000
_AT_ONCE = 4


class _VanishedError(Exception):
    """The multipart upload is not there any more: it was aborted, or has expired."""


def send_in_parts(bucket: S3Files, sending: Sending) -> None:
    """Store a file by a multipart upload; one that has vanished is begun anew."""
    descriptor = os.open(sending.path, os.O_RDONLY | O_CLOEXEC)
    try:
        try:
            _Upload(bucket, sending, descriptor).run()
        except _VanishedError:
            try:
                _Upload(bucket, sending, descriptor).run()
            except _VanishedError as error:
                message = (
                    f"the multipart upload of {sending.key} to {bucket.url} was aborted by somebody else, twice: "
                    "see what cleans the bucket; it is tried again from the beginning"
                )
                raise coded(StoreError(message, url=bucket.url, key=sending.key), errno.EAGAIN) from error
    finally:
        os.close(descriptor)


class _Upload:
    """One multipart upload, and the file in which it is written down."""

    def __init__(self, bucket: S3Files, sending: Sending, descriptor: int) -> None:
        self._bucket = bucket
        self._sending = sending
        self._name = bucket.name(sending.key)
        self._descriptor = descriptor
        facts = os.fstat(descriptor)
        self._size = facts.st_size
        self._part = max(
            PART, -(-self._size // _MOST_PARTS >> 20) + 1 << 20 if self._size > PART * _MOST_PARTS else PART
        )
        self._file = {
            "bucket": bucket.bucket,
            "name": self._name,
            "size": self._size,
            "mtime": facts.st_mtime_ns,
        }
        self._upload = ""
        self._tags: dict[int, str] = {}
        self._noting = threading.Lock()

    def run(self) -> None:
        """Begin or go on, send what is missing, and make one object of it."""
        self._go_on()
        if not self._upload:
            self._upload = self._bucket.call("create_multipart_upload", self._sending.key, Key=self._name)[
                "UploadId"
            ]
            self._note()
        try:
            missing = [number for number in range(1, self._count + 1) if number not in self._tags]
            all_of([partial(self._send, number) for number in missing], _AT_ONCE)
            self._same_file()
            self._complete()
        except BaseException as error:
            # With a file that says how far it is, another process goes on; else nobody could.
            if self._sending.parts is None or isinstance(error, _VanishedError):
                self._give_up()
            raise
        self._forget()

    @property
    def _count(self) -> int:
        return -(-self._size // self._part)

    def _send(self, number: int) -> None:
        start = (number - 1) * self._part
        length = min(self._part, self._size - start)

        def once(pulse: Pulse, _: int) -> dict[str, Any]:
            body = Slice(self._descriptor, start, length, pulse.beat)
            given = {"Key": self._name, "UploadId": self._upload, "PartNumber": number, "Body": body}
            return self._bucket.ask("upload_part", pulse, given)

        tag = self._hear("upload_part", once)["ETag"]
        with self._noting:
            self._tags[number] = tag
            self._note()
            self._tell()

    def _hear(self, method: str, once: Once) -> dict[str, Any]:
        """Make a call to which the answer may be that there is no such upload."""
        try:
            found: dict[str, Any] = self._bucket.persist(
                method, self._sending.key, once, (NO_UPLOAD, GONE, THERE)
            )
        except Answered as answer:
            if answer.means == THERE:
                raise
            raise _VanishedError from answer
        return found

    def _complete(self) -> None:
        parts = [{"ETag": tag, "PartNumber": number} for number, tag in sorted(self._tags.items())]
        given = {"Key": self._name, "UploadId": self._upload, "MultipartUpload": {"Parts": parts}}
        condition = {} if self._sending.over else {"IfNoneMatch": "*"}

        def once(pulse: Pulse, _: int) -> dict[str, Any]:
            pulse.allow(self._size >> 4)  # the store puts the parts together before it answers
            return self._bucket.ask("complete_multipart_upload", pulse, given | condition)

        try:
            self._hear("complete_multipart_upload", once)
        except _VanishedError:
            # It was completed, and the answer lost?
            if not self._is_there():
                raise
        except Answered:
            there = self._is_there()
            self._give_up()
            if not there:
                raise already_there(self._bucket.url, self._sending.key) from None

    def _is_there(self) -> bool:
        plain = [tag.strip('"') for _, tag in sorted(self._tags.items())]
        try:
            whole = hashlib.md5(
                b"".join(bytes.fromhex(tag) for tag in plain), usedforsecurity=False
            ).hexdigest()
        except ValueError:
            whole = ""  # this store's tags are no MD5s
        return self._bucket.holds(self._sending.key, self._descriptor, self._size, f"{whole}-{len(plain)}")

    def _same_file(self) -> None:
        facts = os.fstat(self._descriptor)
        if [facts.st_size, facts.st_mtime_ns] != [self._file["size"], self._file["mtime"]]:
            self._give_up()
            message = (
                f"{self._sending.path} was changed while it was sent to {self._bucket.url}: send it again"
            )
            raise coded(StoreError(message, url=self._bucket.url, key=self._sending.key), errno.EAGAIN)

    # -- what is written down

    def _go_on(self) -> None:
        """Take up what another attempt has begun, if it was for the file as it is now."""
        if self._sending.parts is None:
            return
        try:
            with open(self._sending.parts, encoding="utf-8") as opened:
                known = json.load(opened)
            upload, tags = (
                str(known["upload"]),
                {int(number): str(tag) for number, tag in known["tags"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return  # there is none, or it was torn: what it would have told is sent again
        if known.get("file") == self._file and known.get("part") == self._part:
            self._upload, self._tags = upload, tags
            self._tell()
        elif known.get("file", {}).get("bucket") == self._bucket.bucket:
            self._bucket.abort(known["file"]["name"], upload)

    def _note(self) -> None:
        if self._sending.parts is None:
            return
        known = {"upload": self._upload, "file": self._file, "part": self._part, "tags": self._tags}
        temporary = f"{self._sending.parts}.{os.getpid()}.new"
        with open(temporary, "w", encoding="utf-8") as opened:
            json.dump(known, opened)
        os.replace(temporary, self._sending.parts)

    def _tell(self) -> None:
        if self._sending.tell is not None:
            self._sending.tell(min(len(self._tags) * self._part, self._size))

    def _forget(self) -> None:
        if self._sending.parts is not None:
            with suppress(OSError):
                os.unlink(self._sending.parts)

    def _give_up(self) -> None:
        self._forget()
        with suppress(StoreError):  # it is swept away later
            self._bucket.abort(self._name, self._upload)
