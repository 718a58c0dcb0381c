"""Objects are deleted a thousand at a time, and uploads that nobody goes on with are aborted."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from lattice_addons.storage.remote._bucket import Answered
from lattice_addons.storage.remote._faults import UNKNOWN
from lattice_addons.storage.remote._patience import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lattice_addons.storage.remote._bucket import Bucket
    from lattice_addons.storage.remote._patience import Pulse

__all__ = ["abort_abandoned", "delete_objects"]

_BATCH = 1000  # keys in one DeleteObjects, as S3 allows
_AT_ONCE = 4
_ABANDONED = 7 * 86_400.0  # seconds after which nobody goes on with a multipart upload
_NO_XML = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")


def delete_objects(bucket: Bucket, keys: Sequence[str]) -> None:
    """Remove objects in batches; one by one those whose names have no place in XML."""
    single = [key for key in keys if _NO_XML.search(key)]
    rest = [key for key in keys if not _NO_XML.search(key)]
    calls: list[Callable[[], object]] = [
        partial(_delete_batch, bucket, rest[at : at + _BATCH]) for at in range(0, len(rest), _BATCH)
    ]
    calls += [partial(bucket.call, "delete_object", key, Key=bucket.name(key)) for key in single]
    if calls:
        all_of(calls, _AT_ONCE)


def _delete_batch(bucket: Bucket, keys: Sequence[str]) -> None:
    left = list(keys)

    def once(pulse: Pulse, _: int) -> None:
        nonlocal left
        names = {bucket.name(key): key for key in left}
        what = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        failed = bucket.ask("delete_objects", pulse, {"Delete": what}).get("Errors", ())
        failed = [each for each in failed if each.get("Code") != "NoSuchKey"]
        if failed:
            from botocore.exceptions import ClientError

            left = [names[each["Key"]] for each in failed if each.get("Key") in names] or left
            raise ClientError({"Error": failed[0], "ResponseMetadata": {}}, "DeleteObjects")

    bucket.persist("delete_objects", left[0], once)


def abort_abandoned(bucket: Bucket, folder: str) -> int:
    """Abort old multipart uploads below a folder; give how many there were."""
    count = 0
    given: dict[str, Any] = {}
    while True:
        try:
            page = bucket.call(
                "list_multipart_uploads", expect=(UNKNOWN,), Prefix=bucket.name(folder), **given
            )
        except Answered:
            return count
        for each in page.get("Uploads", ()):
            if each["Initiated"].timestamp() < time.time() - _ABANDONED:
                bucket.abort(each["Key"], each["UploadId"])
                count += 1
        if not page.get("IsTruncated"):
            return count
        given = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
