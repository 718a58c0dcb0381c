"""Links and pipes that somebody planted in a store are not followed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import StoreError
from tests.unit.storage.scene import below

if TYPE_CHECKING:
    from lattice_addons.storage import LocalStore


def test_a_link_in_the_place_of_a_key_is_not_followed(store: LocalStore, tmp_path: Path) -> None:
    """What it leads to is neither read nor written; replacing replaces the link."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (Path(store.root) / "link").symlink_to(target)
    with pytest.raises(StoreError, match="link"):
        store.read("link")
    with pytest.raises(StoreError, match="link"):
        store.flock_hold("link")
    with pytest.raises(StoreError, match="never written over"):
        store.put("link", b"x")
    with pytest.raises(StoreError, match="never written over"), store.create("link") as writer:
        writer.write(b"x")
    assert store.list() == []
    store.replace("link", b"mine")
    assert (target.read_bytes(), store.read("link")) == (b"precious", b"mine")
    (Path(store.root) / "other").symlink_to(target)
    store.delete(["other"])
    assert target.read_bytes() == b"precious"


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_link_in_the_place_of_a_folder_is_not_followed(
    store: LocalStore, tmp_path: Path, depth: int
) -> None:
    """At no depth, and by no method."""
    target = tmp_path / "target"
    (target / "b" / "c").mkdir(parents=True)
    (target / "b" / "c" / "key").write_bytes(b"precious")
    parts = ["a", "b", "c"]
    place = Path(store.root).joinpath(*parts[:depth])
    place.mkdir(parents=True, exist_ok=True)
    (place / parts[depth]).symlink_to(target)
    before = below(target)
    key = "a/b/c/key"
    for use in (
        lambda: store.read(key),
        lambda: store.put(key, b"x"),
        lambda: store.replace(key, b"x"),
        lambda: store.create(key).__enter__(),
        lambda: store.delete([key]),
        lambda: store.flock_hold(key),
        lambda: store.exclusive("a/b/c").__enter__(),
    ):
        with pytest.raises(StoreError, match="link"):
            use()
    assert store.list() == []
    with suppress(StoreError):
        store.sweep("a")
    with suppress(StoreError):
        store.prune("a")
    store.prune("")
    assert below(target) == before
    assert (target / "b" / "c" / "key").read_bytes() == b"precious"


def test_a_pipe_in_the_place_of_a_key_is_not_waited_for(store: LocalStore) -> None:
    """Opening it would wait for a writer for ever."""
    os.mkfifo(Path(store.root) / "pipe")
    with pytest.raises(StoreError, match="pipe"):
        store.read("pipe")
    assert store.list() == []
