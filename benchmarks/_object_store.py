"""A small S3 in memory, as fast as Python can be, with a link of any latency and rate, that counts its requests."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

__all__ = ["CONTROL", "serve"]

#: What is asked below this path is about the server, and is not counted.
CONTROL = "/-control"
# What goes over a slow link in one piece.
_PIECE = 64 * 1024

Data: TypeAlias = "list[memoryview]"


@dataclass
class _Object:
    data: Data
    tag: str
    headers: dict[str, str]
    modified: float = field(default_factory=time.time)

    @property
    def size(self) -> int:
        return sum(map(len, self.data))

    def range(self, start: int, stop: int) -> Data:
        """Give the bytes of a range, in pieces, none of them copied."""
        found, at = [], 0
        for piece in self.data:
            found.append(piece[max(start - at, 0) : max(stop - at, 0)])
            at += len(piece)
        return [piece for piece in found if piece]


class _World:
    """What is stored, and the link that leads there: one for all connections."""

    def __init__(self) -> None:
        self.objects: dict[str, _Object] = {}
        self.uploads: dict[str, dict[int, Data]] = {}
        self.counts: Counter[str] = Counter()
        self.latency = 0.0
        self.rate = 0.0
        self.lock = threading.Lock()
        self.tags = (f"{number:032x}" for number in count(1))
        self._free_at = 0.0

    def control(self, order: dict[str, float]) -> dict[str, int]:
        """Change the link, forget all that is stored or counted; give what was counted."""
        counts = dict(self.counts)
        self.latency = order.get("latency", self.latency)
        self.rate = order.get("rate", self.rate)
        if order.get("forget"):
            self.counts.clear()
        if order.get("empty"):
            self.objects.clear()
            self.uploads.clear()
        return counts

    def pace(self, length: int) -> None:
        """Wait as long as the link takes for so many bytes."""
        rate = self.rate
        if rate:
            with self.lock:
                self._free_at = max(self._free_at, time.monotonic()) + length / rate
                wait = self._free_at - time.monotonic()
            time.sleep(max(wait, 0))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 256 * 1024
    wbufsize = 64 * 1024
    world: _World

    def do_GET(self) -> None:
        """Give an object, or a range of it, or what is listed."""
        name, query = self._asked("list" if _query(self.path) else "get")
        if query:
            self._answer(200, self._listed(query))
            return
        found = self.world.objects.get(name)
        if found is None:
            self._refuse(404, "NoSuchKey")
            return
        start, stop, status, size = 0, found.size, 200, found.size
        if told := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, stop = int(told[1]), min(int(told[2]) + 1 if told[2] else size, size)
            status = 206
        if start >= size and size:
            self._refuse(416, "InvalidRange")
            return
        extra = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"} if status == 206 else {}
        self._answer(status, *found.range(start, stop), **_about(found), **extra)

    def do_HEAD(self) -> None:
        """Say what is known of an object, or that the bucket is there."""
        name, _ = self._asked("head")
        found = self.world.objects.get(name)
        if found is not None or "/" not in name:
            self._answer(200, **(_about(found) if found is not None else {}))
        else:
            self._refuse(404, "NotFound")

    def do_PUT(self) -> None:
        """Store an object or a part; make a bucket."""
        name, query = self._asked("part" if "uploadId" in _query(self.path) else "put")
        data = self._body()
        with self.world.lock:
            tag = next(self.world.tags)
            if "uploadId" in query:
                self.world.uploads[query["uploadId"]][int(query["partNumber"])] = data
            elif not self._store(name, data, tag):
                return
        self._answer(200, ETag=f'"{tag}"')

    def do_POST(self) -> None:
        """Begin or complete a multipart upload, or delete many objects."""
        if self.path.startswith(CONTROL):
            told = self.world.control(json.loads(b"".join(self._body())))
            self._answer(200, json.dumps(told).encode())
            return
        query = _query(self.path)
        name, _ = self._asked(
            "delete" if "delete" in query else "begin" if "uploads" in query else "complete"
        )
        text = b"".join(self._body()).decode()
        if "delete" in query:
            for key in re.findall(r"<Key>(.*?)</Key>", text, re.DOTALL):
                self.world.objects.pop(f"{name}/{unescape(key)}", None)
            self._answer(200, _xml("DeleteResult", ""))
        elif "uploads" in query:
            upload = next(self.world.tags)
            self.world.uploads[upload] = {}
            self._answer(200, _xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>"))
        else:
            self._complete(name, query["uploadId"])

    def do_DELETE(self) -> None:
        """Delete an object, or give up an upload."""
        name, query = self._asked("delete")
        if "uploadId" in query:
            self.world.uploads.pop(query["uploadId"], None)
        else:
            self.world.objects.pop(name, None)
        self._answer(204)

    def handle_expect_100(self) -> bool:
        """Let the body come."""
        told = super().handle_expect_100()
        self.wfile.flush()
        return told

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _asked(self, kind: str) -> tuple[str, dict[str, str]]:
        """Count a request, and let it take its time on the link."""
        with self.world.lock:
            self.world.counts[kind] += 1
        time.sleep(self.world.latency)
        return unquote(urlsplit(self.path).path).strip("/"), _query(self.path)

    def _body(self) -> Data:
        length = int(self.headers.get("Content-Length") or 0)
        data = memoryview(bytearray(length))
        at = 0
        while at < length:
            piece = data[at : at + _PIECE] if self.world.rate else data[at:]
            if not (got := self.rfile.readinto(piece)):
                raise ConnectionResetError("the body ends early")
            self.world.pace(got)
            at += got
        return [data]

    def _store(self, name: str, data: Data, tag: str) -> bool:
        """Store an object unless a condition forbids it; the lock is held."""
        found = self.world.objects.get(name)
        asked = self.headers.get("If-Match", "").strip('"')
        if (self.headers.get("If-None-Match") == "*" and found) or (
            asked and (not found or found.tag != asked)
        ):
            self._refuse(412, "PreconditionFailed")
            return False
        if "/" in name:
            meta = {
                key: value for key, value in self.headers.items() if key.lower().startswith("x-amz-meta-")
            }
            self.world.objects[name] = _Object(data, tag, meta)
        return True

    def _complete(self, name: str, upload: str) -> None:
        with self.world.lock:
            parts = self.world.uploads.get(upload)
            if parts is None:
                self._refuse(404, "NoSuchUpload")
                return
            tag = next(self.world.tags)
            if not self._store(name, [piece for _, data in sorted(parts.items()) for piece in data], tag):
                return
            del self.world.uploads[upload]
        self._answer(200, _xml("CompleteMultipartUploadResult", f"<ETag>{tag}</ETag>"))

    def _listed(self, query: dict[str, str]) -> bytes:
        if "uploads" in query:
            return _xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>")
        bucket, prefix = urlsplit(self.path).path.strip("/"), query.get("prefix", "")
        with self.world.lock:
            objects = sorted((name[len(bucket) + 1 :], each) for name, each in self.world.objects.items())
        below = [(key, each) for key, each in objects if key.startswith(prefix)]
        folders: set[str] = set()
        if delimiter := query.get("delimiter"):
            folders = {
                key[: key.index(delimiter, len(prefix)) + 1]
                for key, _ in below
                if delimiter in key[len(prefix) :]
            }
            below = [(key, each) for key, each in below if delimiter not in key[len(prefix) :]]
        text = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{each.size}</Size><ETag>{each.tag}</ETag>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(each.modified))}</LastModified></Contents>"
            for key, each in below
        )
        text += "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)
        )
        return _xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{text}")

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, _xml("Error", f"<Code>{code}</Code><Message>{code}</Message>"))

    def _answer(self, status: int, *body: bytes | memoryview, **headers: str) -> None:
        self.send_response(status)
        length = headers.pop("Content-Length", str(sum(map(len, body))))
        for name, value in (headers | {"Content-Length": length}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            for data in body:
                for at in range(0, len(data), _PIECE if self.world.rate else len(data)):
                    piece = data[at : at + _PIECE] if self.world.rate else data
                    self.world.pace(len(piece))
                    self.wfile.write(piece)
        self.wfile.flush()


def _query(path: str) -> dict[str, str]:
    return {name: given[0] for name, given in parse_qs(urlsplit(path).query, keep_blank_values=True).items()}


def _xml(name: str, text: str) -> bytes:
    return f'<?xml version="1.0"?><{name}>{text}</{name}>'.encode()


def _about(found: _Object) -> dict[str, str]:
    told = {"ETag": f'"{found.tag}"', "Last-Modified": formatdate(found.modified, usegmt=True)}
    return told | found.headers


def serve() -> None:
    """Serve on a free port of this machine alone, and say which, until standard input ends."""
    _Handler.world = _World()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
