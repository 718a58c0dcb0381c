"""The folders and the small records of a spool."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lattice_addons.storage.spool import Spool
from lattice_addons.storage.spool._spool import public, stamp

FOLDER = "job/rank-00000/"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Make the spool of a bucket."""
    return Spool(str(tmp_path), "s3://bucket/prefix/", {"endpoint_url": "http://here"})


def test_a_store_has_one_spool(tmp_path: Path, spool: Spool) -> None:
    """Found again by the URL and by the options that say where it is, whoever is let in."""
    options = {"endpoint_url": "http://here", "key": "me", "secret": "mine"}
    assert Spool(str(tmp_path), "s3://bucket/prefix", options).home == spool.home
    assert Spool(str(tmp_path), "s3://bucket/prefix", {"endpoint_url": "http://there"}).home != spool.home
    assert Spool(str(tmp_path), "s3://bucket/prefix2", {"endpoint_url": "http://here"}).home != spool.home
    assert os.path.basename(spool.home).startswith("s3-bucket-prefix-")


def test_no_secret_is_written(tmp_path: Path) -> None:
    """Neither those among the options nor the password of a URL, in a file or in a name."""
    secrets = {"secret": "hide", "key": "hide", "password": "hide", "aws_session_token": "hide"}
    spool = Spool(str(tmp_path), "sftp://me:hide@host/path", {**secrets, "port": "22", "keepalive": "3"})
    written = list(Path(spool.home).rglob("*"))
    assert "hide" not in str(written)
    assert not any(b"hide" in path.read_bytes() for path in written if path.is_file())
    assert spool.url == "sftp://me@host/path"
    # Where they are parts of an option, or of its value.
    within = {
        "connection_string": "AccountKey=hide",
        "client_kwargs": '{"aws_secret_access_key": "hide"}',
        "client_kwargs.headers.Authorization": "hide",
        "endpoint_url": "https://me:hide@minio:9000",
        "sas": "hide",
    }
    for url in (
        "az://container/path",
        "zip://x.zip::https://me:hide@host/path",
        "https://host/path?sig=hide",
    ):
        spool = Spool(str(tmp_path), url, within)
        assert "hide" not in spool.home + Path(spool.home, "store.json").read_text(encoding="utf-8")
    assert public({**secrets, "port": "22", "keepalive": "3"}) == {"keepalive": "3", "port": "22"}


def test_it_is_opened_by_its_folder(spool: Spool) -> None:
    """Who knows only the folder learns which store it belongs to."""
    again, options = Spool.at(spool.home)
    assert again.url == spool.url == "s3://bucket/prefix"
    assert options == {"endpoint_url": "http://here"}
    spool.store.put(f"{FOLDER}packs/x.pack", b"x")
    assert again.here(FOLDER) == [f"{FOLDER}packs/x.pack"]


def test_the_lease_is_of_this_machine_alone(spool: Spool) -> None:
    """It says which process here writes, which is nothing to another machine."""
    spool.store.put(f"{FOLDER}lease.json", b"{}")
    spool.store.put(f"{FOLDER}checkpoints/000000000001.json", b"{}")
    assert spool.here(FOLDER) == [f"{FOLDER}checkpoints/000000000001.json"]


def test_records_come_back(spool: Spool) -> None:
    """What is up, what is gone, who has the claim, and what is the trouble."""
    assert spool.folders() == []
    assert (spool.uploaded(FOLDER), spool.gone(FOLDER)) == ({}, {})
    assert (spool.claim(FOLDER), spool.trouble(FOLDER)) == (None, None)
    spool.store.put(f"{FOLDER}packs/x.pack", b"xyz")
    mark = stamp(spool.path(f"{FOLDER}packs/x.pack"))
    spool.set_uploaded(FOLDER, {f"{FOLDER}packs/x.pack": mark})
    spool.set_claim(FOLDER, {"nonce": "n"})
    spool.set_trouble(FOLDER, {"error": "e"})
    assert spool.uploaded(FOLDER) == {f"{FOLDER}packs/x.pack": mark}
    assert mark[0] == 3
    assert (spool.claim(FOLDER), spool.trouble(FOLDER)) == ({"nonce": "n"}, {"error": "e"})
    spool.set_claim(FOLDER, None)
    spool.set_trouble(FOLDER, None)
    assert (spool.claim(FOLDER), spool.trouble(FOLDER)) == (None, None)


def test_what_is_gone_is_told(spool: Spool) -> None:
    """Each record is dropped by its name, and the others stay; a folder of which nothing is here counts."""
    for name in "abc":
        spool.add_gone(FOLDER, [f"{FOLDER}packs/{name}.pack"])
    names = list(spool.gone(FOLDER))
    assert sorted(spool.gone(FOLDER).values()) == [[f"{FOLDER}packs/{name}.pack"] for name in "abc"]
    assert spool.folders() == [FOLDER]
    spool.drop_gone(FOLDER, names[:2])
    assert list(spool.gone(FOLDER)) == names[2:]


def test_what_is_gone_stays_in_order_when_the_clock_is_set_back(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many records there are until it is as late again; what is told then comes last."""
    spool.add_gone(FOLDER, ["first"])
    known = [f"{number}" for number in range(300)]
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() - 30 * 86_400 * 10**9)
    for key in known:
        spool.add_gone(FOLDER, [key])
    monkeypatch.setattr(time, "time_ns", now)
    spool.add_gone(FOLDER, ["last"])
    assert [*spool.gone(FOLDER).values()] == [["first"], *([key] for key in known), ["last"]]


def test_a_record_that_cannot_be_read_is_none(spool: Spool) -> None:
    """It can be made again from what is in the remote store."""
    spool.set_uploaded(FOLDER, {"k": [1, 2]})
    path = f"{spool.home}/state/{FOLDER}uploaded.json"
    with open(path, "r+b") as file:
        file.truncate(5)
    assert spool.uploaded(FOLDER) == {}


def test_a_file_put_in_the_place_of_another_has_another_stamp(spool: Spool) -> None:
    """So what was mended here is known to be other than what is up."""
    spool.store.put(f"{FOLDER}kept/000000000001.json", b"one")
    # The clock of a file system may stand still for some milliseconds.
    os.utime(spool.path(f"{FOLDER}kept/000000000001.json"), (1, 1))
    before = stamp(spool.path(f"{FOLDER}kept/000000000001.json"))
    spool.store.replace(f"{FOLDER}kept/000000000001.json", b"two")
    assert stamp(spool.path(f"{FOLDER}kept/000000000001.json")) != before


def test_parts_are_forgotten(spool: Spool) -> None:
    """When nothing is left to be sent, no upload in parts goes on."""
    spool.drop_parts(FOLDER)
    for name in ("a", "b"):
        Path(spool.parts(f"{FOLDER}packs/{name}.pack")).write_bytes(b"{}")
    spool.drop_parts(FOLDER)
    assert os.listdir(f"{spool.home}/state/{FOLDER}parts") == []
