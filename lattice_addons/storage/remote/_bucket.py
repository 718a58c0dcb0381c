"""The requests to one bucket: each with a deadline, tried again where that may help, and its errors as ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.errors import LatticeError
from lattice_addons.storage.remote._faults import GONE, NO_UPLOAD, meaning
from lattice_addons.storage.remote._patience import Pulse, in_loop, persist

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lattice_addons.storage.remote._faults import Where

    Answer = dict[str, Any]

__all__ = ["Answered", "Bucket"]

Result = TypeVar("Result")


class Answered(Exception):  # noqa: N818 - an answer that was asked for, and no error of anybody's
    """What a server said that the caller wants to hear."""

    def __init__(self, means: str) -> None:
        super().__init__(means)
        self.means = means


class Bucket:
    """A bucket, and the prefix below which our objects are."""

    def __init__(self, system: Any, path: str, where: Where) -> None:  # noqa: ANN401 - s3fs has no types
        # Tried again here, where it is known what was tried.
        system.retries = 1
        self.system = system
        self.where = where
        bucket, _, prefix = path.strip("/").partition("/")
        self.bucket = bucket
        self.url = where.url
        self.prefix = prefix + "/" if prefix else ""

    def name(self, key: str) -> str:
        """Give the object's name in the bucket."""
        return self.prefix + key

    def call(self, method: str, key: str = "", *, expect: Sequence[str] = (), **given: Any) -> Answer:  # noqa: ANN401 - as the SDK has it
        """Make one request, again when that may help; ``expect`` are meanings that the caller wants to hear."""
        return self.persist(method, key, lambda pulse, _: self.ask(method, pulse, given), expect)

    def persist(
        self, method: str, key: str, once: Callable[[Pulse, int], Result], expect: Sequence[str] = ()
    ) -> Result:
        """Make a call, again when that may help; its errors are ours."""
        try:
            return persist(once, self.where)
        except LatticeError:
            raise
        except Exception as error:  # what file systems and SDKs raise has no common base
            means = meaning(error)
            if means in expect:
                raise Answered(means) from error
            operation = "".join(word.capitalize() for word in method.split("_"))
            raise self.where.explain(error, operation, key) from None

    def ask(self, method: str, pulse: Pulse, given: dict[str, Any]) -> Answer:
        """Make one request, once."""

        def make() -> Any:  # noqa: ANN401 - s3fs has no types
            return self.system._call_s3(method, Bucket=self.bucket, **given)  # noqa: SLF001 - call_s3 has no deadline

        answer: Answer = in_loop(make, self.system.loop, pulse)
        return answer

    def abort(self, name: str, upload: str) -> None:
        """Give up a multipart upload, which may be gone already."""
        try:
            self.call("abort_multipart_upload", expect=(NO_UPLOAD, GONE), Key=name, UploadId=upload)
        except Answered:
            return
