"""The servers and the proxy that other tests rely on do what they say."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.servers import Bucket

_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=testing/20250101/us-east-1/s3/aws4_request"}


def ask(
    s3: Bucket, method: str, key: str, data: bytes | None = None, timeout: float = 30
) -> tuple[int, bytes]:
    """Ask through the proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", s3.proxy.port, timeout=timeout)
    try:
        connection.request(method, f"/{s3.name}/{s3.prefix}/{key}", body=data, headers=_SIGNED)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_what_goes_through_is_counted(s3: Bucket) -> None:
    """By kind, with what became of it."""
    assert ask(s3, "PUT", "a/b", b"x" * 200_000)[0] == 200
    assert ask(s3, "GET", "a/b") == (200, b"x" * 200_000)
    assert ask(s3, "GET", "other")[0] == 404
    assert s3.proxy.counts() == {"put": 1, "get": 2}
    assert [request.status for request in s3.proxy.requests] == [200, 200, 404]
    assert s3.keys() == ["a/b"]
    s3.proxy.forget()
    assert s3.proxy.counts() == {}


def test_errors_of_the_server(s3: Bucket) -> None:
    """As many as were asked for, of the kind that was meant."""
    s3.proxy.fail(503, "put", times=1)
    assert ask(s3, "GET", "key")[0] == 404
    status, text = ask(s3, "PUT", "key", b"x")
    assert (status, b"SlowDown" in text, s3.get("key")) == (503, True, None)
    assert ask(s3, "PUT", "key", b"x")[0] == 200


def test_broken_connections(s3: Bucket) -> None:
    """Before the server sees it, after it did it, and in the middle of the bytes."""
    s3.proxy.reset("put", times=1)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(s3, "PUT", "key", b"x")
    assert s3.get("key") is None
    s3.proxy.cut(100_000, "put")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(s3, "PUT", "key", b"x" * 1_000_000)
    assert s3.get("key") is None
    s3.proxy.lose("put")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(s3, "PUT", "key", b"x")
    assert s3.get("key") == b"x"
    s3.put("long", b"y" * 1_000_000)
    s3.proxy.cut_answer(100_000, "get", path="long")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(s3, "GET", "long")


def test_a_black_hole_and_a_stopped_server(s3: Bucket) -> None:
    """Nothing comes back, or nobody is there; healed, it is as before."""
    s3.proxy.black_hole()
    with pytest.raises(TimeoutError):
        ask(s3, "GET", "key", timeout=0.3)
    s3.proxy.heal()
    assert ask(s3, "GET", "key")[0] == 404
    s3.proxy.stop()
    with pytest.raises(ConnectionError):
        ask(s3, "GET", "key")
    s3.proxy.heal()
    assert ask(s3, "GET", "key")[0] == 404


def test_latency_and_rate(s3: Bucket) -> None:
    """Each answer comes so much later, and bytes so slowly."""
    s3.put("key", b"x" * 300_000)
    s3.proxy.latency = 0.2
    begun = time.monotonic()
    ask(s3, "GET", "none")
    assert time.monotonic() - begun >= 0.2
    s3.proxy.latency = 0
    s3.proxy.bytes_per_second = 1e6
    begun = time.monotonic()
    ask(s3, "GET", "key")
    assert time.monotonic() - begun >= 0.25
