"""Tokens are stored as digests, open what they say, and none is lost when two make and take away at once."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import NotInStoreError, SettingsError
from lattice_addons.service import Tokens
from lattice_addons.service.access._tokens import FOLDER
from lattice_addons.service.access._watching import Watching
from lattice_addons.storage import LocalStore
from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store in a folder."""
    return LocalStore(tmp_path / "store")


def test_nothing_in_the_store_opens_anything(store: Store) -> None:
    """Who can read the store finds no token in it, nor a part of one that would help."""
    _, shown = Tokens(store).create("team-", "write")

    everything = b"".join(store.read(key) for key in store.list())

    assert shown.rpartition("-")[2].encode() not in everything
    assert len(store.list(FOLDER)) == 1
    assert Tokens(store).list()[0].told().keys() == {"id", "prefix", "exact", "rights", "created", "expires"}


@pytest.mark.parametrize(
    ("prefix", "exact", "job", "covered"),
    [
        ("team-", False, "team-1", True),
        ("team-*", False, "team-1", True),
        ("team-", False, "Team-1", False),
        ("team-", False, "team", False),
        ("team-", False, "my-team-1", False),
        ("train", True, "train", True),
        ("train", True, "train2", False),
        ("*", False, "anything", True),
        ("*", False, None, True),
        ("", False, None, True),
        ("team-", False, None, False),
        ("train", True, None, False),
    ],
)
def test_prefix(store: Store, prefix: str, exact: bool, job: str | None, covered: bool) -> None:
    """A token covers the jobs whose names begin so, or the one that it names; all only where it says all."""
    token, _ = Tokens(store).create(prefix, "read", exact=exact)

    assert token.covers(job) is covered


@pytest.mark.parametrize(("rights", "may"), [("read", 1), ("write", 2), ("admin", 3)])
def test_rights_include_those_below(store: Store, rights: str, may: int) -> None:
    """Who may write may read, who may administer may both; nobody may more."""
    token, _ = Tokens(store).create("a", rights)

    assert [token.allows("a", right) for right in ("read", "write", "admin")] == [True] * may + [False] * (
        3 - may
    )


def test_only_the_whole_token_is_found(store: Store) -> None:
    """Another secret with the same id, a part, its digest, or anything else is no token."""
    tokens = Tokens(store)
    token, shown = tokens.create("a", "read")
    name = f"lattice-{token.id}-"
    wrong = [
        name + "0" * 64,
        name + token.digest,
        shown[:-1],
        shown + "0",
        shown.upper(),
        "",
        " " + shown,
        "ü\udc80\0",
    ]

    assert tokens.find(shown) == token
    assert [each for each in wrong if tokens.find(each)] == []


@pytest.mark.parametrize(
    ("prefix", "rights", "options"),
    [
        ("a/b", "read", {}),
        (".service", "read", {}),
        ("a\n", "read", {}),
        ("", "read", {"exact": True}),
        ("a", "everything", {}),
        ("a", "read", {"days": 0}),
        ("a", "read", {"days": 1e9}),
        ("a", "read", {"days": float("nan")}),
    ],
)
def test_what_is_no_token_is_refused(
    store: Store, prefix: str, rights: str, options: dict[str, object]
) -> None:
    """A prefix that begins no job's name, a right that there is not, a time that cannot be."""
    with pytest.raises(SettingsError):
        Tokens(store).create(prefix, rights, **options)  # type: ignore[arg-type]

    assert store.list() == []


def test_expiry(store: Store) -> None:
    """A token whose time is over opens nothing, and is still listed."""
    tokens = Tokens(store)
    token, shown = tokens.create("a", "read", days=1)
    key = f"{FOLDER}{token.id}.json"
    assert tokens.find(shown) is not None

    past = (datetime.now(timezone.utc) - timedelta(days=2)).isoformat()
    store.replace(key, json.dumps(json.loads(store.read(key)) | {"expires": past}).encode())

    later = Tokens(store)
    assert [each.expired for each in later.list()] == [True]
    assert later.find(shown) is None


def test_damaged_file_opens_nothing(store: Store) -> None:
    """A file in the folder that is no token, or another's copy, is passed over; the others work."""
    tokens = Tokens(store)
    token, shown = tokens.create("a", "read")
    whole = store.read(f"{FOLDER}{token.id}.json")
    for name, data in (
        ("0" * 12, whole),
        ("1" * 12, b"{"),
        ("2" * 12, b'{"id": 2}'),
        ("3" * 12, b"[]"),
        ("4" * 12, b""),
        ("5" * 12, b"[" * 100_000),
    ):
        store.put(f"{FOLDER}{name}.json", data)

    assert [each.id for each in Tokens(store).list()] == [token.id]
    tokens.refresh()
    assert tokens.find(shown) is not None


def test_revoke_of_none_is_told(store: Store) -> None:
    """An id that no token has is an error that names those there are; twice is as good as none."""
    tokens = Tokens(store)
    token, shown = tokens.create("a", "read")

    with pytest.raises(NotInStoreError, match=token.id):
        tokens.revoke("../../job")
    tokens.revoke(token.id)
    with pytest.raises(NotInStoreError, match="none"):
        tokens.revoke(token.id)
    assert tokens.find(shown) is None


@pytest.mark.one_python
def test_two_processes_lose_none(store: Store, tmp_path: Path) -> None:
    """Two programs that make tokens and take some away at the same time: each is there, or gone, as was asked."""
    source = """
        import sys
        from lattice_addons.service import Tokens
        from lattice_addons.storage import LocalStore
        tokens = Tokens(LocalStore(sys.argv[1]))
        print("ready")
        sys.stdin.readline()
        for number in range(12):
            token, _ = tokens.create(f"{sys.argv[2]}-{number}", "read")
            if number % 2:
                tokens.revoke(token.id)
    """
    program = Program(tmp_path, source)
    started = [program.start(str(tmp_path / "store"), name) for name in ("a", "b")]
    for process in started:
        wait_for(process, "ready")
    # They begin together, when both are there: else one may have ended before the other starts.
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [finish(process).returncode for process in started] == [0, 0]
    expected = sorted(f"{name}-{number}" for name in ("a", "b") for number in range(0, 12, 2))
    assert sorted(token.prefix for token in Tokens(store).list()) == expected


def test_a_service_sees_what_another_process_does(store: Store) -> None:
    """A token made or taken away elsewhere counts here a moment later, and not only at the next start."""
    here, elsewhere = Tokens(store), Tokens(store)
    watching = Watching(here, seconds=0.01)
    try:
        token, shown = elsewhere.create("a", "read")
        assert wait_until(lambda: here.find(shown) is not None)
        elsewhere.revoke(token.id)
        assert wait_until(lambda: here.find(shown) is None)
    finally:
        watching.close()


def test_last_use_is_stored(store: Store) -> None:
    """When a token was last used is there after the service has ended; a token that is gone leaves nothing."""
    here = Tokens(store)
    used, shown = here.create("a", "read")
    gone, gone_shown = here.create("b", "read")
    here.create("c", "read")
    assert here.find(shown) is not None
    assert here.find(gone_shown) is not None
    here.revoke(gone.id)

    Watching(here).close()

    told = Tokens(store).last_used()
    assert list(told) == [used.id]
    assert datetime.fromisoformat(told[used.id]) >= datetime.fromisoformat(used.created)


def wait_until(true: object, seconds: float = 60) -> bool:
    """Wait until something holds; say whether it did."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False
