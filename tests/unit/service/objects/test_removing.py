"""With the last object of a folder the folder goes, and what is not there costs no looking around."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette", reason="the service is of the extra `service`")

from lattice_addons.service.objects._removing import _remove
from lattice_addons.storage import LocalStore

if TYPE_CHECKING:
    from pathlib import Path


class Counted(LocalStore):
    """A store that counts how often it is gone through."""

    looks = 0

    def list(self, prefix: str = "") -> list[str]:
        """Give the keys."""
        self.looks += 1
        return super().list(prefix)


@pytest.mark.parametrize("deep", [1, 20])
def test_many_that_are_not_there(tmp_path: Path, deep: int) -> None:
    """None of their folders is looked into."""
    store = Counted(str(tmp_path / "store"))
    for key in ("job/there/1", "job/there/deeper/2", "job/kept/1"):
        store.put(key, b"x")
    keys = ["job/" + "/".join(f"{number}-{part}" for part in range(deep)) for number in range(500)]
    _remove(store, [*keys, "job/there/1", "job/there/deeper/2"])
    assert store.looks <= 10
    assert store.list() == ["job/kept/1"]
    assert [path.name for path in (tmp_path / "store" / "job").iterdir()] == ["kept"]


def test_a_job_without_objects_is_no_job(tmp_path: Path) -> None:
    """Its folder goes, and the store stays."""
    store = LocalStore(str(tmp_path / "store"))
    store.put("job/rank-00000/packs/1", b"x")
    _remove(store, ["job/rank-00000/packs/1", "job/none"])
    assert not (tmp_path / "store" / "job").exists()
    _remove(store, ["other/none/1"])
    assert (tmp_path / "store").is_dir()
