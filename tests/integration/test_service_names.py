"""No name leads out of its job: on the wire of a running service, and for whatever Hypothesis finds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="needs the extra `service`")

from lattice_addons.service import Tokens, make_app
from lattice_addons.storage import LocalStore
from tests import escapes
from tests.integration.asking import asked, digest_of, on_the_wire
from tests.integration.services import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a service that asks for tokens."""
    made = Server(tmp_path_factory.mktemp("guarded") / "served")
    made.options = ["--require-tokens"]
    made.start()
    yield made
    made.kill()


def test_no_name_leads_out_of_its_job(guarded: Server) -> None:
    """On the wire, as no decent client would write it: nothing of another job or of the service is read or changed."""
    store = LocalStore(guarded.path)
    _, shown = Tokens(store).create("mine", "admin", exact=True)
    for key in ("mine/x", "other/secret"):
        store.put(key, b"secret of " + key.encode())
    (guarded.path.parent / "outside").write_bytes(b"secret of the machine")
    before = tree(guarded.path.parent)
    tries = {f"mine/objects/{way}" for key in escapes.KEYS for way in written(key)}
    tries |= {f"{way}/objects/x" for job in escapes.JOBS for way in written(job)}
    tries |= {
        f"{job}/objects/{key}"
        for job in ("mine/..", "mine%2f..", ".", "%2e%2e", "%2eservice")
        for key in ELSEWHERE
    }
    tries |= {f"mine/objects/{way}" for key in ELSEWHERE for way in written(key)}

    for path in sorted(tries):
        for method in ("GET", "PUT", "DELETE"):
            told = on_the_wire(guarded.port, method, f"/v1/jobs/{path}", shown)
            assert not any(
                secret in told for secret in (b"secret of other", b"secret of the machine", b'"digest"')
            ), path
    after = tree(guarded.path.parent)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {name for name in changed if not name.startswith("served/mine/")} == set()


ELSEWHERE = [
    "../other/secret",
    "x/../../other/secret",
    "../../outside",
    "../.service/tokens/x",
    "..\\other\\secret",
]


def written(name: str) -> set[str]:
    """Give the ways in which a name may be written in a path."""
    plain = quote(name.encode("utf-8", "surrogateescape"), safe="/%.\\")
    return {
        plain,
        plain.replace(".", "%2e"),
        plain.replace("/", "%2F"),
        plain.replace("%", "%25"),
        quote(plain, safe=""),
    }


def tree(folder: Path) -> dict[str, bytes]:
    """Give every file below a folder, but logs and what the service is writing down of its own."""
    found = {}
    for path in folder.rglob("*"):
        own = path.parent.name == ".service" and path.suffix == ".tmp"
        if path.is_file() and not own and not path.name.endswith((".log", ".jsonl", "used.json")):
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    job=st.text(st.sampled_from(escapes.ALPHABET), max_size=8),
    key=st.text(st.sampled_from(escapes.ALPHABET), max_size=16),
)
def test_whatever_is_asked_for_lies_in_its_job(tmp_path: Path, job: str, key: str) -> None:
    """The application stores what it is given below the job that was checked, or nothing anywhere."""
    root = tmp_path / "served"
    app = make_app(LocalStore(root))
    digest = digest_of(b"evil")
    for text in (f"{job}/objects/{key}", f"a/objects/{key}"):
        raw = "/v1/jobs/" + quote(text, safe="/%\\")
        status, _ = asyncio.run(asked(app, "PUT", raw, [b"evil"], lattice_digest=digest))
        made = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".gitignore"]
        assert (status == 201) == (len(made) == 1), (raw, status, made)
        for path in made:
            assert path.is_relative_to(root)
            top, *rest = path.relative_to(root).parts
            assert rest
            assert not top.startswith(".")
            path.unlink()
