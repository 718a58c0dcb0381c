"""Who may do what to a running service: tokens, limits, names that lead elsewhere, and what is written down of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("uvicorn", reason="needs the extra `service`")

from lattice_addons.service import Audit, Tokens, make_app
from lattice_addons.storage import LocalStore, MemoryStore
from tests.integration.asking import OBJECT, Client, asked, digest_of
from tests.integration.commands import lattice
from tests.integration.services import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a service that asks for tokens; each test has jobs and tokens of its own there."""
    made = Server(tmp_path_factory.mktemp("guarded") / "served")
    made.options = ["--require-tokens"]
    made.start()
    yield made
    made.kill()


def wait_for(status: int, client: Client, path: str) -> None:
    """Wait until a service has heard of what another process did to its tokens."""
    deadline = time.monotonic() + 120
    while client.get(path) != status:
        assert time.monotonic() < deadline, (status, path)
        time.sleep(0.02)


def test_from_making_a_token_to_taking_it_away(guarded: Server) -> None:
    """A token made while the service runs opens its jobs, as far as it says, until it is revoked; and then nothing."""
    root = ["--root", str(guarded.path)]
    nobody = Client(guarded.port)
    made = lattice("token", "create", "team-", "--rights", "write", *root)
    shown = made.stdout.strip()
    assert made.returncode == 0, made.stderr
    writer = Client(guarded.port, shown)
    reader = Client(
        guarded.port,
        lattice("token", "create", "team-1", "--exact", "--rights", "read", *root).stdout.strip(),
    )

    assert [client.put(OBJECT, b"abc") for client in (nobody, reader, writer)] == [401, 403, 201]
    assert [client.get(OBJECT) for client in (nobody, reader, writer)] == [401, 200, 200]
    assert [client.get(OBJECT.replace("team-1", "team-2")) for client in (reader, writer)] == [403, 404]
    assert writer.put("/v1/jobs/other/objects/x", b"abc") == 403
    assert writer.get("/v1/store/objects") == writer.get("/v1/store/objects/x") == 403
    assert json.loads(writer.ask("GET", "/v1/jobs")[2])["jobs"] == ["team-1"]
    status, headers, told = nobody.ask("GET", OBJECT)
    problem = json.loads(told)
    assert (status, headers["www-authenticate"].split()[0], problem["type"]) == (
        401,
        "Bearer",
        "NoAccessError",
    )
    assert "LATTICE_CHECKPOINT_TOKEN" in problem["hint"] + problem["detail"]
    assert nobody.get("/healthz") == 200

    listed = json.loads(lattice("token", "list", "--json", *root).stdout)
    mine = [row for row in listed if row["prefix"].startswith("team-")]
    assert [(row["prefix"], row["rights"]) for row in mine] == [("team-", "write"), ("team-1", "read")]
    gone = lattice("token", "revoke", mine[0]["id"], *root)
    assert gone.returncode == 0, gone.stderr
    wait_for(401, writer, OBJECT)
    assert reader.get(OBJECT) == 200
    assert shown not in lattice("token", "list", *root).stdout + guarded.log
    assert lattice("token", "revoke", mine[0]["id"], *root).returncode == 66


def test_log_in(guarded: Server) -> None:
    """A person shows a token to the page, is known by a cookie that no script reads, and is unknown when it ends."""
    token, shown = Tokens(LocalStore(guarded.path)).create("someone-", "read")
    browser = Client(guarded.port)

    def log_in(text: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        body = urlencode({"token": text, "next": "/"}).encode()
        return browser.ask(
            "POST", "/login", body, content_type="application/x-www-form-urlencoded", **headers
        )

    status, headers, _ = log_in("wrong")
    assert (status, "set-cookie" in headers, headers["location"].partition("?")[0]) == (303, False, "/login")
    assert log_in(shown, origin="http://evil.example")[0] == 403
    status, headers, _ = log_in(shown)
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert all(word in cookie.lower() for word in ("httponly", "samesite=strict", "path=/"))
    assert shown not in cookie
    browser.headers["cookie"] = cookie.partition(";")[0]
    assert browser.get("/v1/jobs") == 200
    assert browser.get(OBJECT) == 401
    Tokens(LocalStore(guarded.path)).revoke(token.id)
    wait_for(401, browser, "/v1/jobs")


def test_a_name_elsewhere_that_leads_here(served: Server) -> None:
    """A page of another site that gives this machine's address to its name gets nothing of what only we may ask."""
    assert Client(served.port).put(OBJECT, b"abc") == 201
    evil = Client(served.port, host="evil.example")

    assert [evil.get(path) for path in (OBJECT, "/v1/jobs", "/v1/jobs/team-1/objects", "/metrics")] == [
        403
    ] * 4
    assert evil.put(OBJECT, b"evil") == 403
    assert Client(served.port).ask("GET", OBJECT)[2] == b"abc"
    assert Client(served.port).put(OBJECT, b"evil", origin="http://evil.example") == 403
    as_form = {"content_type": "text/plain"}
    assert Client(served.port).ask("POST", "/v1/jobs/team-1/delete", b'{"keys": []}', **as_form)[0] == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - where it must not listen
def test_it_does_not_listen_elsewhere_without_tokens(tmp_path: Path, host: str) -> None:
    """Before the first token is made, a service for other machines does not start, and says what to do."""
    ended = lattice("serve", "--root", str(tmp_path), "--host", host, "--port", "0")

    assert ended.returncode == 64
    assert "lattice token create" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("rights", "loose", "metrics"), [("read", 403, 200), ("write", 403, 200), ("admin", 404, 200)]
)
def test_what_lies_in_no_job_is_the_administrators(rights: str, loose: int, metrics: int) -> None:
    """Who may read or write all jobs may not touch what belongs to none; the counts of all they may read."""
    store = MemoryStore(f"loose {rights}")
    tokens = Tokens(store)
    app = make_app(store, tokens=tokens)
    mine: dict[str, Any] = {"authorization": f"Bearer {tokens.create('*', rights)[1]}"}
    some: dict[str, Any] = {"authorization": f"Bearer {tokens.create('a', rights)[1]}"}

    async def statuses(headers: dict[str, Any]) -> list[int]:
        return [(await asked(app, "GET", path, **headers))[0] for path in ("/v1/store/objects/x", "/metrics")]

    assert asyncio.run(statuses(mine)) == [loose, metrics]
    assert asyncio.run(statuses(some)) == [403, 403]


def test_what_is_written_down(tmp_path: Path) -> None:
    """Each change, each refusal and each reader are a line; no line has a token, also not one that somebody showed."""
    path = tmp_path / "audit.jsonl"
    store = LocalStore(tmp_path / "served")
    tokens = Tokens(store)
    token, shown = tokens.create("team-", "write")
    app = make_app(store, tokens=tokens, audit=Audit(path))
    mine: dict[str, Any] = {"authorization": f"Bearer {shown}"}

    async def act() -> None:
        digest: dict[str, Any] = {"lattice_digest": digest_of(b"abc")}
        await asked(app, "PUT", OBJECT, [b"abc"], **mine, **digest)
        await asked(app, "GET", OBJECT, **mine)
        await asked(app, "GET", OBJECT, **mine)
        await asked(app, "PUT", "/v1/jobs/other/objects/x", [b"abc"], **mine, **digest)
        for _ in range(10):
            await asked(app, "PUT", OBJECT, authorization=f"Bearer {shown[:-1]}-")
        body: list[bytes | None] = [b'{"keys": ["rank-00000/packs/x"]}']
        await asked(app, "POST", "/v1/jobs/team-1/delete", body, content_type="application/json", **mine)
        await asked(app, "PUT", f"/v1/jobs/team-1/objects/{shown}", [b"abc"], **mine, **digest)

    asyncio.run(act())
    text = path.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["who"], line["act"], line["job"], line["status"]) for line in lines] == [
        (token.id, "write", "team-1", 201),
        (token.id, "read", "team-1", 200),
        (token.id, "write", "other", 403),
        ("192.0.2.1", "write", "team-1", 401),
        (token.id, "delete", "team-1", 200),
        (token.id, "write", "team-1", 201),
    ]
    assert shown[-32:] not in text
    assert os.stat(path).st_mode & 0o077 == 0


def test_tokens_that_are_made_and_revoked_are_written_down(tmp_path: Path) -> None:
    """Who did it, and what the token opens; never the token."""
    root = ["--root", str(tmp_path)]
    made = json.loads(lattice("token", "create", "a-", "--rights", "write", "--json", *root).stdout)
    lattice("token", "list", *root)
    lattice("token", "revoke", made["id"], *root)
    text = (tmp_path / ".service" / "audit.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["act"], line["token"], line["prefix"]) for line in lines] == [
        ("token create", made["id"], "a-"),
        ("token revoke", made["id"], "a-"),
    ]
    assert all(line["who"].startswith("user ") for line in lines)
    assert made["token"] not in text
    # Where nothing could be written down, nothing is done.
    done = lattice("token", "create", "b-", "--rights", "read", "--audit", "/proc/no/log", *root)
    assert done.returncode != 0
    assert "audit log" in done.stderr
    assert "b-" not in lattice("token", "list", *root).stdout


@pytest.mark.parametrize("proxy", ["", "127.0.0.1", "10.9.8.7"])
def test_only_a_proxy_that_is_named_says_who_asks(stopped_server: Server, proxy: str) -> None:
    """By default nobody is believed: else whoever asks could be anybody."""
    server = stopped_server
    server.options = ["--behind-proxy", proxy] if proxy else []
    server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    told = {"X-Forwarded-For": "192.0.2.7, 192.0.2.9"}
    connection.request("DELETE", "/v1/jobs/job/objects/key", headers=told)
    assert connection.getresponse().status == 204
    connection.close()
    log = server.path / ".service" / "audit.jsonl"
    deadline = time.monotonic() + 120
    while "delete" not in (text := log.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (line,) = map(json.loads, text.splitlines())
    assert line["address"] == ("192.0.2.9" if proxy == "127.0.0.1" else "127.0.0.1")


@pytest.mark.parametrize("address", ["*", "proxy.example", "10.0.0.0/8", "127.0.0.1,"])
def test_a_proxy_that_is_no_address_is_refused(tmp_path: Path, address: str) -> None:
    """Before anything is served."""
    done = lattice("serve", "--root", str(tmp_path), "--port", "0", "--behind-proxy", address)
    assert done.returncode != 0
    assert "no address of a proxy" in done.stderr
