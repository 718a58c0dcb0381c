"""The objects of the checkpoint service over real connections: what it takes, gives and refuses."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("uvicorn", reason="the service is of the extra `service`")

from tests.integration.objects import Client, digest, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.services import Server


@pytest.fixture
def client(served: Server) -> Iterator[Client]:
    """Give a job of this test alone in the service that tests share."""
    with Client(served) as made:
        yield made


def test_an_object_there_and_back(client: Client) -> None:
    """It is a file of the store that is served, byte for byte; listed, told of, given, removed."""
    data = os.urandom(3_000_000)
    status, _, headers = client.put("rank-00000/packs/a.pack", data)
    assert status == 201
    assert (client.path / "rank-00000/packs/a.pack").read_bytes() == data
    assert client.get("rank-00000/packs/a.pack")[:2] == (200, data)
    status, body, told = client.ask("HEAD", f"{client.objects}/" + "rank-00000/packs/a.pack")
    assert (status, body, told["content-length"], told["etag"]) == (200, b"", "3000000", headers["etag"])
    [entry] = client.listing()
    assert (entry["key"], entry["size"], f'"{entry["tag"]}"') == (
        "rank-00000/packs/a.pack",
        3_000_000,
        told["etag"],
    )
    assert client.listing(f"{client.objects}?prefix=rank-00000/packs/") == [entry]
    assert client.listing(f"{client.objects}?prefix=rank-00001") == []
    assert client.job in json.loads(client.ask("GET", "/v1/jobs")[1])["jobs"]
    assert client.ask("DELETE", f"{client.objects}/" + "rank-00000/packs/a.pack")[0] == 204
    assert client.get("rank-00000/packs/a.pack")[0] == 404
    assert client.job not in json.loads(client.ask("GET", "/v1/jobs")[1])["jobs"], (
        "a job without objects is none"
    )
    assert not client.path.exists()


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=90-", 90, 100),
        ("bytes=-7", 93, 100),
        ("bytes=98-500", 98, 100),
    ],
)
def test_ranges(client: Client, asked: str, start: int, stop: int) -> None:
    """A part of the bytes, and which part it is."""
    data = os.urandom(100)
    client.put("key", data)
    status, body, headers = client.get("key", Range=asked)
    assert (status, body) == (206, data[start:stop])
    assert headers["content-range"] == f"bytes {start}-{stop - 1}/100"


@pytest.mark.parametrize("asked", ["bytes=9-5", "lines=1-2", "bytes=0-1,5-6", "bytes=x"])
def test_what_is_no_single_range_gives_all(client: Client, asked: str) -> None:
    """As HTTP has it."""
    client.put("key", b"0123456789")
    assert client.get("key", Range=asked)[:2] == (200, b"0123456789")


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=500-600", "bytes=-0"])
def test_a_range_that_is_not_there(client: Client, asked: str) -> None:
    """The answer says how much there is."""
    client.put("key", b"0123456789")
    status, body, headers = client.get("key", Range=asked)
    assert (status, headers["content-range"], json.loads(body)["size"]) == (416, "bytes */10", 10)


def test_conditions_of_reading(client: Client) -> None:
    """What is known is not sent again; what has changed is no part of what was begun."""
    tag = client.put("key", b"old")[2]["etag"]
    assert client.get("key", If_None_Match=tag)[:2] == (304, b"")
    assert client.get("key", If_Match=tag)[0] == 200
    assert client.get("key", Range="bytes=1-", If_Range=tag)[:2] == (206, b"ld")
    assert client.put("key", b"new")[2]["etag"] != tag
    assert client.get("key", If_None_Match=tag)[:2] == (200, b"new")
    assert client.get("key", If_Match=tag)[0] == 412
    assert client.get("key", Range="bytes=1-", If_Range=tag)[:2] == (200, b"new")


def test_conditions_of_writing(client: Client) -> None:
    """A new key goes over none, a change only over what it was made of; the same for a removal."""
    tag = client.put("key", b"one", If_None_Match="*")[2]["etag"]
    status, body, _ = client.put("key", b"two", If_None_Match="*")
    assert (status, json.loads(body)["errno"]) == (412, 17)
    assert client.put("key", b"two", If_Match=tag)[0] == 201
    assert client.put("key", b"three", If_Match=tag)[0] == 412
    assert client.put("none", b"three", If_Match="*")[0] == 412
    assert client.ask("DELETE", f"{client.objects}/" + "key", If_Match=tag)[0] == 412
    assert client.get("key")[1] == b"two"
    assert client.put("key", b"x", If_None_Match='"tag"')[0] == 400


def test_a_write_that_is_said_again(client: Client) -> None:
    """By its name it is known: it is done once, also when its object is another one, or gone, by then."""
    told = {"If_None_Match": "*", "Idempotency_Key": "w1"}
    first, again = client.put("key", b"one", **told), client.put("key", b"one", **told)
    assert (first[0], again[0], again[2]["etag"]) == (201, 201, first[2]["etag"])
    assert client.put("key", b"one", **(told | {"Idempotency_Key": "w2"}))[0] == 412
    assert client.put("key", b"two", Idempotency_Key="w3")[0] == 201
    assert client.put("key", b"three", Idempotency_Key="w4")[0] == 201
    assert client.put("key", b"two", Idempotency_Key="w3")[0] == 201
    assert client.get("key")[1] == b"three"
    client.ask("DELETE", f"{client.objects}/key")
    assert client.put("key", b"one", **told)[0] == 201
    assert client.get("key")[0] == 404
    assert client.put("key", b"x", Idempotency_Key="no name")[0] == 400


def test_of_many_that_put_a_key_one_wins(client: Client) -> None:
    """In one step: the others are told, and the winner's bytes are there."""
    ready = threading.Barrier(12)

    def put(number: int) -> int:
        with Client(client.server, client.job) as mine:
            mine.ask("GET", "/healthz")
            ready.wait()
            return mine.put("key", bytes([number]) * 100_000, If_None_Match="*")[0]

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(put, range(12)))
    assert sorted(answers) == [201] + [412] * 11
    assert client.get("key")[1] == bytes([answers.index(201)]) * 100_000


def test_of_many_that_change_a_key_each_is_counted(client: Client) -> None:
    """Read, add one, write if nobody else has: no change is lost."""
    client.put("count", b"0")

    def add(_: int) -> None:
        with Client(client.server, client.job) as mine:
            for _ in range(5):
                status = 412
                while status == 412:
                    _, text, headers = mine.get("count")
                    status = mine.put("count", str(int(text) + 1).encode(), If_Match=headers["etag"])[0]
                assert status == 201

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(add, range(6)))
    assert client.get("count")[1] == b"30"


def test_bytes_that_are_not_those_that_were_sent(client: Client) -> None:
    """A wrong digest, or none, stores nothing and leaves the old bytes."""
    client.put("key", b"old")
    for name, value, status, kind in (
        ("Lattice_Digest", digest(b"others"), 422, "DamagedError"),
        ("Lattice_Digest", "md5=abc", 400, "StoreError"),
        ("X_Other", "", 400, "StoreError"),
    ):
        got, body, headers = client.ask("PUT", f"{client.objects}/" + "key", b"new", **{name: value})
        assert (got, json.loads(body)["type"]) == (status, kind)
        assert headers["content-type"] == "application/problem+json"
    assert client.get("key")[1] == b"old"
    assert os.listdir(client.path) == ["key"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_cut_off_counts_for_nothing(client: Client, chunked: bool) -> None:
    """The connection goes in the middle: the old bytes stay, and nothing else."""
    client.put("key", b"old")
    data = os.urandom(4_000_000)
    framing, before = (b"Transfer-Encoding: chunked", b"%x\r\n" % len(data)) if chunked else (b"", b"")
    with client.begin(data, 2 * len(data), framing) as cut:
        cut.sendall(before + data)
        wait_until(lambda: len(os.listdir(client.path)) == 2, "the bytes arrive beside their place")
    wait_until(lambda: os.listdir(client.path) == ["key"], "what was cut off goes")
    assert client.get("key")[1] == b"old"


def test_many_at_once_are_removed(client: Client) -> None:
    """Those that are there go, those that are not are fine, the others and their folders stay."""
    for key in ("a/1", "a/2", "b/1"):
        client.put(key, b"x")
    body = json.dumps({"keys": ["a/1", "a/2", "a/3", "nothing"]}).encode()
    status, answer, _ = client.ask(
        "POST", f"/v1/jobs/{client.job}/delete", body, Content_Type="application/json"
    )
    assert (status, json.loads(answer)) == (200, {"deleted": 4})
    assert [entry["key"] for entry in client.listing()] == ["b/1"]
    assert os.listdir(client.path) == ["b"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"keys": "a"}', b'{"keys": [1]}', b"\xff", b'{"keys": ["../x"]}']
)
def test_a_batch_that_is_none(client: Client, body: bytes) -> None:
    """It is refused whole."""
    client.put("a", b"x")
    assert (
        client.ask("POST", f"/v1/jobs/{client.job}/delete", body, Content_Type="application/json")[0] == 400
    )
    assert client.get("a")[1] == b"x"


def test_what_lies_in_no_job(client: Client) -> None:
    """It has a path of its own, which leads into no job."""
    assert client.ask("PUT", "/v1/store/objects/top", b"x", Lattice_Digest=digest(b"x"))[0] == 201
    assert (client.server.path / "top").read_bytes() == b"x"
    client.put("key", b"y")
    assert "top" in [entry["key"] for entry in client.listing("/v1/store/objects")]
    assert client.ask("GET", f"/v1/store/objects/{client.job}/key")[0] == 400
    assert client.ask("GET", "/v1/store/objects/.service/x")[0] == 400
    # A file there would keep the tokens from having a folder; the other is a path to whoever decodes once more.
    for name in (".service", ".lock", "%252e%252e"):
        assert client.ask("PUT", f"/v1/store/objects/{name}", b"x", Lattice_Digest=digest(b"x"))[0] == 400, (
            name
        )


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_key_with_a_line_break(client: Client, method: str) -> None:
    """It is refused as any other name that is none, and not told to be no path of the service."""
    for top in (client.objects, "/v1/store/objects"):
        status, body, _ = client.ask(method, f"{top}/a%0Ab", b"x", Lattice_Digest=digest(b"x"))
        assert status == 400
        assert json.loads(body)["hint"].startswith("a key is plain names")


def test_a_refusal_says_what_and_what_to_do(client: Client) -> None:
    """It names our error, has its words and its facts, and does not say where the store lies."""
    status, body, headers = client.get("none")
    told = json.loads(body)
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert told["type"] == "NotInStoreError"
    assert told["key"] == f"{client.job}/none"
    assert told["hint"] == "`lattice list` shows what is there"
    assert told["hint"] in told["detail"]
    assert str(client.server.path) not in body.decode()
    status, body, headers = client.ask("PATCH", f"{client.objects}/" + "none")
    assert (status, json.loads(body)["status"]) == (405, 405)
    assert "GET" in headers["allow"]


def test_a_program_in_an_object_is_never_one_of_a_page(client: Client) -> None:
    """What was stored is given as bytes that no browser runs."""
    client.put("page.html", b"<script>alert(1)</script>")
    headers = client.get("page.html")[2]
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
