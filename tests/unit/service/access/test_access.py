"""Who may do what: by token, by the dashboard's session, or because only this machine can ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

pytest.importorskip("starlette", reason="needs the extra `service`")

from starlette.requests import Request

from lattice_addons.errors import NoAccessError, SettingsError
from lattice_addons.service import Access, Tokens, check_listening
from lattice_addons.service.access._login import _path
from lattice_addons.service.access._origin import is_loopback
from lattice_addons.storage import MemoryStore

if TYPE_CHECKING:
    from lattice_addons.service.access._tokens import Token

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def tokens(request: pytest.FixtureRequest) -> Tokens:
    """Give the tokens of a store of this test's own."""
    return Tokens(MemoryStore(request.node.nodeid))


def asked(
    method: str = "GET", path: str = "/v1/jobs/a/objects/x", *, body: bytes = b"", **headers: str
) -> Request:
    """Make a request as a server hands it on; underscores of a header's name are its dashes."""
    given = {"host": "127.0.0.1:5555"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 5555),
        "client": ("192.0.2.7", 40000),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value],
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)


def status(access: Access, request: Request, job: str | None = "a", right: str = "read") -> int:
    """Say with which status it is refused; 200 when it is not."""
    try:
        access.allows(request, job, right)
    except NoAccessError as error:
        return int(error.status)  # type: ignore[attr-defined]
    return 200


@pytest.mark.parametrize("right", ["read", "write", "admin"])
@pytest.mark.parametrize("job", ["a", "ab", "b", None])
def test_bearer(tokens: Tokens, job: str | None, right: str) -> None:
    """A token opens what it says, and nothing else; without it nothing is open."""
    access = Access(tokens)
    token, shown = tokens.create("a", "write")
    allowed = job in ("a", "ab") and right != "admin"

    assert status(access, asked(authorization=f"Bearer {shown}"), job, right) == (200 if allowed else 403)
    assert status(access, asked(), job, right) == 401
    tokens.revoke(token.id)
    assert status(access, asked(authorization=f"Bearer {shown}"), job, right) == 401


@pytest.mark.parametrize(
    "form", ["{0}", "Basic {0}", "Bearer", "Bearer  x{0}", "Bearer {0},{0}", "Bearer {1}", "ü {0}"]
)
def test_other_credentials_are_none(tokens: Tokens, form: str) -> None:
    """What is no bearer token is not taken for one, whatever is in it."""
    token, shown = tokens.create("", "admin")

    assert status(Access(tokens), asked(authorization=form.format(shown, token.digest))) == 401


def test_refusal_says_what_to_do_and_no_secret(tokens: Tokens) -> None:
    """The error names the token by its id, what it may, and the command; not the token, nor its digest."""
    access = Access(tokens)
    token, shown = tokens.create("a", "read")

    with pytest.raises(NoAccessError, match=r"lattice token create") as refused:
        access.allows(asked(authorization=f"Bearer {shown}"), "b", "write")
    assert token.id in str(refused.value)
    assert shown.rpartition("-")[2] not in str(refused.value)


def test_visible(tokens: Tokens) -> None:
    """A listing shows the jobs that may be read, and no other's name; one that goes on ends with its token."""
    access = Access(tokens)
    token, shown = tokens.create("a", "read")
    sees = access.visible(asked(authorization=f"Bearer {shown}"))

    assert [job for job in ("a", "ab", "b") if sees(job)] == ["a", "ab"]
    tokens.revoke(token.id)
    assert not sees("a")
    with pytest.raises(NoAccessError):
        access.visible(asked())


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:5555", True),
        ("localhost", True),
        ("LocalHost:80", True),
        ("[::1]:5555", True),
        ("127.9.9.9", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:5555", False),
        ("127.0.0.1@evil.example", False),
        ("evil.example@127.0.0.1", False),
        ("[::ffff:1.2.3.4]", False),
        ("0.0.0.0", False),  # noqa: S104 - a host that is asked for
        ("192.168.0.4", False),
        ("[", False),
        ("", False),
    ],
)
def test_host_must_be_this_machine(host: str, allowed: bool) -> None:
    """Without tokens, a name elsewhere that was given this machine's address is refused."""
    assert status(Access(None), asked(host=host), "a", "admin") == (200 if allowed else 403)


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        (
            "GET",
            {"sec_fetch_site": "cross-site", "origin": "http://evil.example"},
            True,
        ),  # it cannot read the answer
        ("PUT", {}, True),
        ("PUT", {"origin": "http://127.0.0.1:5555"}, True),
        ("PUT", {"origin": "http://evil.example"}, False),
        ("PUT", {"origin": "http://127.0.0.1:8080"}, False),
        ("PUT", {"origin": "null"}, False),
        ("PUT", {"origin": "http://["}, False),
        ("DELETE", {"sec_fetch_site": "same-site"}, False),
        ("POST", {"content_type": "application/json"}, True),
        ("POST", {"content_type": "application/json", "origin": "http://evil.example"}, False),
        ("POST", {"content_type": FORM}, False),
        ("POST", {"content_type": "text/plain; application/json"}, False),
        ("POST", {"content_type": "multipart/form-data; boundary=x"}, False),
        ("POST", {}, False),
    ],
)
def test_other_sites_pages_change_nothing(method: str, headers: dict[str, str], allowed: bool) -> None:
    """What a browser may send for a page elsewhere, without asking first, changes nothing here."""
    assert status(Access(None), asked(method, body=b"", **headers), "a", "write") == (200 if allowed else 403)


def test_a_program_with_a_token_is_no_browser(tokens: Tokens) -> None:
    """A page elsewhere has no token; who shows one may post as they like."""
    _, shown = tokens.create("", "admin")
    request = asked(
        "POST", authorization=f"Bearer {shown}", content_type=FORM, origin="http://elsewhere.example"
    )

    assert status(Access(tokens), request, "a", "write") == 200


def test_a_token_is_good_at_once(tokens: Tokens) -> None:
    """One that another process has made a moment ago is looked for; what has no token's form is not."""
    elsewhere = Tokens(tokens.store)
    access = Access(elsewhere)
    _, shown = tokens.create("a", "read")
    request = asked(authorization=f"Bearer {shown}")

    assert status(access, request) == 401
    assert asyncio.run(access.learn(request))
    assert status(access, request) == 200
    assert not asyncio.run(access.learn(request))
    assert not asyncio.run(access.learn(asked(authorization="Bearer x")))


def test_who_shows_a_token_is_known_by_it(tokens: Tokens) -> None:
    """Also where none is needed: what is written down of them has its id, and not this machine's address alone."""
    token, shown = tokens.create("a", "read")
    access = Access(tokens, required=False)

    assert access.caller(asked(authorization=f"Bearer {shown}")).name == token.id
    assert access.caller(asked()).name == "192.0.2.7"
    assert status(access, asked(authorization=f"Bearer {shown}"), "b", "admin") == 200


def cookie(access: Access, token: Token) -> str:
    """Log in."""
    return f"lattice-session={access.sessions.begin(token)}"


def test_session(tokens: Tokens) -> None:
    """The cookie of a session is as good as its token on pages, and no good where programs ask; until it ends."""
    access = Access(tokens)
    token, _ = tokens.create("a", "write")
    session = cookie(access, token)

    assert status(access, asked(path="/jobs/a", cookie=session)) == 200
    assert status(access, asked(path="/jobs/b", cookie=session), "b") == 403
    assert status(access, asked(path="/v1/jobs/a/objects/x", cookie=session)) == 401
    assert status(access, asked(path="/jobs/a", cookie="lattice-session=x")) == 401
    tokens.revoke(token.id)
    assert status(access, asked(path="/jobs/a", cookie=session)) == 401


def test_sessions_end(tokens: Tokens) -> None:
    """Who has logged out is not known any more."""
    access = Access(tokens)
    session = access.sessions.begin(tokens.create("a", "write")[0])
    access.sessions.end(session)

    assert status(access, asked(path="/jobs/a", cookie=f"lattice-session={session}")) == 401


def test_form_needs_what_only_our_pages_know(tokens: Tokens) -> None:
    """A form changes something when it has what the page of this very session was given."""
    access = Access(tokens)
    token, _ = tokens.create("a", "write")
    mine, other = cookie(access, token), cookie(access, token)
    known = access.csrf(asked(path="/jobs/a", cookie=mine))

    def post(csrf: str, header: str = "") -> int:
        request = asked(
            "POST", "/jobs/a/rollback", body=f"number=3&csrf={csrf}".encode(), cookie=mine, content_type=FORM,
            x_lattice_csrf=header,
        )  # fmt: skip
        if header:
            return status(access, request, "a", "write")
        try:
            assert asyncio.run(access.form(request)) == {"number": "3"}
        except NoAccessError as error:
            return int(error.status)  # type: ignore[attr-defined]
        return status(access, request, "a", "write")

    assert post(known) == 200
    assert post("") == 403
    assert post(access.csrf(asked(path="/jobs/a", cookie=other))) == 403
    assert post("", header=known) == 200
    assert post("", header="x") == 403


def test_form_that_was_not_read_changes_nothing() -> None:
    """A route that forgot to look at the form's token is refused, not let through."""
    access = Access(None)
    body = f"csrf={access.csrf(asked())}".encode()

    assert status(access, asked("POST", body=body, content_type=FORM), "a", "write") == 403


@pytest.mark.parametrize(
    "text", ["//evil.example", "/\\evil.example", "https://evil.example", "x", "", "/\t/evil.example"]
)
def test_login_leads_nowhere_else(text: str) -> None:
    """Where to go after the login is a page here."""
    assert _path(text) == "/"
    assert _path("/jobs/a?x=1") == "/jobs/a?x=1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.4", "example.org", ""])  # noqa: S104 - as above
def test_no_listening_elsewhere_without_tokens(tokens: Tokens, host: str) -> None:
    """Where others can ask, there must be a token; the error says how to make one."""
    for none in (None, tokens):
        with pytest.raises(SettingsError, match="lattice token create"):
            check_listening(host, none)
    tokens.create("a", "read")
    check_listening(host, tokens)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.8.8.8"])
def test_loopback_needs_no_token(host: str) -> None:
    """Only this machine can ask there."""
    assert is_loopback(host)
    check_listening(host, None)


def test_required_without_tokens_is_an_error() -> None:
    """A service that asks for tokens and has none could never be asked anything."""
    with pytest.raises(SettingsError):
        Access(None, required=True)
